"""UDP scans told from first datagrams; pollers, resolvers, calls, QUIC, peers and traceroute are none."""

import random
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine import datagram_scans
from omamori.firmware.engine.scans import Kind, Knock

PC, PHONE, OUT, SITE = "192.168.1.20", "192.168.1.30", "203.0.113.66", "198.51.100.7"
START = 1_700_000_000.0
EPHEMERAL = 50_000


def street(events):
    """What is told of (client, server, port, its own port, whether it answers, seconds until the next)."""
    watch, now, told = datagram_scans.watch(), START, []
    for client, server, port, source_port, answers, step in events:
        inside = ip_address(client).is_private and not client.startswith("203.")
        knock = Knock(ip_address(client).packed, ip_address(server).packed, port, inside)
        if datagram_scans.counts(knock, source_port):
            watch.asked(knock, now)
        if answers:
            assert watch.answered(knock, now + 0.02) is None
        before, now = int(now), now + step
        for second in range(before + 1, int(now) + 1):
            told += watch.tick(float(second))
    for second in range(int(now) + 1, int(now) + 7):
        told += watch.tick(float(second))
    return told


def swept(client, server, ports, *, open_ports=(), source_port=EPHEMERAL, step=0.05):
    return [(client, server, port, source_port, port in open_ports, step) for port in ports]


TOP = [7, 9, 17, 19, 49, 53, 67, 68, 69, 80, 88, 111, 120, 123, 135, 136, 137, 138, 139, 158, 161, 162, 177, 427, 443,
       445, 497, 500, 514, 515, 518, 520, 593, 623, 626, 631, 996, 997, 998, 999, 1022, 1023, 1025, 1026, 1027]  # fmt: skip
"""As a scanner tries them first."""


@pytest.mark.parametrize(
    "events",
    [
        swept(OUT, PC, TOP),
        swept(OUT, PC, TOP, open_ports=(53, 123, 161)),
        swept(OUT, "2001:db8::20", TOP),
        swept(OUT, PC, TOP, step=1.0),  # a scanner that waits for a host's one ICMP error a second
        swept(OUT, PC, TOP, source_port=53),  # disguised as a resolver
        swept(OUT, PC, range(20_000, 20_150)),
        swept(PC, SITE, TOP),
    ],
    ids=["closed", "some open", "version 6", "slow", "from port 53", "high", "from inside"],
)
def test_a_sweep_of_ports_is_told_once(events):
    (told,) = street(events)
    assert told.kind is Kind.DATAGRAMS
    assert (ip_address(told.client), ip_address(told.server)) == (
        ip_address(events[0][0]),
        ip_address(events[0][1]),
    )


def poller(client):
    """SNMP and printer services of a whole network, every minute; most addresses are nobody's."""
    return [
        (client, f"192.168.1.{host}", port, EPHEMERAL, host % 20 == 0, 0.01)
        for _ in range(3)
        for host in range(1, 254)
        for port in (161, 427, 3289, 8610, 8611)
    ]


def resolver():
    """It asks servers all over the world, of which some are dead, and gets what they say late, each at a port of its own."""
    asked = [(PC, f"198.51.{n // 250}.{n % 250 + 1}", 53, 20_000 + n, n % 3 > 0, 0.02) for n in range(600)]
    late = [(OUT, PC, 20_000 + n, 53, False, 0.05) for n in range(200)]
    return asked + late


def quic():
    """UDP 443 is not let through somewhere on the way; and after a restart servers speak first."""
    blocked = [(PC, f"198.51.{n // 250}.{n % 250 + 1}", 443, 40_000 + n, False, 0.05) for n in range(500)]
    return blocked + [(OUT, PC, 40_000 + n, 443, False, 0.05) for n in range(200)]


def calls(client, server):
    """Ninety calls in a minute through one provider: the media of a third on hold, and no RTCP is ever answered."""
    chance = random.Random(5)
    media = [2 * chance.randrange(5_000, 10_000) for _ in range(90)]
    begun = [(client, server, port + more, 16_000 + n, n % 3 > 0 and not more, 0.3)
             for n, port in enumerate(media) for more in (0, 1)]  # fmt: skip
    return [(client, server, 5060, 5060, True, 0.1), *begun]


def peers():
    """File sharing: peers that are gone, at ports of their own, and one port that many have."""
    return [
        (PC, f"198.51.{n // 250}.{n % 250 + 1}", 6881 + 13 * (n % 97), 6881, n % 4 == 0, 0.03)
        for n in range(900)
    ]


@pytest.mark.parametrize(
    "events",
    [
        poller(PC),
        poller("192.168.0.5"),
        resolver(),
        quic(),
        calls(PHONE, SITE),
        calls(OUT, PHONE)[:70],
        peers(),
        swept(PC, SITE, range(33_434, 33_600)),
        swept(OUT, PC, range(33_434, 33_524)),
        swept(PC, "239.255.255.250", range(1, 400)),
        swept(PC, "ff02::fb", range(1, 400)),
        swept(PC, "192.168.1.255", range(1, 400)),
        swept(PC, "192.168.1.1", TOP),
        swept(OUT, PC, range(40_000, 40_200), source_port=1900),
        swept(OUT, PC, [123] * 400),
    ],
    ids=["poller", "poller in front", "resolver", "QUIC", "calls", "calls in", "peers", "traceroute", "traceroute in",
         "multicast", "multicast 6", "broadcast", "own router", "SSDP answers", "one port"],
)  # fmt: skip
def test_what_offices_do_every_day_is_no_scan(events):
    assert street(events) == []


def test_a_service_that_answers_is_no_guessing_of_passwords():
    assert street([(OUT, PC, 3389, 50_000 + n, True, 0.1) for n in range(300)]) == []


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.binary(min_size=4, max_size=4), st.integers(0, 65535), st.integers(0, 65535), st.booleans()
        ),
        max_size=300,
    )
)
def test_memory_is_bounded_whatever_comes(events):
    watch = datagram_scans.watch()
    for number, (address, port, source_port, answers) in enumerate(events):
        knock = Knock(address, address[::-1], port, number % 2 == 0)
        if datagram_scans.counts(knock, source_port):
            watch.asked(knock, START + number)
        if answers:
            watch.answered(knock, START + number)
        watch.tick(START + number)
    assert watch.remembered() <= 4 * len(events)
