"""Streams bent so that the unit and the receiver might see different things: what gets through is what was inspected."""

import socket
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine import tunnel
from omamori.firmware.engine.checksum import is_sound
from omamori.firmware.engine.packet import SYN, parse
from omamori.firmware.engine.settings import Mode
from tests.firmware.engine.conversation import PC, SITE, Tcp, _ip, datagram, received
from tests.firmware.engine.evil import KIND, REQUEST, half_said, summed, told, unit

SIX = {"client": "2001:db8::20", "server": "2001:db8::9"}


@given(st.data())
@settings(max_examples=60)
def test_a_second_copy_that_differs_is_set_right(data):
    """However the second copy is cut, the receiver gets the bytes that were inspected, whichever copy it takes."""
    guard, talk = unit(), Tcp()
    start = talk.sequences[True] + 1
    out = guard.feed(talk.handshake())
    first = data.draw(st.permutations(range(0, len(KIND), 9)))
    pieces = [(at, KIND[at : at + 9]) for at in first]
    second = data.draw(st.lists(st.tuples(st.integers(0, len(KIND) - 1), st.integers(1, 30)), max_size=6))
    pieces += [(at, REQUEST[at : at + size]) for at, size in second]
    out = []
    for at, piece in pieces:
        out += guard.feed([talk.packet(to_server=True, payload=piece, sequence=start + at)])
    for packet in map(parse, out):
        at = packet.sequence - start
        assert packet.payload == KIND[at : at + len(packet.payload)]
    assert received(out, start=start) == KIND


def test_a_second_copy_that_differs_raises_its_event_and_is_only_told_where_nothing_is_changed():
    guard, talk = unit(mode=Mode.OBSERVE), Tcp()
    guard.feed([*talk.handshake(), talk.packet(to_server=True, payload=KIND)])
    assert not guard.events
    (out,) = guard.feed([talk.packet(to_server=True, payload=REQUEST, sequence=1001)])
    assert parse(out).payload == REQUEST
    assert guard.events == {"reassembly_overlap_different_data"}


def test_a_keep_alive_byte_of_an_old_connection_passes():
    guard, talk = unit(), Tcp()
    guard.feed([*talk.handshake(), talk.packet(to_server=True, payload=KIND)])
    guard.feed([talk.packet(to_server=False, payload=b"HTTP/1.1 204 No\r\n\r\n")])
    probe = talk.packet(to_server=True, payload=b"\0", sequence=talk.sequences[True] - 1)
    assert guard.feed([probe]) == [probe]
    assert guard.last == "Pass"


@pytest.mark.parametrize(
    "segments",
    [
        [(b"GET /an-ev!il-command HTTP/1.1\r\n\r\n", 11)],
        [(b"GET /an-ev", None), (b"!il-command HTTP/1.1\r\n\r\n", 1)],
        [(b"GET /an-ev", None), (b"!il-command HTTP/1.1\r\n\r\n", 0)],
        [(b"GET /an-ev", 11), (b"!il-command HTTP/1.1\r\n\r\n", None)],
        [(b"GET /an-ev", None), (b"", 1), (b"!il-command HTTP/1.1\r\n\r\n", None)],
        [(b"GET /", 6 + 5), (b"an-ev", 1), (b"!il-command HTTP/1.1\r\n\r\n", None)],
    ],
    ids=["inside", "one", "nought", "ahead", "empty", "an earlier one"],
)
def test_a_byte_marked_urgent_is_left_out_as_receivers_do(segments):
    """Each as (data, urgent pointer); a Linux 6.18 without SO_OOBINLINE reads the command from all of them."""
    guard, talk = unit(), Tcp()
    guard.feed(talk.handshake())
    for payload, pointer in segments:
        data = bytearray(
            talk.packet(to_server=True, payload=payload, flags=0x18 if pointer is None else 0x38)
        )
        data[38:40] = (pointer or 0).to_bytes(2, "big")
        guard.feed([bytes(data)])
    assert guard.last == "Block"


