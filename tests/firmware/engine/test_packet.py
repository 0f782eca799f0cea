"""Packets built by dpkt are read back; garbage is refused with a typed error and nothing beyond is read."""

import socket

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine import packet as packets
from omamori.firmware.engine.checksum import internet_checksum, with_payload
from omamori.firmware.engine.errors import PacketError
from omamori.firmware.engine.packet import parse

CLIENT, SERVER = socket.inet_aton("192.168.1.20"), socket.inet_aton("203.0.113.9")
CLIENT6, SERVER6 = (
    socket.inet_pton(socket.AF_INET6, "fd00::20"),
    socket.inet_pton(socket.AF_INET6, "2001:db8::9"),
)


def ip4(protocol, body, **fields):
    return bytes(dpkt.ip.IP(src=CLIENT, dst=SERVER, p=protocol, data=body, ttl=63, id=77, **fields))


def ip6(protocol, body):
    return bytes(dpkt.ip6.IP6(src=CLIENT6, dst=SERVER6, nxt=protocol, plen=len(body), hlim=9, data=body))


def test_a_tcp_segment():
    options = b"\x01\x01\x02\x04\x05\xb4" + b"\0\0"
    segment = dpkt.tcp.TCP(
        sport=1234, dport=80, seq=5, ack=9, flags=0x18, win=512, off=7, opts=options, data=b"hello"
    )
    found = parse(ip4(6, segment) + b"padding")
    assert (found.source, found.destination, found.source_port, found.destination_port) == (
        CLIENT,
        SERVER,
        1234,
        80,
    )
    assert (found.sequence, found.acknowledgement, found.flags, found.window) == (5, 9, 0x18, 512)
    assert (found.ttl, found.fragment_id, found.protocol_name, found.payload) == (63, 77, "tcp", b"hello")
    assert found.tcp_mss == 1460
    assert not found.is_fragment


def test_udp_over_ip6_behind_extension_headers():
    datagram = bytes(dpkt.udp.UDP(sport=53, dport=999, ulen=8 + 3, data=b"abc"))
    hop_by_hop = bytes([17, 0, 1, 4, 0, 0, 0, 0])
    found = parse(ip6(0, hop_by_hop + datagram))
    assert (found.version, found.protocol, found.source_port, found.payload, found.ttl) == (
        6,
        17,
        53,
        b"abc",
        9,
    )
    assert found.transport_at == 48


def test_fragments_have_no_transport_header():
    first = parse(ip4(17, b"x" * 24, mf=1))
    later = parse(ip4(17, b"y" * 16, offset=3))
    assert (first.is_fragment, first.fragment_offset, first.payload) == (True, 0, b"x" * 24)
    assert (later.is_fragment, later.fragment_offset, later.source_port) == (True, 24, 0)
    fragment6 = parse(ip6(44, bytes([17, 0, 0, 9, 0, 0, 0, 7]) + b"z" * 8))
    assert (fragment6.fragment_offset, fragment6.fragment_bits, fragment6.fragment_id) == (8, 1, 7)


def test_icmp():
    found = parse(ip4(1, b"\x08\x00\0\0\0\x01\0\x02ping"))
    assert (found.icmp_type, found.icmp_code, found.icmp_id, found.icmp_sequence) == (8, 0, 1, 2)
    assert found.payload == b"ping"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x45",
        b"\x65" * 30,
        b"\x15" + bytes(30),
        ip4(6, b"short"),
        ip4(17, b"\0" * 7),
        ip4(17, b"\0\1\0\2\0\x40\0\0"),
        ip4(6, bytes(dpkt.tcp.TCP(sport=1, dport=2)))[:-1],
        ip6(0, b"\x11\xff" + bytes(6)),
        ip6(0, bytes([0, 0, 0, 0, 0, 0, 0, 0]) * 9),
    ],
)
def test_what_is_no_packet_is_refused(data):
    with pytest.raises(PacketError):
        parse(data)


@given(
    st.binary(max_size=120)
    | st.binary(max_size=100).map(lambda tail: ip4(6, tail))
    | st.binary(max_size=99).map(lambda t: ip6(0, t))
)
@settings(max_examples=400)
def test_garbage_is_a_packet_or_an_error(data):
    try:
        found = parse(data)
    except PacketError:
        return
    assert found.end <= len(data)
    assert found.payload == data[found.payload_at : found.payload_at + len(found.payload)]
    for name in (
        "tos",
        "ip_options",
        "tcp_options",
        "tcp_mss",
        "urgent",
        "icmp_type",
        "icmp_code",
        "icmp_id",
        "icmp_sequence",
    ):
        getattr(found, name)


@given(
    st.binary(min_size=1, max_size=70).map(lambda body: body * 900), st.booleans(), st.sampled_from([6, 17])
)
@settings(max_examples=60)
def test_a_replaced_payload_has_the_checksum_that_dpkt_computes(body, six, protocol):
    body = body[:60_000]
    build = ip6 if six else ip4
    make = dpkt.tcp.TCP if protocol == 6 else dpkt.udp.UDP
    extra = {} if protocol == 6 else {"ulen": 8 + len(body), "sum": 1}
    found = parse(build(protocol, bytes(make(sport=1, dport=2, data=bytes(len(body)), **extra))))
    changed = with_payload(found, body)
    assert parse(changed).payload == body
    pseudo = (
        found.source
        + found.destination
        + len(changed[found.transport_at :]).to_bytes(4, "big")
        + bytes([0, 0, 0, protocol])
    )
    assert dpkt.in_cksum(pseudo + changed[found.transport_at :]) in (0, 0xFFFF)
    if not six:
        assert dpkt.in_cksum(changed[:20]) == 0


@given(st.binary(max_size=300))
def test_the_checksum_is_that_of_the_standard(data):
    assert internet_checksum(data) % 0xFFFF == dpkt.in_cksum(data) % 0xFFFF


def test_a_payload_of_another_length_is_refused():
    found = parse(ip4(6, dpkt.tcp.TCP(sport=1, dport=2, data=b"four")))
    with pytest.raises(ValueError, match="equal length"):
        with_payload(found, b"three")
    assert found.protocol == packets.TCP
