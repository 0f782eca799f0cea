"""The Django app of `fleet/lan`."""

from django.apps import AppConfig


class LanConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.lan"
    label = "lan"
