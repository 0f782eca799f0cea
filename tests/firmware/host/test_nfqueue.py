"""Netlink messages of the packet queue: what the kernel sends, and anything else."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.host.nfqueue import Forms, QueuedPacket, parse_packet

PACKET = 0x0300


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def message(*attributes, kind=PACKET, length=None):
    body = struct.pack(">BBH", 2, 0, 5) + b"".join(attributes)
    return memoryview(struct.pack("=IHHII", length or 16 + len(body), kind, 0, 0, 0) + body)


def header(number):
    return attribute(1, struct.pack(">IHB", number, 0x0800, 2))


def test_every_attribute_is_read():
    hardware = attribute(9, struct.pack(">HH8s", 6, 0, bytes.fromhex("0242ac110002") + b"\0\0"))
    raw = message(
        header(7), attribute(3, b"\0\0\0\2"), attribute(7, b"\0\0\0\x09"), hardware, attribute(10, b"packet")
    )
    assert parse_packet(raw) == QueuedPacket(7, b"packet", 2, 9, bytes.fromhex("0242ac110002"), whole=True)


def test_the_way_out_the_time_and_offloading_are_read():
    time = attribute(4, struct.pack(">QQ", 1_700_000_000, 250_000))
    raw = message(
        header(1), attribute(8, b"\0\0\0\x05"), time, attribute(14, b"\0\0\0\3"), attribute(10, b"x")
    )
    packet = parse_packet(raw)
    assert (packet.out_port, packet.arrived, packet.segmented) == (5, 1_700_000_000.25, True)


@pytest.mark.parametrize(
    ("info", "verified"),
    [((), True), ((attribute(14, b"\0\0\0\1"),), True), ((attribute(14, b"\0\0\0\4"),), False)],
    ids=["found right", "not computed yet", "nobody looked, or wrong"],
)
def test_what_the_kernel_knows_of_the_checksum_is_read(info, verified):
    raw = message(header(1), *info, attribute(10, b"x"))
    forms = Forms()
    assert [forms.parse(raw).verified for _ in range(2)] == [verified, verified]
    assert parse_packet(raw).verified is verified


def test_an_attribute_of_the_wrong_size_says_nothing():
    packet = parse_packet(
        message(
            header(1),
            attribute(3, b"\0\2"),
            attribute(4, b"\0\0\0\1"),
            attribute(9, b"\0"),
            attribute(10, b"x"),
        )
    )
    assert packet == QueuedPacket(1, b"x")


def test_a_cut_copy_is_marked():
    packet = parse_packet(message(header(1), attribute(10, b"x"), attribute(13, b"\0\1\0\0")))
    assert packet
    assert not packet.whole


def test_a_message_without_payload_or_header_is_no_packet():
    assert parse_packet(message(header(1))) is None
    assert parse_packet(message(attribute(10, b"x"))) is None


def test_a_message_of_another_kind_is_no_packet():
    assert parse_packet(message(header(1), attribute(10, b"x"), kind=2)) is None


def test_a_message_longer_than_what_came_is_no_packet():
    assert parse_packet(message(header(1), attribute(10, b"x"), length=9999)) is None


def test_attributes_end_where_one_has_an_impossible_length():
    lying = struct.pack("=HH", 400, 10) + b"short"
    assert parse_packet(message(header(1), lying)) is None
    zero = struct.pack("=HH", 0, 10)
    assert parse_packet(message(header(1), zero, attribute(10, b"x"))) is None


@settings(max_examples=400)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_packet_or_nothing(raw):
    packet = parse_packet(memoryview(raw))
    assert packet is None or len(packet.data) < len(raw)


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 40), st.binary(max_size=40)), max_size=12))
def test_any_attributes_are_a_packet_or_nothing(parts):
    raw = b"".join(struct.pack("=HH", size, kind) + value for kind, size, value in parts)
    packet = parse_packet(message(raw))
    assert packet is None or 0 <= packet.id < 2**32


ATTRIBUTES = st.one_of(
    st.builds(header, st.integers(0, 2**32 - 1)),
    st.builds(attribute, st.sampled_from((3, 5, 7, 8, 14, 0x4003)), st.binary(min_size=4, max_size=4)),
    st.builds(attribute, st.just(4), st.binary(min_size=16, max_size=16)),
    st.builds(attribute, st.just(9), st.binary(min_size=12, max_size=12)),
    st.builds(attribute, st.just(10), st.binary(max_size=40)),
    st.builds(attribute, st.integers(0, 20), st.binary(max_size=20)),
)


@settings(max_examples=400)
@given(
    st.lists(st.lists(ATTRIBUTES, max_size=8), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200), st.integers(0, 255)), max_size=6),
)
def test_messages_of_a_known_form_say_the_same(kinds, changes):
    """Each twice, then with a byte changed: whatever a queue has seen before, a message is read as if it were the first."""
    forms = Forms()
    messages = [bytes(message(header(1), *attributes, attribute(10, b"data"))) for attributes in kinds]
    changed = [bytearray(messages[which % len(messages)]) for which, _, _ in changes]
    for raw, (_, at, byte) in zip(changed, changes, strict=True):
        raw[at % len(raw)] = byte
    for raw in (*messages, *messages, *changed, *messages):
        for end in (len(raw), len(raw) - 1):
            assert forms.parse(memoryview(raw)[:end]) == parse_packet(memoryview(raw)[:end])


@given(st.integers(0, 2**32 - 1), st.binary(min_size=12, max_size=12), st.binary(max_size=70))
def test_ordinary_packets_are_read_alike_with_their_own_values(number, hardware, payload):
    forms = Forms()
    for each, data in ((1, b"first"), (number, payload), (number ^ 1, payload[::2])):
        parts = (header(each), attribute(7, b"\0\0\0\x09"), attribute(8, b"\0\0\0\7"), attribute(9, hardware))
        raw = message(*parts, attribute(4, struct.pack(">QQ", each, 250_000)), attribute(10, data))
        assert forms.parse(raw) == parse_packet(raw)
        assert forms.parse(raw).data == data
