"""Malware in HTTP files: overwritten from the match to the end of the file, and nothing else is touched, ever."""

import gzip
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.antivirus import Antivirus, hexadecimal, literal
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.engine.verdict import Block
from omamori.protocol.vocabulary import Action, Guard, Severity
from tests.firmware.engine.conversation import PC, Tcp, Unit, received

MARK = b"MALWARE<0123456789>TEST"
ANTIVIRUS = Antivirus(
    [literal("av:mark", "Test.Mark", MARK), hexadecimal("av:hex", "Test.Hex", "deadbeef{1-3}cafe??f00d")]
)
GET = b"GET /file HTTP/1.1\r\nHost: site.example\r\n\r\n"


def unit(**fields):
    return Unit(Engine(Signatures(antivirus=ANTIVIRUS), Settings(**fields)))


def sized(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), [body], b""


def chunked(body, size):
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", parts, b"0\r\n\r\n"


def stream_of(responses):
    """The bytes of all responses, and for each of them where its file's bytes lie."""
    stream, places = b"", []
    for head, parts, tail in responses:
        stream += head
        place = []
        for part in parts:
            frame = b"%x\r\n" % len(part) if tail else b""
            stream += frame
            place += range(len(stream), len(stream) + len(part))
            stream += part + (b"\r\n" if tail else b"")
        stream += tail
        places.append(place)
    return stream, places


FILES = st.lists(
    st.builds(
        lambda start, infected, end, size: (start + (MARK if infected else b"") + end, infected, size),
        st.binary(max_size=150),
        st.booleans(),
        st.binary(max_size=150),
        st.integers(0, 60),
    ),
    min_size=1,
    max_size=4,
)


def download(case, order):
    """Plays a download; `order` says how the server's packets are cut, shuffled and repeated."""
    responses = [chunked(body, size) if size else sized(body) for body, _, size in case]
    stream, places = stream_of(responses)
    guard, talk = unit(), Tcp()
    guard.feed(talk.handshake())
    guard.feed(talk.say(GET * len(case), to_server=True))
    start = talk.sequences[False]
    packets = talk.say(stream, to_server=False, size=order["size"])
    shuffled = list(packets)
    for index in range(len(packets) - 1):
        if order["random"].random() < order["swaps"]:
            shuffled[index], shuffled[index + 1] = shuffled[index + 1], shuffled[index]
    # The client has not got what was dropped: the server sends it again.
    got = guard.feed(shuffled) + guard.feed(packets)
    return guard, stream, places, received(got, start=start), got


ORDERS = st.fixed_dictionaries(
    {
        "size": st.integers(10, 4000),
        "swaps": st.sampled_from([0.0, 0.1, 0.5]),
        "random": st.integers(0, 1000).map(random.Random),
    }
)


@given(FILES, ORDERS)
@example([(b"7z\xbc\xaf\x27\x1c", False, 0)], {"size": 4000, "swaps": 0.0, "random": random.Random(0)})
@settings(max_examples=120)
def test_only_infected_files_change_and_no_mark_gets_through(case, order):
    guard, stream, places, taken, _ = download(case, order)
    assert len(taken) == len(stream) or type(guard.verdicts[-1]) is Block
    assert len(taken) == len(stream) or order["swaps"]
    mine = {at: number for number, place in enumerate(places) for at in place}
    for at, (before, after) in enumerate(zip(stream, taken, strict=False)):
        if before != after:
            assert after == 0x20
            assert case[mine[at]][1], "a clean file, a head or a frame was changed"
    for (_, infected, _), place in zip(case, places, strict=True):
        text = bytes(taken[at] for at in place if at < len(taken))
        assert MARK not in text
        if infected and not order["swaps"]:
            end = bytes(stream[at] for at in place).index(MARK) + len(MARK)
            assert not text[end - 1 :].strip(b" ")
    told = [found for found in guard.engine.take_detections() if found.guard is Guard.AV]
    seen = [found for found in told if found.category != "unscanned"]
    if len(taken) == len(stream):
        assert len(seen) == sum(infected for _, infected, _ in case)
        assert {found.action for found in seen} <= {Action.NEUTRALISED}
    else:
        assert seen[-1].action is Action.BLOCKED


