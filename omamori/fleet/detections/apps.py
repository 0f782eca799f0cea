"""The Django app of `fleet/detections`."""

from django.apps import AppConfig


class DetectionsConfig(AppConfig):
    """Named and labelled after its folder."""

    name = "omamori.fleet.detections"
    label = "detections"
