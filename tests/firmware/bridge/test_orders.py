"""The policy as a worker learns of it: files as the agent and the LAN process write them, read when they change."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.bridge.orders import OrderFiles
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol import wire
from omamori.protocol.ids import mac
from omamori.protocol.messages import Host, HostAddress, Hosts, Want, encode
from omamori.protocol.policy import Exemption, Policy
from omamori.protocol.vocabulary import Side

NOW = datetime(2026, 11, 20, tzinfo=UTC)
OLD, NEW = mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")
CATEGORIES = Policy(blocked_categories=("games",))
BY_HOST = Policy((Exemption(1, NOW + timedelta(hours=1), host=NEW),))


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path)


def want(paths, policy, generation=2):
    files.write_atomic(paths.want, encode(Want(generation, policy=policy)))


def hosts(paths, *held):
    """(MAC, address, hours ago it was last seen with it)"""
    known = tuple(
        Host(who, side, NOW, NOW, (HostAddress(address, NOW, NOW - timedelta(hours=ago)),))
        for who, side, address, ago in held
    )
    files.write_atomic(paths.hosts, wire.dump(wire.to_wire(Hosts(NOW, known)), cap=files.READ_CAP))


def test_only_changes_are_news(paths):
    orders = OrderFiles(paths)
    assert orders.news(100.0) is None
    want(paths, CATEGORIES)
    assert orders.news(100.5) is None
    assert orders.news(101.0).policy == CATEGORIES
    assert orders.news(102.0) is None
    want(paths, CATEGORIES, generation=3)
    assert orders.news(103.0) is None
    want(paths, Policy())
    assert orders.news(104.0).policy == Policy()


def test_a_clock_that_was_set_back_stops_nothing(paths):
    orders = OrderFiles(paths)
    orders.news(1_000_000.0)
    want(paths, CATEGORIES)
    assert orders.news(10.0).policy == CATEGORIES


def test_hosts_are_known_by_who_held_the_address_last(paths):
    orders = OrderFiles(paths)
    held = [(OLD, Side.BEHIND, "192.168.1.9", 5), (NEW, Side.BEHIND, "192.168.1.9", 1)]
    hosts(paths, *held, (OLD, Side.ROUTER, "192.168.1.1", 0))
    want(paths, BY_HOST)
    assert orders.news(1.0).hosts == {"192.168.1.9": NEW}
    hosts(paths, (NEW, Side.BEHIND, "192.168.1.77", 0))
    assert orders.news(2.0).hosts == {"192.168.1.77": NEW}
    want(paths, CATEGORIES)
    assert orders.news(3.0).hosts == {}


@pytest.mark.parametrize("damage", [b"", b"{", b'{"generation": "x"}', b"[]", b"\xff" * 100])
def test_what_cannot_be_read_changes_nothing(paths, damage):
    orders = OrderFiles(paths)
    want(paths, BY_HOST)
    hosts(paths, (NEW, Side.BEHIND, "192.168.1.9", 0))
    assert orders.news(1.0)
    paths.want.write_bytes(damage)
    paths.hosts.write_bytes(damage)
    assert orders.news(2.0) is None
    paths.want.unlink()
    assert orders.news(3.0) is None
    want(paths, CATEGORIES)
    assert orders.news(4.0).policy == CATEGORIES


@settings(max_examples=60)
@given(raw=st.binary(max_size=300))
def test_any_bytes_are_survived(tmp_path_factory, raw):
    paths = Paths(tmp_path_factory.mktemp("orders"))
    paths.want.parent.mkdir(parents=True)
    paths.want.write_bytes(raw)
    assert OrderFiles(paths).news(1.0) is None
