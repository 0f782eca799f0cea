"""Detections: facts, stored once under (unit, boot, sequence) and never changed.

`site` is where the unit stood when the fleet received it, so a unit that moves takes no history with it.
"""

from typing import ClassVar

from django.db import models

from omamori.fleet.accounts.models import Site
from omamori.fleet.lan.models import Host
from omamori.fleet.units.models import Unit


class Detection(models.Model):
    """One thing a guard saw, and what it did about it; the columns are those of `protocol.messages.Detection`."""

    unit = models.ForeignKey(Unit, models.CASCADE, related_name="detections")
    site = models.ForeignKey(Site, models.CASCADE, related_name="detections")
    boot = models.CharField(max_length=32)
    sequence = models.BigIntegerField()
    received = models.DateTimeField()

    alert = models.CharField(max_length=24)
    time = models.DateTimeField()
    guard = models.CharField(max_length=8)
    direction = models.CharField(max_length=12)
    severity = models.PositiveSmallIntegerField()
    signature_id = models.CharField(max_length=80)
    signature = models.CharField(max_length=300)
    action = models.CharField(max_length=16)
    reason = models.CharField(max_length=1000)
    protocol = models.CharField(max_length=16)
    source_address = models.CharField(max_length=45)
    source_port = models.PositiveIntegerField(null=True)
    destination_address = models.CharField(max_length=45)
    destination_port = models.PositiveIntegerField(null=True)
    category = models.CharField(max_length=120, default="", blank=True)
    detail = models.CharField(max_length=2000, default="", blank=True)
    host = models.ForeignKey(Host, models.SET_NULL, null=True, related_name="detections")
    host_mac = models.CharField(max_length=17, default="", blank=True)
    host_name = models.CharField(max_length=120, default="", blank=True)
    host_shared = models.BooleanField(default=False)
    """Several devices speak through that host; it was one of them."""

    class Meta:
        ordering: ClassVar = ["-time", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["unit", "boot", "sequence"], name="detection_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-time", "-id"], name="detection_by_time"),
            models.Index(fields=["site", "-time"], name="detection_by_site"),
            models.Index(fields=["unit", "-time"], name="detection_by_unit"),
        ]

    def __str__(self) -> str:
        return f"{self.alert} {self.signature}"
