"""The Django app of `fleet/policies`."""

from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.policies"
    label = "policies"
