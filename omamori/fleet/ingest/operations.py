"""What the link worker calls: store a batch of upward messages, note presence, and say which hints are due.

`store` is one transaction and idempotent on (unit, boot, sequence): when it returns, everything in the batch is
committed, however often it came. No message that decodes can make it fail.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, assert_never

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from omamori.fleet.detections.models import Detection
from omamori.fleet.detections.operations import keep, name_host
from omamori.fleet.ingest.fitting import counted, fitted, moment
from omamori.fleet.ingest.models import LogLine, Unknown
from omamori.fleet.lan.models import Wiring as WiringRow
from omamori.fleet.lan.operations import diagnose, remember
from omamori.fleet.rollouts.operations import reported
from omamori.fleet.rollouts.watching import watch
from omamori.fleet.support.operations import tell
from omamori.fleet.units import reports
from omamori.fleet.units.models import Boot, Unit, Want
from omamori.fleet.usage import operations as usage_operations
from omamori.fleet.usage.operations import tally
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Detection as Seen
from omamori.protocol.messages import Hosts, Log, State, Support, Unrecognised, Upward, Usage, Wiring

UNKNOWN_CAP = 50
"""Messages of unknown kinds kept of each unit: the newest."""
LOG_CAP = 5_000
BOOT_CAP = 100
RETENTION = timedelta(days=92)
"""Three months of detections, log lines and diagnoses, as the service promises."""


@transaction.atomic
def store(batch: Sequence[Upward]) -> None:
    """Commit every message of the batch once. Messages of units that are not registered are dropped."""
    now = timezone.now()
    ordered = sorted(batch, key=lambda message: message.unit)
    for key, messages in groupby(ordered, key=lambda message: message.unit):
        unit = Unit.objects.select_for_update().filter(pk=key).first()
        if unit is not None:
            _store(unit, list(messages), now)


def _store(unit: Unit, messages: list[Upward], now: datetime) -> None:
    reports.hear(unit, dict.fromkeys(message.boot for message in messages), at=now)
    Unit.objects.filter(pk=unit.pk).update(last_seen=now)
    seen: list[tuple[str, int, Seen]] = []
    log: list[LogLine] = []
    for message in messages:
        match message.body:
            case State() as state:
                if reports.take_state(unit, message.boot, message.sequence, state):
                    reported(unit, state)
            case Seen() as detection:
                seen.append((message.boot, message.sequence, detection))
            case Hosts(hosts=hosts):
                for host in remember(unit, hosts):
                    name_host(host)
            case Wiring() as wiring:
                diagnose(unit, message.boot, message.sequence, wiring, received=now)
            case Usage() as usage:
                tally(unit, message.boot, message.sequence, usage, received=now)
            case Support() as said:
                tell(unit, message.boot, message.sequence, said, received=now)
            case Log(process="presence"):
                pass
            case Log() as line:
                log.append(_line(unit, message, line, now))
            case Unrecognised() as unknown:
                _keep_unknown(unit, message, unknown, now)
            case unhandled:
                assert_never(unhandled)
    keep(unit, seen, received=now)
    watch(unit, now)
    LogLine.objects.bulk_create(log, ignore_conflicts=True, batch_size=500)


@transaction.atomic
def presence(unit: UnitId, *, online: bool, time: datetime) -> None:
    """A birth or a will arrived."""
    reports.present(unit, online=online, at=time)


def raised() -> list[tuple[UnitId, int]]:
    """Activated units whose want has a generation they have not reported to have taken in, oldest change first."""
    due = Want.objects.filter(generation__gt=F("taken"), unit__activated__isnull=False).order_by("changed")
    return [(UnitId(key), generation) for key, generation in due.values_list("unit_id", "generation")]


def prune(*, now: datetime) -> dict[str, int]:
    """Drop what is past its time or over its cap; gives the rows dropped by kind."""
    old = now - RETENTION
    boots = sum(
        _oldest(Boot.objects.filter(unit=unit), BOOT_CAP)
        for unit in Unit.objects.values_list("pk", flat=True)
    )
    lines = sum(
        _oldest(LogLine.objects.filter(unit=unit), LOG_CAP)
        for unit in Unit.objects.values_list("pk", flat=True)
    )
    return {
        "detections": Detection.objects.filter(received__lt=old).delete()[0],
        "log": LogLine.objects.filter(received__lt=old).delete()[0] + lines,
        "usage": usage_operations.prune(old),
        "wiring": WiringRow.objects.filter(received__lt=old, current=False).delete()[0],
        "boots": boots,
    }


def _oldest(rows: QuerySet[Any], cap: int) -> int:
    """Delete all but the newest `cap` rows; gives how many."""
    last = rows.order_by("-pk").values_list("pk", flat=True)[cap - 1 : cap].first()
    return rows.filter(pk__lt=last).delete()[0] if last is not None else 0


def _line(unit: Unit, message: Upward, line: Log, now: datetime) -> LogLine:
    return LogLine(
        unit=unit,
        site_id=unit.site_id,
        boot=message.boot,
        sequence=message.sequence,
        received=now,
        time=moment(line.time),
        process=fitted(line.process, 40),
        level=fitted(line.level, 16),
        text=fitted(line.text, 4000),
    )


def _keep_unknown(unit: Unit, message: Upward, unknown: Unrecognised, now: datetime) -> None:
    Unknown.objects.get_or_create(
        unit=unit,
        boot=message.boot,
        sequence=message.sequence,
        defaults={
            "received": now,
            "kind": fitted(unknown.kind, 60),
            "capability": counted(message.capability),
            "body": fitted(json.dumps(unknown.body), 4096),
        },
    )
    newest = Unknown.objects.filter(unit=unit).order_by("-pk").values_list("pk", flat=True)[:UNKNOWN_CAP]
    Unknown.objects.filter(unit=unit, pk__lt=min(newest)).delete()
