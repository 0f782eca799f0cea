"""The Django app of `fleet/ingest`."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.ingest"
    label = "ingest"
