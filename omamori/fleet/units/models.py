"""A unit as the fleet knows it: its identity, its presence, its last report, and what is wanted of it.

What the unit reported is stored as reported, never inferred; text is empty where it reported none.
"""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from omamori.fleet.accounts.models import Site
from omamori.protocol.fetching import LONGEST_MIRROR, Fetching
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import ApplyWhen, UpdatePhase
from omamori.protocol.window import NIGHTLY, RebootWindow


class Unit(models.Model):
    """One box. The claim's secret is kept as a digest; the certificate that counts is the one with `serial`."""

    id = models.CharField(primary_key=True, max_length=40)
    site = models.ForeignKey(Site, models.PROTECT, related_name="units")
    name = models.CharField(max_length=80, default="", blank=True)
    registered = models.DateTimeField()
    claim_digest = models.CharField(max_length=64)
    activated = models.DateTimeField(null=True)
    serial = models.CharField(max_length=40, default="", blank=True)
    certificate = models.TextField(default="", blank=True)
    certificate_until = models.DateTimeField(null=True)

    online = models.BooleanField(default=False)
    presence_changed = models.DateTimeField(null=True)
    last_seen = models.DateTimeField(null=True)

    state_boot = models.CharField(max_length=32, default="", blank=True)
    state_sequence = models.BigIntegerField(default=-1)
    state_time = models.DateTimeField(null=True)
    firmware = models.CharField(max_length=40, default="", blank=True)
    slot = models.CharField(max_length=8, default="", blank=True)
    pack = models.CharField(max_length=40, default="", blank=True)
    generation = models.BigIntegerField(default=0)
    update_phase = models.CharField(max_length=16, default=UpdatePhase.IDLE.value)
    update_version = models.CharField(max_length=40, default="", blank=True)
    update_error = models.CharField(max_length=400, default="", blank=True)
    update_changed = models.DateTimeField(null=True)
    workers = models.BigIntegerField(default=0)
    packets = models.BigIntegerField(default=0)
    blocked = models.BigIntegerField(default=0)
    neutralised = models.BigIntegerField(default=0)
    bypassed = models.BigIntegerField(default=0)
    events_lost = models.BigIntegerField(default=0)
    reasons = models.JSONField(default=dict, blank=True)
    """`{"dropped": {reason: packets}, "uninspected": {reason: packets}, "unfollowed": {reason: flows}}`, since boot."""
    uptime = models.FloatField(default=0)
    booted_healthy = models.BooleanField(default=False)
    reboot_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.name or self.id

    def runs(self, kind: str) -> Version | None:
        """The version it reported to run, of `firmware` or `pack`; None before it reported one."""
        text = self.firmware if kind == "firmware" else self.pack
        return Version.parse(text) if text else None


class Boot(models.Model):
    """A boot the fleet has heard of; a higher `id` was heard of later, which orders reports across boots."""

    unit = models.ForeignKey(Unit, models.CASCADE, related_name="boots")
    boot = models.CharField(max_length=32)
    first_heard = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["unit", "boot"], name="boot_once")]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.boot}"


def _nightly_weekdays() -> list[int]:
    return list(NIGHTLY.weekdays)


class Want(models.Model):
    """What the fleet wants of a unit. Every change raises `generation`; `taken` is what the unit has."""

    unit = models.OneToOneField(Unit, models.CASCADE, primary_key=True, related_name="want")
    generation = models.BigIntegerField(default=1)
    taken = models.BigIntegerField(default=0)
    changed = models.DateTimeField()
    firmware = models.CharField(max_length=40, default="", blank=True)
    pack = models.CharField(max_length=40, default="", blank=True)
    timezone = models.CharField(max_length=64, default=NIGHTLY.timezone)
    weekdays = models.JSONField(default=_nightly_weekdays)
    start = models.CharField(max_length=5, default=NIGHTLY.start)
    end = models.CharField(max_length=5, default=NIGHTLY.end)
    apply = models.CharField(max_length=8, default=ApplyWhen.WINDOW.value)
    at_power_cycle = models.BooleanField(default=False)
    firmware_since = models.DateTimeField(null=True)
    """When this firmware was first wanted: from then on runs how long it can be put off (applying.py)."""
    postponed_until = models.DateTimeField(null=True)
    deadline = models.DateTimeField(null=True)
    """Of the rollout that wanted this firmware."""
    rate = models.BigIntegerField(default=0)
    mirror = models.CharField(max_length=LONGEST_MIRROR, default="", blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["changed"], name="want_hint_due", condition=Q(generation__gt=F("taken"))),
        ]

    def __str__(self) -> str:
        return f"{self.unit_id} generation {self.generation}"

    @property
    def window(self) -> RebootWindow:
        """The reboot window as the protocol has it."""
        return RebootWindow(self.timezone, tuple(self.weekdays), self.start, self.end)

    @property
    def fetching(self) -> Fetching:
        """How updates come to the unit, as the protocol has it."""
        return Fetching(self.rate, self.mirror)


class Revoked(models.Model):
    """A unit's certificate that no longer counts, though it is signed and good for years; for the broker, see `revocations`."""

    serial = models.CharField(primary_key=True, max_length=40)
    """Hex, as `Unit.serial`."""
    since = models.DateTimeField()

    def __str__(self) -> str:
        return self.serial
