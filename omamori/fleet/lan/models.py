"""Hosts, the addresses they held and when, and the history of each unit's wiring diagnosis.

A host is a device (MAC address) as one unit saw it at one site; addresses come and go.
"""

from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models import Q

from omamori.fleet.accounts.models import Site
from omamori.fleet.units.models import Unit


class Ownership(StrEnum):
    """Whose a host is, as the customer says; privately owned ones are not insured."""

    UNKNOWN = ""
    COMPANY = "company"
    PRIVATE = "private"


class Host(models.Model):
    """A device on a LAN."""

    unit = models.ForeignKey(Unit, models.CASCADE, related_name="hosts")
    site = models.ForeignKey(Site, models.CASCADE, related_name="hosts")
    mac = models.CharField(max_length=17)
    side = models.CharField(max_length=8)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    name = models.CharField(max_length=120, default="", blank=True)
    name_source = models.CharField(max_length=16, default="", blank=True)
    vendor = models.CharField(max_length=120, default="", blank=True)
    kind = models.CharField(max_length=24, default="", blank=True)
    system = models.CharField(max_length=80, default="", blank=True)
    device = models.CharField(max_length=17, default="", blank=True)
    """The MAC address under which the unit knew the same device first; empty where it draws no such conclusion."""
    device_reason = models.CharField(max_length=16, default="", blank=True)
    shared = models.FloatField(default=0.0)
    """How likely several devices speak through it, 0 to 1."""
    shared_reasons = models.JSONField(default=list, blank=True)
    given_name = models.CharField(max_length=120, default="", blank=True)
    """What the customer calls it; goes before every other name."""
    ownership = models.CharField(max_length=8, default="", blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["unit", "site", "mac"], name="host_once")]
        indexes: ClassVar = [models.Index(fields=["site", "last_seen"], name="host_by_site")]

    def __str__(self) -> str:
        return self.called or self.mac

    @property
    def called(self) -> str:
        """The customer's name for it, else the one it gives itself."""
        return self.given_name or self.name


class Declared(models.Model):
    """A host that ought to be covered, as the customer says; without a MAC address it is known by its name."""

    site = models.ForeignKey(Site, models.CASCADE, related_name="declared")
    name = models.CharField(max_length=120)
    mac = models.CharField(max_length=17, default="", blank=True)
    added = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "mac"], condition=~Q(mac=""), name="declared_mac_once"),
            models.UniqueConstraint(fields=["site", "name"], condition=Q(mac=""), name="declared_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class HostAddress(models.Model):
    """An address and the time a host was seen holding it."""

    host = models.ForeignKey(Host, models.CASCADE, related_name="addresses")
    address = models.CharField(max_length=45)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["host", "address", "first_seen"], name="held_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["address", "first_seen"], name="held_by_address")]

    def __str__(self) -> str:
        return self.address


class Wiring(models.Model):
    """One whole diagnosis as reported; `current` marks the newest of a unit."""

    unit = models.ForeignKey(Unit, models.CASCADE, related_name="wirings")
    site = models.ForeignKey(Site, models.CASCADE, related_name="wirings")
    boot = models.CharField(max_length=32)
    sequence = models.BigIntegerField()
    time = models.DateTimeField()
    received = models.DateTimeField()
    current = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["unit", "boot", "sequence"], name="wiring_once"),
            models.UniqueConstraint(fields=["unit"], condition=Q(current=True), name="wiring_one_current"),
        ]
        indexes: ClassVar = [models.Index(fields=["site", "received"], name="wiring_by_site")]

    def __str__(self) -> str:
        return f"{self.unit_id} at {self.time:%Y-%m-%d %H:%M}"


class Finding(models.Model):
    """One verdict of a diagnosis; rank 0 is the root cause."""

    wiring = models.ForeignKey(Wiring, models.CASCADE, related_name="findings")
    rank = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=40)
    confidence = models.FloatField()
    since = models.DateTimeField()
    evidence = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["rank"]

    def __str__(self) -> str:
        return self.code


class CoverageDay(models.Model):
    """How many devices of a site were covered on one day; never altered."""

    site = models.ForeignKey(Site, models.CASCADE, related_name="coverage_days")
    day = models.DateField()
    taken = models.DateTimeField()
    wrong_side = models.PositiveIntegerField()
    never_seen = models.PositiveIntegerField()
    gone = models.PositiveIntegerField()
    covered = models.PositiveIntegerField()
    private = models.PositiveIntegerField()
    declared = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["site", "day"], name="coverage_once_a_day")]

    def __str__(self) -> str:
        return f"{self.site_id} on {self.day:%Y-%m-%d}"


class Apart(models.Model):
    """Two MAC addresses of a site that an operator has told to be two devices, whatever its units conclude."""

    site = models.ForeignKey(Site, models.CASCADE, related_name="apart")
    first = models.CharField(max_length=17)
    second = models.CharField(max_length=17)
    added = models.DateTimeField()
    added_by = models.CharField(max_length=160)
    reason = models.CharField(max_length=400)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "first", "second"], name="apart_once"),
            models.CheckConstraint(condition=Q(first__lt=models.F("second")), name="apart_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.first} and {self.second}"
