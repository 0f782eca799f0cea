"""What units say that is neither state, detection nor LAN: log lines, and messages of kinds not known here yet."""

from typing import ClassVar

from django.db import models

from omamori.fleet.accounts.models import Site
from omamori.fleet.units.models import Unit


class LogLine(models.Model):
    """A line for an operator to read later."""

    unit = models.ForeignKey(Unit, models.CASCADE, related_name="log")
    site = models.ForeignKey(Site, models.CASCADE, related_name="log")
    boot = models.CharField(max_length=32)
    sequence = models.BigIntegerField()
    received = models.DateTimeField()
    time = models.DateTimeField()
    process = models.CharField(max_length=40)
    level = models.CharField(max_length=16)
    text = models.CharField(max_length=4000)

    class Meta:
        ordering: ClassVar = ["-received", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["unit", "boot", "sequence"], name="log_once")
        ]
        indexes: ClassVar = [models.Index(fields=["unit", "-received"], name="log_by_unit")]

    def __str__(self) -> str:
        return self.text


class Unknown(models.Model):
    """A message of a kind this fleet does not know; the newest few of each unit are kept as received."""

    unit = models.ForeignKey(Unit, models.CASCADE, related_name="unknown")
    boot = models.CharField(max_length=32)
    sequence = models.BigIntegerField()
    received = models.DateTimeField()
    kind = models.CharField(max_length=60)
    capability = models.BigIntegerField(default=0)
    body = models.TextField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["unit", "boot", "sequence"], name="unknown_once")
        ]

    def __str__(self) -> str:
        return self.kind
