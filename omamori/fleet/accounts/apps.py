"""The Django app of `fleet/accounts`."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.accounts"
    label = "accounts"
