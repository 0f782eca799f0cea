"""The Django app of `fleet/support`."""

from django.apps import AppConfig


class SupportConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.support"
    label = "support"