@given(FILES, st.integers(10, 300))
@settings(max_examples=60)
def test_copies_of_a_segment_are_the_same(case, size):
    order = {"size": size, "swaps": 0.0, "random": random.Random(1)}
    *_, got = download(case, order)
    first = {}
    for data in got[len(got) // 7 + 1 :]:
        assert first.setdefault(data[:-1][4:8] + data[24:28], data) == data


def test_a_match_in_one_packet_never_begins_to_get_through():
    guard, talk = unit(), Tcp()
    guard.feed(talk.say(GET, to_server=True))
    body = b"a" * 3000 + MARK + b"b" * 3000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    out = received(guard.feed(talk.say(head + body, to_server=False, size=60_000)))
    assert out == head + b"a" * 3000 + b" " * (len(MARK) + 3000)
    assert guard.engine.statistics.neutralised > 0


def test_a_match_that_overtook_the_packets_before_it_is_not_completed():
    guard, talk = unit(), Tcp()
    guard.feed(talk.say(GET, to_server=True))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(MARK)
    first, second = talk.say(head, to_server=False) + talk.say(MARK, to_server=False)
    guard.feed([talk.packet(to_server=True, payload=GET, sequence=talk.sequences[True])])
    assert guard.feed([second, first, second]) == [second]
    assert guard.last == "Block"
    (found,) = guard.engine.take_detections()
    assert found.action is Action.BLOCKED


def test_a_match_across_packets_loses_what_was_not_delivered():
    guard, talk = unit(), Tcp()
    guard.feed(talk.say(GET, to_server=True))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n"
    packets = talk.say(head + b"0123456789" + MARK[:9], to_server=False)
    packets += talk.say(MARK[9:] + b"after mark", to_server=False)
    out = received(guard.feed(packets))
    assert out == head + b"0123456789" + MARK[:9] + b" " * (len(MARK) - 9 + 10)


def test_a_compressed_file_is_scanned_and_cut_off():
    guard, talk = unit(), Tcp()
    guard.feed(talk.say(GET, to_server=True))
    noise = random.Random(5).randbytes(40_000)
    body = gzip.compress(noise[:20_000] + MARK + noise[20_000:], mtime=0)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    out = received(guard.feed(talk.say(head + body, to_server=False)))
    assert len(out) == len(head + body)
    taken = out[len(head) :]
    assert taken[:15_000] == body[:15_000]
    assert taken.endswith(b" " * 15_000)


def test_an_upload_of_malware_by_an_inside_host_is_a_three_star_matter():
    guard, talk = unit(), Tcp()
    request = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(MARK) + MARK
    assert MARK not in received(guard.feed(talk.say(request, to_server=True)))
    (found,) = guard.engine.take_detections()
    assert (found.severity, found.source.address) == (Severity.THREE, PC)


def test_nothing_is_changed_where_the_engine_only_observes():
    guard, talk = unit(mode=Mode.OBSERVE), Tcp()
    guard.feed(talk.say(GET, to_server=True))
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(MARK) + MARK
    assert received(guard.feed(talk.say(response, to_server=False))) == response
    assert [found.action for found in guard.engine.take_detections()] == [Action.LOGGED]


def test_a_file_beyond_the_limit_is_not_scanned_any_further():
    guard, talk = unit(file_limit=1000), Tcp()
    guard.feed(talk.say(GET, to_server=True))
    body = bytes(4000) + MARK
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert received(guard.feed(talk.say(response, to_server=False, size=500))) == response


@pytest.mark.parametrize("size", [1, 7, 100, 60_000])
def test_hex_patterns_with_gaps(size):
    guard, talk = unit(), Tcp()
    guard.feed(talk.say(GET, to_server=True))
    body = b"x" * 50 + bytes.fromhex("deadbeef0102cafe99f00d") + b"y" * 50
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    out = received(guard.feed(talk.say(response, to_server=False, size=size)))
    assert out.endswith(b" " * 51)
    assert b"\xf0\x0d" not in out
