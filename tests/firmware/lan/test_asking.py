"""What the unit sends: questions that others can read, seldom enough, and counters that are looked at over minutes."""

from datetime import timedelta
from ipaddress import IPv4Interface, IPv6Address

import dpkt

from omamori.firmware.lan import asking, dhcp, probe
from omamori.firmware.lan.links import Interface
from omamori.firmware.lan.loops import OPEN_AFTER, LoopGuard
from omamori.firmware.lan.rounds import Rounds
from omamori.firmware.lan.sweep import MOST, targets
from omamori.firmware.lan.watch import WINDOW, Watch
from tests.firmware.lan.frames import UNIT, at, octets


def test_the_dhcp_question_is_a_discover_with_the_units_own_identifier():
    frame = dpkt.ethernet.Ethernet(asking.discover(UNIT, 0x1234))
    assert (frame.dst, frame.src) == (b"\xff" * 6, octets(UNIT))
    packet = frame.data
    assert (packet.src, packet.dst, packet.udp.sport, packet.udp.dport) == (bytes(4), b"\xff" * 4, 68, 67)
    sent = packet.sum
    packet.sum = 0
    assert dpkt.ip.IP(bytes(packet)).sum == sent
    asked = dpkt.dhcp.DHCP(packet.udp.data)
    options = dict(asked.opts)
    assert (options[53], options[61], asked.xid) == (b"\x01", b"\x01" + octets(UNIT), 0x1234)
    assert dhcp.parse(bytes(packet)).client == UNIT


def test_the_question_to_all_ipv6_nodes_has_a_right_checksum():
    raw = asking.all_nodes(UNIT, IPv6Address("fe80::1"), 7)
    packet = dpkt.ethernet.Ethernet(raw).data
    assert (packet.dst, packet.hlim, packet.icmp6.type) == (IPv6Address("ff02::1").packed, 1, 128)
    pseudo = packet.src + packet.dst + len(raw[54:]).to_bytes(4, "big") + (58).to_bytes(4, "big")
    assert asking.checksum(pseudo + raw[54:]) == 0


def test_rounds_come_soon_after_a_touched_cable_and_seldom_afterwards():
    rounds = Rounds(at(0), after=(timedelta(seconds=2), timedelta(seconds=10)), every=timedelta(minutes=3))
    due = [second for second in range(400) if rounds.due(at(second), link_since=at(0))]
    assert due == [2, 10, 190, 370]
    assert [second for second in range(400, 420) if rounds.due(at(second), link_since=at(400))] == [402, 410]
    rounds.shift(timedelta(hours=1))
    assert not rounds.due(at(3600 + 411), link_since=at(3600 + 400))


def test_a_unit_without_an_address_sweeps_where_the_hosts_are():
    heard = ["192.168.10.5", "192.168.10.6", "10.0.0.1", "203.0.113.9", "no address"]
    asked = list(map(str, targets(None, heard)))
    assert asked[:4] == heard[:4]
    assert "192.168.10.254" in asked
    assert "10.0.0.2" not in asked
    assert targets(None, ["203.0.113.9"]) == targets(None, ["203.0.113.9"])[:1]
    own = list(map(str, targets(IPv4Interface("192.168.7.9/24"), heard)))
    assert "192.168.7.8" in own
    assert "192.168.7.9" not in own
    assert len(targets(None, [f"192.168.{n}.{n}" for n in range(255)] * 9)) <= MOST


def test_probes_of_another_unit_or_another_run_close_nothing():
    guard = LoopGuard(b"8 bytes!")
    guard.returned(b"another!", at(1))
    assert guard.loop(at(1)) is None
    guard.returned(probe.parse(probe.frame(UNIT, b"8 bytes!")[14:]).run, at(2))
    guard.returned(b"8 bytes!", at(3))
    assert guard.loop(at(4)).returned == 2
    assert guard.closes(at(3) + OPEN_AFTER)
    assert not guard.closes(at(3.1) + OPEN_AFTER)
    guard.returned(b"8 bytes!", at(100))
    assert (guard.loop(at(100)).first, guard.loop(at(100)).returned) == (at(100), 1)
    guard.shift(timedelta(hours=1))
    assert guard.closes(at(3601 + 100))


def interface(errors=0, received=0, *, changes=1, up=True):
    return Interface("lan0", 3, UNIT, up, changes, received, 0, errors)


def test_broken_frames_count_for_ten_minutes():
    watch = Watch(interface(50, 1000), at(0))
    assert watch.look(interface(50, 1000), at(0)).errors == 0
    link = watch.look(interface(80, 3000), at(60))
    assert (link.errors, link.frames) == (30, 2000)
    for second in range(70, 800, 10):
        link = watch.look(interface(80, 3000), at(second))
    assert timedelta(seconds=800) > WINDOW
    assert (link.errors, link.frames) == (0, 0)
    touched = watch.look(interface(99, 3000, changes=2), at(810))
    assert (touched.since, touched.errors) == (at(810), 0)
