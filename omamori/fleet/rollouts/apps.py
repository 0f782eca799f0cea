"""The Django app of `fleet/rollouts`."""

from django.apps import AppConfig


class RolloutsConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.rollouts"
    label = "rollouts"
