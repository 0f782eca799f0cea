"""Messages too long for the wire are sent in parts that mean the same."""

from datetime import UTC, datetime

from omamori.firmware.agent.fitting import fitted
from omamori.protocol.messages import Upward, Usage, UsageHost, UsageSubject, encode_up

UNIT, BOOT = "om-0001", "0123456789abcdef" * 2


def test_usage_is_split_by_rows_and_every_part_names_its_own_hosts() -> None:
    hosts = tuple(UsageHost(f"10.0.0.{n % 250}", None, "経理のパソコン" * 10) for n in range(800))
    subjects = tuple(UsageSubject(f"application {n}") for n in range(90))
    rows = tuple((n % 800, n % 90, 1, n, n) for n in range(2000))
    body = Usage(datetime(2026, 11, 20, tzinfo=UTC), 3600, hosts, subjects, rows, folded=3, missed=4)
    parts = list(fitted(body, UNIT, BOOT))
    assert len(parts) > 1
    for part in parts:
        encode_up(Upward(UNIT, BOOT, 1, part))
    said = [
        (part.hosts[row[0]], part.subjects[row[1]].application, row[2:])
        for part in parts
        for row in part.rows
    ]
    assert said == [(hosts[row[0]], subjects[row[1]].application, row[2:]) for row in rows]
    assert (sum(part.folded for part in parts), sum(part.missed for part in parts)) == (3, 4)
