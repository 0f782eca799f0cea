"""The Django app of `fleet/usage`."""

from django.apps import AppConfig


class UsageConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.usage"
    label = "usage"
