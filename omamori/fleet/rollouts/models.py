"""Releases, rollouts and what became of each unit in a rollout.

A member's outcome is written from what its unit reported and from nothing else.
"""

from typing import ClassVar

from django.db import models

from omamori.fleet.accounts.models import Operator
from omamori.fleet.units.models import Unit


class Kind(models.TextChoices):
    """What can be released."""

    FIRMWARE = "firmware"
    PACK = "pack"


class Outcome(models.TextChoices):
    """Where a unit stands in a rollout; the last three are final."""

    PLANNED = "planned"
    WANTED = "wanted"
    TAKEN = "taken"
    DOWNLOADING = "downloading"
    STAGED = "staged"
    TRIAL = "trial"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"


FINAL = (Outcome.DONE, Outcome.FAILED, Outcome.SUPERSEDED)


class Release(models.Model):
    """A version that the TUF repository offers; `targets` are its paths there."""

    kind = models.CharField(max_length=10, choices=Kind)
    version = models.CharField(max_length=40)
    notes = models.TextField(default="", blank=True)
    targets = models.JSONField(default=list)
    about = models.JSONField(default=dict)
    """What it says to customers (`signing/notes.py`), as it was signed with it; empty where nothing was."""
    added = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-added", "-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["kind", "version"], name="release_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.version}"


class Rollout(models.Model):
    """A release on its way to chosen units, wave after wave."""

    release = models.ForeignKey(Release, models.PROTECT, related_name="rollouts")
    operator = models.ForeignKey(Operator, models.PROTECT, related_name="rollouts")
    created = models.DateTimeField()
    created_by = models.CharField(max_length=160)
    note = models.CharField(max_length=400, default="", blank=True)
    wave = models.PositiveSmallIntegerField(default=1)
    deadline = models.DateTimeField(null=True)
    """Of a firmware that closes a hole: units restart into it by then, whatever their customers chose."""
    withdrawn = models.DateTimeField(null=True)
    withdrawn_reason = models.CharField(max_length=400, default="", blank=True)
    judged = models.DateTimeField(null=True)
    """When its alarm was last looked at; see alarm.py."""

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"rollout {self.pk} of {self.release}"


class Member(models.Model):
    """One unit of a rollout; `generation` is that of the want which asked for it."""

    rollout = models.ForeignKey(Rollout, models.CASCADE, related_name="members")
    unit = models.ForeignKey(Unit, models.CASCADE, related_name="memberships")
    wave = models.PositiveSmallIntegerField(default=1)
    generation = models.BigIntegerField(default=0)
    outcome = models.CharField(max_length=12, choices=Outcome, default=Outcome.PLANNED)
    reason = models.CharField(max_length=400, default="", blank=True)
    previous = models.CharField(max_length=40, default="", blank=True)
    """The pack the unit had when it was asked: where a withdrawal takes it back to."""
    changed = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["rollout", "unit"], name="member_once")]
        indexes: ClassVar = [models.Index(fields=["unit", "outcome"], name="member_open")]

    def __str__(self) -> str:
        return f"{self.unit_id} in rollout {self.rollout_id}: {self.outcome}"
