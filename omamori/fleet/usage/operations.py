"""Reports of usage into daily sums, each once; called by ingest inside its transaction."""

from collections.abc import Iterator
from datetime import date, datetime

from django.utils import timezone

from omamori.fleet.ingest.fitting import INTEGER_CAP, fitted, moment
from omamori.fleet.units.models import Unit
from omamori.fleet.usage.models import Report, Usage
from omamori.protocol import messages

ROWS_A_DAY = 20_000
"""Of one unit; what comes beyond is added to a host's unnamed traffic, and then to that of no host."""

_Key = tuple[str, str, str, str]
_COUNTS = ("flows", "sent", "received", "blocked")


def tally(unit: Unit, boot: str, sequence: int, said: messages.Usage, *, received: datetime) -> None:
    """Add one message to the sums of its day; one that was added before changes nothing."""
    _, new = Report.objects.get_or_create(
        unit=unit, boot=boot, sequence=sequence, defaults={"received": received}
    )
    if not new:
        return
    day = timezone.localdate(moment(said.start))
    present = {_key(row): row for row in Usage.objects.filter(unit=unit, site=unit.site_id, day=day)}
    names: dict[str, str] = {}
    for key, name, counts in _rows(said):
        names[key[0]] = name
        row = _place(present, key, unit, day)
        for column, count in zip(_COUNTS, counts, strict=True):
            setattr(row, column, min(getattr(row, column) + count, INTEGER_CAP))
        row.host_name = name or row.host_name
    _save(present)


def prune(old: datetime) -> int:
    """Drop sums and reports from before `old`; gives the rows dropped."""
    reports = Report.objects.filter(received__lt=old).delete()[0]
    return Usage.objects.filter(day__lt=timezone.localdate(old)).delete()[0] + reports


def _rows(said: messages.Usage) -> Iterator[tuple[_Key, str, tuple[int, ...]]]:
    """Rows whose numbers can be; a unit that says nonsense harms its own sums only."""
    for row in said.rows:
        if len(row) < 5 or any(not 0 <= number <= INTEGER_CAP for number in row):
            continue
        host_at, subject_at = row[0], row[1]
        if host_at < len(said.hosts) and subject_at < len(said.subjects):
            host, subject = said.hosts[host_at], said.subjects[subject_at]
            named = fitted(subject.application, 60), fitted(subject.category, 60)
            counts = (*row[2:6], 0)[:4]
            yield (fitted(host.address, 45), host.mac or "", *named), fitted(host.name, 120), counts


def _place(present: dict[_Key, Usage], key: _Key, unit: Unit, day: date) -> Usage:
    for wanted in (key, (key[0], key[1], "", ""), ("", "", "", "")):
        if wanted in present:
            return present[wanted]
        if len(present) < ROWS_A_DAY or wanted[0] == "":
            break
    address, mac, application, category = wanted
    row = Usage(unit=unit, site_id=unit.site_id, day=day, address=address, host_mac=mac)
    row.application, row.category = application, category
    present[wanted] = row
    return row


def _save(rows: dict[_Key, Usage]) -> None:
    new = [row for row in rows.values() if row.pk is None]
    Usage.objects.bulk_update(
        [row for row in rows.values() if row.pk is not None], [*_COUNTS, "host_name"], batch_size=200
    )
    Usage.objects.bulk_create(new, batch_size=200)


def _key(row: Usage) -> _Key:
    return row.address, row.host_mac, row.application, row.category
