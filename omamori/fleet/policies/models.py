"""Exceptions and standing policy, each for one unit or for a whole site.

An exception is never altered or deleted: it ends by its time or is ended early, and stays as the record of what was let
through, by whom and why.
"""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from omamori.fleet.accounts.models import Site
from omamori.fleet.units.models import Unit


class Exemption(models.Model):
    """Matches that fit all that is set here are told, but stop nothing. Without a unit it holds for the whole site."""

    site = models.ForeignKey(Site, models.PROTECT, related_name="exemptions")
    unit = models.ForeignKey(Unit, models.CASCADE, null=True, related_name="exemptions")
    host = models.CharField(max_length=17, default="", blank=True)
    rule = models.CharField(max_length=110, default="", blank=True)
    destination = models.CharField(max_length=253, default="", blank=True)
    created = models.DateTimeField()
    created_by = models.CharField(max_length=160)
    reason = models.CharField(max_length=400)
    until = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=160, default="", blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="exemption_of_something", condition=~Q(host="") | ~Q(rule="") | ~Q(destination="")
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["site", "until"], name="exemption_active", condition=Q(ended__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"exception {self.pk}"

    def active(self, now: datetime) -> bool:
        """It holds now."""
        return self.ended is None and now < self.until


class Standing(models.Model):
    """What holds until it is changed, for one unit or (without one) for a whole site; a unit's own goes first."""

    site = models.ForeignKey(Site, models.PROTECT, related_name="standing")
    unit = models.ForeignKey(Unit, models.CASCADE, null=True, related_name="standing")
    blocked_categories = models.JSONField(default=list)
    changes = models.JSONField(default=dict)
    """Response by guard or signature id."""
    trial_days = models.PositiveSmallIntegerField(null=True)
    """None: not said here."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site"], condition=Q(unit__isnull=True), name="standing_of_site"),
            models.UniqueConstraint(
                fields=["site", "unit"], condition=Q(unit__isnull=False), name="standing_of_unit"
            ),
        ]

    def __str__(self) -> str:
        return f"policy of {self.unit_id or self.site}"
