"""Which host an event was about: by address and time, not by address alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from omamori.firmware.agent.hosts import name_host
from omamori.protocol import messages as m
from omamori.protocol.ids import Mac, detection_id, mac
from omamori.protocol.vocabulary import Action, Direction, Guard, Severity, Side

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSIDE, OUTSIDE = m.Endpoint("192.168.1.23", 50000), m.Endpoint("203.0.113.7", 443)
TUESDAY_PC, TODAY_PC, ROUTER = (mac(f"52:54:00:00:00:0{n}") for n in (1, 2, 9))


def host(address: Mac, name: str, *held: tuple[str, datetime, datetime], side: Side = Side.BEHIND) -> m.Host:
    return m.Host(address, side, NOW, NOW, tuple(m.HostAddress(*one) for one in held), name=name)


KNOWN = m.Hosts(
    NOW,
    (
        host(
            ROUTER,
            "router",
            ("192.168.1.1", NOW - 50 * HOUR, NOW),
            ("203.0.113.7", NOW - HOUR, NOW),
            side=Side.ROUTER,
        ),
        host(
            TUESDAY_PC,
            "keiri",
            ("192.168.1.23", NOW - 48 * HOUR, NOW - 24 * HOUR),
            ("192.168.1.40", NOW, NOW),
        ),
        host(TODAY_PC, "eigyo", ("192.168.1.23", NOW - 23 * HOUR, NOW)),
    ),
)


def seen(direction: Direction, time: datetime, *, source=INSIDE, destination=OUTSIDE) -> m.Detection:
    words = (Severity.ONE, "1", "name", Action.BLOCKED, "rule", "tcp", source, destination)
    return m.Detection(detection_id("1-1"), time, Guard.WG, direction, *words)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (seen(Direction.OUTBOUND, NOW), "eigyo"),
        (seen(Direction.OUTBOUND, NOW - 30 * HOUR), "keiri"),
        (seen(Direction.INBOUND, NOW, source=OUTSIDE, destination=INSIDE), "eigyo"),
        # The flow was opened inside, and the packet in question came from outside.
        (seen(Direction.OUTBOUND, NOW, source=OUTSIDE, destination=INSIDE), "eigyo"),
        # Noticed a little later than it spoke; not seen since, and still there.
        (seen(Direction.OUTBOUND, NOW - 48 * HOUR - timedelta(minutes=1)), "keiri"),
        (seen(Direction.OUTBOUND, NOW + timedelta(minutes=9)), "eigyo"),
        (seen(Direction.OUTBOUND, NOW - 23.5 * HOUR), ""),
        (seen(Direction.OUTBOUND, NOW - 60 * HOUR), ""),
        (seen(Direction.OUTBOUND, NOW, source=m.Endpoint("192.168.1.99", 1)), ""),
    ],
)
def test_the_host_that_held_the_address_then(event: m.Detection, expected: str) -> None:
    named = name_host(event, KNOWN)
    assert named.host_name == expected
    assert bool(named.host) == bool(expected)


def test_an_event_of_a_host_that_speaks_for_several_says_so() -> None:
    for likelihood, expected in ((0.0, False), (0.59, False), (0.85, True)):
        access_point = replace(
            host(mac("52:54:00:00:00:07"), "access", (INSIDE.address, NOW, NOW)), shared=likelihood
        )
        named = name_host(seen(Direction.OUTBOUND, NOW), m.Hosts(NOW, (access_point,)))
        assert (named.host_name, named.host_shared) == ("access", expected)


def test_what_is_named_already_and_what_is_no_detection_stays_as_it_is() -> None:
    named = replace(seen(Direction.OUTBOUND, NOW), host=ROUTER, host_name="given")
    assert name_host(named, KNOWN) is named
    log = m.Log(NOW, "lan", "info", "192.168.1.23")
    assert name_host(log, KNOWN) is log
    assert name_host(seen(Direction.OUTBOUND, NOW), None).host is None


def test_usage_gets_the_hosts_of_its_time_and_keeps_the_unknown() -> None:
    users = (m.UsageHost("192.168.1.23"), m.UsageHost("192.168.1.99"), m.UsageHost(""))
    said = m.Usage(NOW - HOUR, 3600, users, (m.UsageSubject(),), ((0, 0, 1, 2, 3),))
    named = name_host(said, KNOWN)
    assert [user.name for user in named.hosts] == ["eigyo", "", ""]
    assert named.hosts[0].mac == TODAY_PC
    assert named.rows == said.rows
    assert name_host(said, None) is said
