"""The Django app of `fleet/units`."""

from django.apps import AppConfig


class UnitsConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.units"
    label = "units"
