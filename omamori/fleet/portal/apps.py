"""The Django app of `fleet/portal`."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.portal"
    label = "portal"
