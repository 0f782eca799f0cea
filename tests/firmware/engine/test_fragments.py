"""IP fragments: put together in any order, bounded in memory, and no bytes make them fail."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.errors import PacketError
from omamori.firmware.engine.fragments import Fragments
from omamori.firmware.engine.packet import parse
from tests.firmware.engine.conversation import PC, SITE, datagram


def cut(data, at, size, *, number=1, more=True):
    """A fragment with the bytes from `at`, in units of eight."""
    body = data[20:][at * 8 : (at + size) * 8]
    head = bytearray(data[:20])
    head[2:4], head[4:6] = (20 + len(body)).to_bytes(2, "big"), number.to_bytes(2, "big")
    head[6:8] = (at | more << 13).to_bytes(2, "big")
    return parse(bytes(head) + body)


WHOLE = datagram(PC, SITE, 1000, 2000, bytes(range(152)))  # 160 bytes after the IP header


@given(
    st.permutations(range(10)),
    st.lists(st.tuples(st.integers(0, 19), st.integers(1, 8)), max_size=6),
    st.booleans(),
)
@settings(max_examples=100)
def test_any_order_with_repetitions_gives_the_whole(order, again, strict):
    fragments, out = Fragments(strict=strict), []
    pieces = [cut(WHOLE, 2 * index, 2, more=index < 9) for index in order]
    repeated = [cut(WHOLE, at, size) for at, size in again if at + size < 20]
    for piece in [*pieces[:5], *repeated, *pieces[5:]]:
        whole = fragments.add(piece, 0.0)
        if whole is not None:
            out.append(whole)
    assert [whole.payload for whole in out] == [bytes(range(152))]
    assert fragments._held == sum(each.held for each in fragments._datagrams.values())


def test_memory_is_bounded_whatever_is_never_completed():
    fragments, big = Fragments(), datagram(PC, SITE, 1, 2, bytes(60_000))
    for number in range(3000):
        fragments.add(cut(big, 0, 7000, number=number), 0.0)
        fragments.add(cut(big, 1, 7000, number=number), 0.0)
    assert len(fragments) <= 1024
    assert fragments._held <= 16 << 20
    fragments.tick(31.0)
    assert (len(fragments), fragments._held) == (0, 0)


@given(
    st.lists(
        st.tuples(st.integers(0, 8191), st.binary(max_size=50), st.booleans(), st.integers(0, 3)), max_size=30
    ),
    st.booleans(),
)
@settings(max_examples=150)
def test_any_fragments_are_taken(pieces, strict):
    fragments = Fragments(strict=strict)
    for at, data, more, number in pieces:
        head = bytearray(WHOLE[:20])
        head[2:4], head[4:6] = (20 + len(data)).to_bytes(2, "big"), number.to_bytes(2, "big")
        head[6:8] = ((at % 12 if at % 2 else at) | more << 13).to_bytes(2, "big")
        try:
            packet = parse(bytes(head) + data)
            if packet.is_fragment:
                fragments.add(packet, 0.0)
        except PacketError:
            continue
    assert fragments._held == sum(each.held for each in fragments._datagrams.values())


def cut6(body, at, end, following, *, more):
    """A fragment of an IPv6 packet with these bytes of what follows its fixed header."""
    part = bytes((following, 0)) + (at | more).to_bytes(2, "big") + b"\0\0\0\7" + body[at:end]
    ends = bytes(15) + b"\1" + bytes(15) + b"\2"
    return parse(b"\x60\0\0\0" + len(part).to_bytes(2, "big") + bytes((44, 64)) + ends + part)


@pytest.mark.parametrize("options", [b"", b"\x11\0\1\4\0\0\0\0"], ids=["plain", "options"])
@pytest.mark.parametrize("first", [0, 1])
def test_only_the_first_fragment_of_ipv6_says_what_follows(options, first):
    """RFC 8200, 4.5: also extension headers may be in the fragmented part."""
    body = options + WHOLE[20:]
    pieces = [
        cut6(body, 0, 80, 60 if options else 17, more=True),
        cut6(body, 80, len(body), 59, more=False),
    ]
    fragments = Fragments()
    assert fragments.add(pieces[first], 0.0) is None
    whole = fragments.add(pieces[1 - first], 0.0)
    assert whole is not None
    assert (whole.protocol, whole.payload) == (17, bytes(range(152)))


def test_a_datagram_may_come_in_as_many_fragments_as_there_are_places():
    payload = bytes(range(256)) * 255
    big, fragments = datagram(PC, SITE, 1, 2, payload), Fragments()
    count = -(-(len(big) - 20) // 8)
    order = [*range(1, count, 2), *range(0, count, 2)]
    wholes = [fragments.add(cut(big, at, 1, more=at < count - 1), 0.0) for at in order]
    assert [whole.payload for whole in wholes if whole] == [payload]
    assert (fragments._held, fragments.given_up) == (0, 0)
