"""The Django app of `fleet/notices`."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.notices"
    label = "notices"
