"""Daily sums of what units reported, and which of their messages are in them.

A message is added once: its key is stored in the same transaction. A day is one of the fleet's time zone. `site` is where
the unit stood when the fleet received the message, so a unit that moves takes no history with it.
"""

from typing import ClassVar

from django.db import models

from omamori.fleet.accounts.models import Site
from omamori.fleet.units.models import Unit


class Report(models.Model):
    """A message whose rows are in the sums."""

    unit = models.ForeignKey(Unit, models.CASCADE, related_name="usage_reports")
    boot = models.CharField(max_length=32)
    sequence = models.BigIntegerField()
    received = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["unit", "boot", "sequence"], name="usage_report_once")
        ]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.boot} {self.sequence}"


class Usage(models.Model):
    """One host, one application or category, one day. Both are empty for traffic without a name."""

    unit = models.ForeignKey(Unit, models.CASCADE, related_name="usage")
    site = models.ForeignKey(Site, models.CASCADE, related_name="usage")
    day = models.DateField()
    address = models.CharField(max_length=45)
    host_mac = models.CharField(max_length=17, default="", blank=True)
    host_name = models.CharField(max_length=120, default="", blank=True)
    application = models.CharField(max_length=60, default="", blank=True)
    category = models.CharField(max_length=60, default="", blank=True)
    flows = models.BigIntegerField(default=0)
    sent = models.BigIntegerField(default=0)
    """Bytes from the host."""
    received = models.BigIntegerField(default=0)
    """Bytes to it."""
    blocked = models.BigIntegerField(default=0)
    """Flows, of `flows`."""

    class Meta:
        ordering: ClassVar = ["-day", "-received", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["unit", "site", "day", "address", "host_mac", "application", "category"],
                name="usage_once_a_day",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["site", "day"], name="usage_by_site"),
            models.Index(fields=["unit", "day"], name="usage_by_unit"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.address} {self.application or self.category}"
