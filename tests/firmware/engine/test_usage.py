"""Sums of usage: right, bounded, and small on the wire."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.naming.catalogue import catalogue
from omamori.firmware.engine.usage import Amount, Room, Subject, Tally
from omamori.protocol.messages import Upward, encode_up
from omamori.protocol.wire import MESSAGE_CAP

START = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
BOOT = "0123456789abcdef" * 2
A_DAY_OF_100_HOSTS = 700_000
"""Bytes on the wire, envelopes included; what it was when measured is in decision 0010."""


def sizes(messages):
    return [len(encode_up(Upward("om-0001", BOOT, number, body))) for number, body in enumerate(messages)]


def rows(messages):
    return {
        (message.hosts[row[0]].address, message.subjects[row[1]].application): row[2:]
        for message in messages
        for row in message.rows
    }


def test_traffic_is_summed_by_host_and_subject():
    tally = Tally()
    for _ in range(3):
        tally.add("192.168.1.20", Subject("YouTube", "video"), Amount(1, 10, 1000))
    tally.add("192.168.1.21", Subject("YouTube", "video"), Amount(1, 1, 2, 1))
    (message,) = tally.take(START, 3600)
    assert rows([message]) == {
        ("192.168.1.20", "YouTube"): (3, 30, 3000),
        ("192.168.1.21", "YouTube"): (1, 1, 2, 1),
    }
    assert (message.start, message.seconds, len(message.subjects)) == (START, 3600, 1)
    assert tally.take(START, 3600) == []


def test_what_was_missed_is_told_even_when_nothing_else_is():
    assert [message.missed for message in Tally().take(START, 3600, missed=7)] == [7]


def test_beyond_its_room_traffic_is_folded_and_never_lost():
    tally = Tally(Room(cells=50, hosts=10))
    for number in range(1000):
        tally.add(f"10.0.{number % 30}.1", Subject(f"app {number % 90}"), Amount(1, 5, 7))
    assert len(tally) <= 61
    messages = tally.take(START, 3600)
    assert sum(row[2] for message in messages for row in message.rows) == 1000
    assert sum(row[4] for message in messages for row in message.rows) == 7000
    assert 0 < messages[0].folded < 1000


def test_a_hundred_hosts_make_kilobytes_a_day():
    """A dozen subjects a host and hour in nine hours of work, two at night, some of them rare."""
    chance = random.Random(1)
    applications = list(catalogue().by_name.values())[:60]
    weights = [1 / (place + 1) for place in range(60)]
    total = cells = 0
    for hour in range(24):
        tally = Tally()
        for host in range(100):
            for row in set(chance.choices(applications, weights, k=20 if 8 <= hour < 17 else 2)):
                amount = Amount(chance.randrange(1, 400), chance.randrange(10**7), chance.randrange(10**9))
                tally.add(f"192.168.{host // 250}.{host % 250}", Subject(row.name, row.kind), amount)
        cells += len(tally)
        total += sum(sizes(tally.take(START + timedelta(hours=hour), 3600)))
    print(f"100 hosts, one day: {cells} cells, {total} bytes")
    assert total < A_DAY_OF_100_HOSTS


@settings(max_examples=20)
@given(st.integers(1, 5000), st.integers(1, 60), st.integers(0, 2**60))
def test_every_message_fits_the_wire(cells, length, most):
    tally = Tally()
    for number in range(cells):
        subject = Subject(f"{number:x}".rjust(length, "x")[:60], "c" * 40)
        tally.add(
            f"fd00:1111:2222:3333:4444:5555:{number // 7 % 65536:x}:ffff", subject, Amount(most, most, most)
        )
    assert all(size <= MESSAGE_CAP for size in sizes(tally.take(START, 3600)))