@pytest.mark.parametrize("ends", [{}, SIX], ids=["IPv4", "IPv6"])
def test_a_segment_with_a_wrong_checksum_is_not_the_first_copy(ends):
    guard, talk = unit(), Tcp(**ends)
    guard.feed(talk.handshake())
    decoy = summed(talk.packet(to_server=True, payload=KIND, sequence=1001), off=77)
    assert guard.feed([decoy]) == [decoy]
    guard.feed([summed(talk.packet(to_server=True, payload=REQUEST))])
    assert guard.last == "Block"


def test_a_damaged_copy_never_replaces_the_good_one():
    guard, talk = unit(), Tcp()
    guard.feed(talk.handshake())
    damaged = KIND.replace(b"kind", b"kimd")
    bad = summed(talk.packet(to_server=True, payload=damaged, sequence=1001), off=1)
    good = summed(talk.packet(to_server=True, payload=KIND))
    assert guard.feed([bad, good]) == [bad, good]


def test_a_damaged_packet_is_never_made_good():
    guard, talk = unit(), Tcp()
    guard.feed([*talk.handshake(), talk.packet(to_server=True, payload=KIND)])
    guard.feed([talk.packet(to_server=True, payload=REQUEST, sequence=1001)])
    assert guard.last == "Rewrite"
    bad = summed(talk.packet(to_server=True, payload=REQUEST, sequence=1001), off=5)
    assert guard.feed([bad]) == [bad]
    assert guard.last == "Pass"


def test_a_checksum_that_the_kernel_has_yet_to_compute_is_sound():
    packet = parse(Tcp().packet(to_server=True, payload=b"x" * 99))
    pseudo = sum(int.from_bytes(packet.data[at : at + 2], "big") for at in range(12, 20, 2)) + 6 + 119
    data = bytearray(packet.data)
    data[36:38] = (pseudo % 0xFFFF).to_bytes(2, "big")
    assert is_sound(parse(bytes(data)))
    data[36:38] = ((pseudo + 9) % 0xFFFF).to_bytes(2, "big")
    assert not is_sound(parse(bytes(data)))


@pytest.mark.parametrize("verified", [True, False])
def test_a_checksum_that_the_kernel_has_looked_at_is_not_computed_again(verified):
    engine, talk = unit().engine, Tcp()
    for data in talk.handshake():
        engine.packet(data, now=1.0, from_inside=True)
    off = summed(talk.packet(to_server=True, payload=REQUEST), off=1)
    verdict = engine.packet(off, now=1.0, from_inside=True, verified=verified)
    assert type(verdict).__name__ == ("Block" if verified else "Pass")
    assert engine.statistics.unsound == (not verified)


def test_what_is_known_of_a_tunnel_says_nothing_of_what_it_carries():
    engine, talk = unit().engine, Tcp()
    inside = [*talk.handshake(), summed(talk.packet(to_server=True, payload=REQUEST), off=1)]
    for data in inside:
        engine.packet(_ip("192.168.1.3", "203.0.113.3", 4, data), now=1.0, from_inside=True, verified=True)
    assert engine.statistics.unsound == 1


def test_data_in_the_opening_packet_counts():
    guard, talk = unit(), Tcp()
    guard.feed([talk.packet(to_server=True, flags=SYN, payload=REQUEST)])
    assert guard.last == "Block"


def test_a_connection_is_picked_up_in_the_middle_unless_that_is_switched_off():
    for midstream, blocked in ((True, True), (False, False)):
        guard, talk = unit(midstream=midstream), Tcp()
        guard.feed([half_said(talk), talk.packet(to_server=True, payload=REQUEST[10:])])
        assert (guard.last == "Block") is blocked


