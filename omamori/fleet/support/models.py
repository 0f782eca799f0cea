"""What the fleet asked of units for a helper's sake, and what the units said became of it. Rows are never altered but to end a call."""

from datetime import datetime
from typing import ClassVar

from django.db import models

from omamori.fleet.accounts.models import Site
from omamori.fleet.units.models import Unit


class Call(models.Model):
    """The unit was asked to look for its support key; it judges for itself whether that opens anything."""

    unit = models.ForeignKey(Unit, models.CASCADE, related_name="support_calls")
    call = models.CharField(max_length=32, unique=True)
    made = models.DateTimeField()
    made_by = models.CharField(max_length=160)
    until = models.DateTimeField()
    who = models.CharField(max_length=80)
    why = models.CharField(max_length=200)
    ended = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=160, default="", blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.call}"

    def live(self, now: datetime) -> bool:
        """It still holds."""
        return self.ended is None and now < self.until


class Event(models.Model):
    """One report of a unit, as it said it."""

    unit = models.ForeignKey(Unit, models.CASCADE, related_name="support_events")
    site = models.ForeignKey(Site, models.CASCADE, related_name="support_events")
    boot = models.CharField(max_length=32)
    sequence = models.BigIntegerField()
    received = models.DateTimeField()
    time = models.DateTimeField()
    call = models.CharField(max_length=32)
    phase = models.CharField(max_length=8)
    who = models.CharField(max_length=80, default="", blank=True)
    why = models.CharField(max_length=200, default="", blank=True)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=400, default="", blank=True)
    host_key = models.CharField(max_length=120, default="", blank=True)
    told = models.BooleanField(default=False)
    """The customer has had a message about this opening."""

    class Meta:
        ordering: ClassVar = ["-time", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["unit", "boot", "sequence"], name="support_event_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["site", "time"], name="support_event_of_site")]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.phase}"


class Refusal(models.Model):
    """The customer wants nobody on this unit: while it is there no call is made, and none is handed out."""

    unit = models.OneToOneField(Unit, models.CASCADE, primary_key=True, related_name="support_refusal")
    since = models.DateTimeField()
    by = models.CharField(max_length=160)

    def __str__(self) -> str:
        return str(self.unit_id)
