"""From the kernel's counters to sums: each byte once, to the right host, under the right name."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from omamori.firmware.host.conntrack import Entry, Tuple
from omamori.firmware.usage.accounts import Accounts, key_of
from omamori.firmware.usage.policy import Blocks
from omamori.firmware.usage.records import Learned
from omamori.protocol.policy import Change, Exemption, Policy

PC, SITE = ip_address("192.168.1.20").packed, ip_address("203.0.113.9").packed
FLOW = Tuple(6, PC, 40_000, SITE, 443)
START = datetime(2026, 11, 20, tzinfo=UTC)


def entry(forth, back, *, flow=FLOW, identity=1, mark=0x100, ended=False):
    return Entry(flow, identity, mark, forth, back, ended)


def learned(application="YouTube", category="video", **changes):
    return Learned(key_of(FLOW), PC, application, category, **changes)


def sums(accounts):
    return {
        (message.hosts[row[0]].address, message.subjects[row[1]].application): row[2:]
        for message in accounts.tally.take(START, 3600)
        for row in message.rows
    }


def test_counters_are_added_as_they_grow_and_a_flow_is_counted_once():
    accounts = Accounts()
    accounts.learned(learned())
    for forth, back in ((100, 1000), (100, 1000), (150, 9000)):
        accounts.counted(entry(forth, back))
    accounts.counted(entry(200, 9500, ended=True))
    assert sums(accounts) == {("192.168.1.20", "YouTube"): (1, 200, 9500)}
    assert len(accounts) == 0


def test_what_was_told_in_one_period_is_not_told_again_in_the_next():
    accounts = Accounts()
    accounts.learned(learned())
    accounts.counted(entry(100, 1000))
    assert sums(accounts) == {("192.168.1.20", "YouTube"): (1, 100, 1000)}
    accounts.counted(entry(100, 1000))
    assert sums(accounts) == {}
    accounts.counted(entry(150, 5000, ended=True))
    assert sums(accounts) == {("192.168.1.20", "YouTube"): (0, 50, 4000)}


def test_a_flow_opened_from_outside_counts_for_the_inside_host():
    accounts = Accounts()
    inbound = Tuple(6, SITE, 50_000, PC, 22)
    accounts.learned(Learned(key_of(inbound), PC))
    accounts.counted(entry(10, 70, flow=inbound))
    assert sums(accounts) == {("192.168.1.20", ""): (1, 70, 10)}


def test_the_same_ports_used_again_are_another_flow():
    accounts = Accounts()
    accounts.learned(learned())
    accounts.counted(entry(100, 1000, identity=1))
    accounts.counted(entry(5, 6, identity=2, mark=0x103))
    assert sums(accounts) == {("192.168.1.20", "YouTube"): (2, 105, 1006, 1)}


def test_the_units_own_connections_are_not_counted_and_marked_ones_are():
    accounts = Accounts()
    accounts.counted(entry(10, 10, mark=0))
    accounts.counted(entry(10, 20, mark=0x101))
    assert sums(accounts) == {("192.168.1.20", ""): (1, 10, 20)}


def test_flows_beyond_the_bound_push_out_the_oldest():
    accounts = Accounts(most=10)
    for port in range(100):
        accounts.learned(Learned(key_of(FLOW._replace(source_port=port)), PC))
    assert len(accounts) == 10


UNTIL = START + timedelta(days=1)


@pytest.mark.parametrize(
    ("policy", "stopped"),
    [
        (Policy(), False),
        (Policy(blocked_categories=("games",)), False),
        (Policy(blocked_categories=("video",)), True),
        (Policy(blocked_categories=("youtube",)), True),
        (Policy(blocked_categories=("audio-video",)), True),
        (Policy(blocked_categories=("video",), changes=(Change("apg", "log"),)), False),
        (Policy(blocked_categories=("video",), changes=(Change("apg:youtube", "log"),)), False),
        (Policy((Exemption(1, UNTIL, rule="apg:youtube"),), ("video",)), False),
        (Policy((Exemption(1, UNTIL, rule="apg:netflix"),), ("video",)), True),
        (Policy((Exemption(1, UNTIL, destination="203.0.113.0/24"),), ("video",)), False),
        (Policy((Exemption(1, UNTIL, destination="youtube.com"),), ("video",)), False),
        (Policy((Exemption(1, UNTIL, destination="tube.com"),), ("video",)), True),
        (Policy((Exemption(1, UNTIL, host="02:00:00:00:00:01"),), ("video",)), False),
        (Policy((Exemption(1, UNTIL, host="02:00:00:00:00:02"),), ("video",)), True),
        (Policy((Exemption(1, START, rule="apg:youtube"),), ("video",)), True),
    ],
)
def test_what_the_customer_does_not_want_and_what_is_excepted(policy, stopped):
    blocks = Blocks(policy, (("192.168.1.20", "02:00:00:00:00:01"),))
    assert blocks.unwanted(learned(host="www.youtube.com"), START.timestamp() + 60) is stopped
    for unsure in ({"lookup": True}, {"guessed": True}):
        assert blocks.unwanted(learned(host="www.youtube.com", **unsure), START.timestamp() + 60) is False