def fragments(data, cuts, number=7):
    """An IPv4 packet in fragments cut at these multiples of eight."""
    head, body = data[:20], data[20:]
    marks = [0, *cuts, len(body)]
    out = []
    for begin, end in pairwise(marks):
        out.append(fragment(head, begin, body[begin:end], more=end < len(body), number=number))
    return out


def fragment(head, at, data, *, more, number=7):
    part = bytearray(head)
    part[2:4] = (20 + len(data)).to_bytes(2, "big")
    part[4:6] = number.to_bytes(2, "big")
    part[6:8] = (at // 8 | more << 13).to_bytes(2, "big")
    return bytes(part) + data


def test_tiny_fragments_in_any_order_are_put_together():
    guard, talk = unit(), Tcp()
    guard.feed(talk.handshake())
    parts = fragments(talk.packet(to_server=True, payload=REQUEST), range(8, 56, 8))
    assert len(guard.feed([*parts[::-1]])) == len(parts) - 1
    assert guard.last == "Block"


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_fragments_that_overlap_with_other_data_never_become_whole(order):
    guard, talk = unit(), Tcp()
    guard.feed(talk.handshake())
    good = talk.packet(to_server=True, payload=KIND)
    evil = talk.packet(to_server=True, payload=REQUEST)
    pieces = [
        fragment(good[:20], 0, good[20:60], more=True),
        fragment(good[:20], 16, evil[36:60], more=True),
        fragment(good[:20], 40, good[60:], more=False),
    ]
    out = guard.feed([pieces[index] for index in order])
    bytes_out = {}
    for part in map(parse, out):
        for index, byte in enumerate(part.payload):
            bytes_out.setdefault(part.fragment_offset + index, set()).add(byte)
    whole = len(bytes_out) == len(good) - 20
    assert not (whole and any(len(values) > 1 for values in bytes_out.values()))
    assert len(out) < 3
    assert any("overlap" in reason for reason in guard.engine.take_unspoken())


def test_of_fragments_that_overlap_the_first_is_seen_where_nothing_is_stopped():
    guard, talk = unit(mode=Mode.OBSERVE), Tcp()
    guard.feed(talk.handshake())
    evil, good = (talk.packet(to_server=True, payload=text, sequence=1001) for text in (REQUEST, KIND))
    pieces = [
        fragment(evil[:20], 16, evil[36:60], more=True),
        fragment(good[:20], 0, good[20:60], more=True),
        fragment(good[:20], 40, good[60:], more=False),
    ]
    assert guard.feed(pieces) == pieces
    assert told(guard) == {"1:7"}


def test_fragments_that_come_too_late_are_not_put_together():
    guard, talk = unit(), Tcp()
    guard.feed(talk.handshake())
    first, second = fragments(talk.packet(to_server=True, payload=REQUEST), [32])
    guard.feed([first])
    guard.now += 40
    guard.engine.tick(guard.now)
    guard.feed([second])
    assert guard.last == "Pass"
    assert len(guard.engine._fragments) == 1


def extended(source, destination, headers, body):
    """An IPv6 packet with these (kind, body) extension headers."""
    kinds = [kind for kind, _ in headers] + [6]
    chain = b"".join(
        bytes([following]) + rest for (_, rest), following in zip(headers, kinds[1:], strict=True)
    )
    packed = [socket.inet_pton(socket.AF_INET6, address) for address in (source, destination)]
    head = (6 << 28).to_bytes(4, "big") + (len(chain) + len(body)).to_bytes(2, "big") + bytes([kinds[0], 64])
    return head + b"".join(packed) + chain + body


PADDING = b"\0\1\4\0\0\0\0"
ROUTING_0 = b"\2\0\1\0\0\0\0" + bytes(16)


@pytest.mark.parametrize(
    ("headers", "events"),
    [
        ([(0, PADDING)], set()),
        ([(0, PADDING), (60, PADDING), (43, ROUTING_0)], {"ipv6.rh_type_0"}),
        ([(44, b"\0\0\0\0\0\0\7")], {"ipv6.exthdr_useless_fh"}),
        ([(60, PADDING)] * 100, set()),
    ],
)
def test_extension_headers_hide_nothing(headers, events):
    guard, talk = unit(), Tcp(**SIX)
    plain = [*talk.handshake(), talk.packet(to_server=True, payload=REQUEST)]
    for packet in plain:
        ends = (socket.inet_ntop(socket.AF_INET6, packet[at : at + 16]) for at in (8, 24))
        guard.feed([extended(*ends, headers, packet[40:])])
    assert guard.last == "Block"
    assert guard.events == events


GRE = b"\0\0\x08\0"
ETHERNET = bytes(12)
CARRIERS = {
    "IP in IP": lambda inner: _ip("10.9.9.1", "10.9.9.2", 4, inner),
    "GRE": lambda inner: _ip("10.9.9.1", "10.9.9.2", 47, GRE + inner),
    "GRE with key and sequence": lambda inner: _ip(
        "10.9.9.1", "10.9.9.2", 47, b"\x30\0\x08\0" + bytes(8) + inner
    ),
    "Ethernet in GRE": lambda inner: _ip(
        "10.9.9.1", "10.9.9.2", 47, b"\0\0\x65\x58" + ETHERNET + b"\x81\0\0\1\x08\0" + inner
    ),
    "PPP in GRE": lambda inner: _ip("10.9.9.1", "10.9.9.2", 47, b"\0\0\x88\x0b\xff\3\0\x21" + inner),
    "VXLAN": lambda inner: datagram(
        "10.9.9.1", "10.9.9.2", 5000, 4789, b"\x08" + bytes(7) + ETHERNET + b"\x08\0" + inner
    ),
    "Geneve": lambda inner: datagram(
        "10.9.9.1", "10.9.9.2", 5000, 6081, b"\1\0\x08\0" + bytes(4) + bytes(4) + inner
    ),
    "twice": lambda inner: _ip("10.9.9.1", "10.9.9.2", 4, _ip("10.8.8.1", "10.8.8.2", 47, GRE + inner)),
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_a_tunnel_carries_is_inspected_and_stopped_alone(carrier):
    guard, talk = unit(), Tcp()
    carry = CARRIERS[carrier]
    for packet in talk.handshake():
        guard.feed([carry(packet)])
    other = Tcp(client_port=40_001)
    assert not guard.feed([carry(talk.packet(to_server=True, payload=REQUEST))])
    assert told(guard) == {"1:7"}
    for _ in range(100):
        assert guard.feed([carry(other.packet(to_server=True, payload=KIND))])
        assert guard.last == "Pass"
    assert not guard.feed([carry(other.packet(to_server=True, payload=REQUEST))])


def test_teredo_is_followed():
    inner, talk = unit(), Tcp(**SIX)
    for packet in [*talk.handshake(), talk.packet(to_server=True, payload=REQUEST)]:
        inner.feed([datagram(PC, SITE, 5000, 3544, b"\0\0" + bytes(6) + packet)])
    assert inner.last == "Drop"


@given(st.sampled_from([4, 41, 47]), st.binary(max_size=80), st.sampled_from([3544, 4789, 6081]))
@settings(max_examples=200)
def test_any_bytes_in_a_tunnel_are_taken(protocol, data, port):
    guard = unit()
    guard.feed([_ip(PC, SITE, protocol, data), datagram(PC, SITE, port, port, data)])
    assert guard.verdicts
    assert tunnel.inside(parse(_ip(PC, SITE, 17, bytes(8)))) is None


def test_a_decided_flow_keeps_nothing():
    guard, talk = unit(stream_depth=5000), Tcp(server_port=9999)
    guard.feed([*talk.handshake(), *talk.say(bytes(range(1, 256)) * 40, to_server=True)])
    assert guard.last == "Decided"
    assert guard.engine._streams.kept == 0
    (flow,) = guard.engine._flows.all()
    assert [half.tail for half in flow.halves] == [b"", b""]
