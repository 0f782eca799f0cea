"""Whole files in flight: known by their hash, packed, suspected, or not to be scanned; over HTTP, FTP and mail."""

import hashlib
import random
import tracemalloc

import pytest

from omamori.firmware.engine.antivirus import Antivirus, Confidence, FileHash, literal
from omamori.firmware.engine.conduct import Orders
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.protocol.policy import Change, Policy
from omamori.protocol.vocabulary import Action, Guard, Severity
from tests.firmware.engine.conversation import Tcp, Unit, received
from tests.firmware.engine.mails import MARK, infected, mail
from tests.firmware.engine.malware.documents import AUTO, DANGEROUS, document, pdf
from tests.firmware.engine.malware.test_containers import NOTES, zipped
from tests.firmware.engine.test_ftp import FTP, control

GET = b"GET /file HTTP/1.1\r\nHost: site.example\r\n\r\n"
KNOWN = random.Random(11).randbytes(9000)
ANTIVIRUS = Antivirus(
    [literal("av:mark", "Test.Mark", MARK)],
    [
        FileHash("Test.Known", hashlib.sha256(KNOWN).digest(), len(KNOWN)),
        FileHash("Test.Unsized", hashlib.md5(KNOWN[:7000], usedforsecurity=False).digest(), None),
    ],
)


def unit(**fields):
    return Unit(Engine(Signatures(antivirus=ANTIVIRUS), Settings(**fields)))


def found(guard):
    return [each for each in guard.engine.take_detections() if each.guard is Guard.AV]


def download(guard, body, *, framing="length", size=1460):
    """What the client gets of a body, cut where a hole begins."""
    talk = Tcp()
    guard.feed(talk.handshake())
    guard.feed(talk.say(GET, to_server=True))
    if framing == "chunked":
        parts = [body[at : at + 2000] for at in range(0, len(body), 2000)]
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        packets = talk.say(head, to_server=False)
        for part in parts:
            packets += talk.say(b"%x\r\n" % len(part) + part + b"\r\n", to_server=False, size=size)
        packets += talk.say(b"0\r\n\r\n", to_server=False)
        return received(guard.feed(packets))[len(head) :]
    length = b"Content-Length: %d\r\n" % len(body) if framing == "length" else b""
    head = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n"
    packets = talk.say(head + body, to_server=False, size=size)
    if framing == "close":
        packets.append(talk.packet(to_server=False, flags=0x11))
    return received(guard.feed(packets))[len(head) :]


@pytest.mark.parametrize("size", [500, 1460, 60_000])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_known_file_loses_its_last_segment_however_it_is_framed(framing, size):
    guard = unit()
    got = download(guard, KNOWN, framing=framing, size=size)
    (detection,) = found(guard)
    assert (detection.signature, detection.action) == ("Test.Known", Action.NEUTRALISED)
    assert KNOWN[-20:] not in got
    assert download(unit(), KNOWN[:-1] + b"?", framing="length") == KNOWN[:-1] + b"?"


def test_a_hash_without_a_size_is_told_at_the_end_and_stops_what_is_left():
    guard = unit()
    got = download(guard, KNOWN[:7000])
    assert got[-20:] == b" " * 20
    assert [each.action for each in found(guard)] == [Action.NEUTRALISED]
    guard = unit()
    download(guard, KNOWN[:7000], framing="chunked")
    assert [each.action for each in found(guard)] == [Action.BLOCKED]


def test_a_known_file_over_ftp_loses_its_last_segment():
    guard, (said, template) = unit(), FTP["EPSV"]
    control(guard, [*said, (True, b"RETR known.exe\r\n")])
    data = Tcp(template.client, template.server, template.client_port, template.server_port)
    got = received(guard.feed(data.say(KNOWN, to_server=False)))
    assert len(got) == len(KNOWN)
    assert got[: len(KNOWN) // 1460 * 1460] == KNOWN[: len(KNOWN) // 1460 * 1460]
    assert not got[len(KNOWN) // 1460 * 1460 :].strip()
    assert [each.signature for each in found(guard)] == ["Test.Known"]


@pytest.mark.parametrize("size", [700, 60_000])
def test_a_form_keeps_its_other_files(size):
    guard, talk = unit(), Tcp()
    fine = random.Random(5).randbytes(3000)
    parts = [
        ("bad.exe", infected()),
        ("fine.bin", fine),
        ("packed.zip", zipped({"x": infected()})),
        ("last.bin", fine),
    ]
    body = b"".join(
        b'--XyZ\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\nContent-Type: application/octet-stream\r\n\r\n'
        % name.encode()
        + content
        + b"\r\n"
        for name, content in parts
    )
    body += b"--XyZ--\r\n"
    head = (
        b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=XyZ\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )
    got = received(guard.feed(talk.say(head + body, to_server=True, size=size)))
    assert len(got) == len(head + body)
    assert MARK not in got
    assert got.count(fine) == 2
    assert got.count(b"--XyZ") == 5
    assert [each.detail.rsplit("(")[-1] for each in found(guard)] == ["bad.exe)", "packed.zip)"]


@pytest.mark.parametrize("why", list(NOTES))
def test_what_cannot_be_scanned_passes_and_is_told_once(why):
    guard = unit()
    assert download(guard, NOTES[why]) == NOTES[why]
    (note,) = found(guard)
    assert (note.action, note.severity, note.category) == (Action.LOGGED, Severity.ONE, "unscanned")
    assert note.signature == f"Could not be scanned: {why}"


def test_a_file_over_the_limit_is_told_once():
    guard = unit(file_limit=3000)
    body = bytes(20_000)
    assert download(guard, body, size=700) == body
    assert [each.signature for each in found(guard)] == ["Could not be scanned: over the size limit"]


SUSPECTED = {
    "Heuristic.Office.AutoMacro": (document(AUTO), Confidence.MEDIUM),
    "Heuristic.Office.AutoMacro.Dangerous": (document(DANGEROUS), Confidence.HIGH),
    "Heuristic.PDF.AutoScript": (
        pdf(b"<< /OpenAction << /S /JavaScript /JS (x) >> >>", b"<< >>" * 800),
        Confidence.MEDIUM,
    ),
    "Heuristic.PDF.Launch": (pdf(b"<< /OpenAction << /S /Launch >> >>", b"<< >>" * 800), Confidence.HIGH),
    "Heuristic.PDF.Script": (pdf(b"<< /S /JavaScript /JS (x) >>"), Confidence.LOW),
}


@pytest.mark.parametrize("least", list(Confidence))
@pytest.mark.parametrize("name", list(SUSPECTED))
def test_how_sure_a_heuristic_must_be_is_the_operators_choice(name, least):
    raw, confidence = SUSPECTED[name]
    guard = unit(malware_confidence=least)
    got = download(guard, raw)
    detection = next(each for each in found(guard) if each.signature == name)
    assert detection.severity is Severity.ONE
    assert detection.action is (Action.NEUTRALISED if confidence >= least else Action.LOGGED)
    assert (got == raw) is (detection.action is Action.LOGGED)


def test_a_suspicion_is_no_important_alert_even_where_an_inside_host_sends_it():
    raw = document(DANGEROUS)
    head = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(raw)
    guard, talk = unit(), Tcp()
    assert received(guard.feed(talk.say(head + raw, to_server=True))) != head + raw
    assert {(each.action, each.severity) for each in found(guard)} == {(Action.NEUTRALISED, Severity.ONE)}


def test_one_heuristic_can_be_set_to_log_only():
    guard = unit()
    guard.engine.obey(Orders(Policy(changes=(Change("av:heuristic:macro-auto", "log"),))))
    raw = document(AUTO)
    assert download(guard, raw) == raw
    assert [each.action for each in found(guard)] == [Action.LOGGED]
    assert MARK not in download(guard, infected())


def test_nothing_is_changed_in_observation():
    guard = unit(mode=Mode.OBSERVE)
    assert download(guard, KNOWN) == KNOWN
    assert [each.action for each in found(guard)] == [Action.LOGGED]


def test_what_is_held_over_all_flows_is_bounded_and_given_back():
    guard = unit(held_file=50_000, held_files=120_000)
    talks = [Tcp(client_port=41_000 + number) for number in range(8)]
    begun = document(AUTO)[:2000] + bytes(30_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n"
    for talk in talks:
        guard.feed(talk.say(GET, to_server=True))
        guard.feed(talk.say(head + begun, to_server=False))
    pool = guard.engine._malware._pool
    assert 60_000 < pool.held <= 120_000
    assert {each.signature for each in found(guard)} == {
        "Could not be scanned: over the size limit of its kind"
    }
    guard.engine.flush(guard.now)
    assert pool.held == 0


def test_files_of_a_day_leave_nothing_behind():
    guard = unit()
    bodies = [zipped({"a": KNOWN}), document(AUTO), mail(("a.bin", KNOWN, "base64")), pdf(b"<< >>"), KNOWN]

    def day():
        for number in range(60):
            talk = Tcp(client_port=30_000 + number)
            body = bodies[number % len(bodies)]
            guard.feed(talk.say(GET, to_server=True))
            guard.feed(
                talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body, to_server=False)
            )
        guard.engine.flush(guard.now)
        guard.engine.take_detections()
        guard.verdicts.clear()

    day()
    tracemalloc.start()
    day()
    before, _ = tracemalloc.get_traced_memory()
    day()
    day()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 100_000


def ranged(content, parts, *, after=b"", file=b"/f.zip", head=b""):
    """What the client gets of parts of a file that it asks for one by one, and what was found."""
    guard, talk, got = unit(), Tcp(), b""
    guard.feed(talk.handshake())
    for begin, end in parts:
        asked = b"GET %s HTTP/1.1\r\nHost: h\r\nRange: bytes=%d-%d\r\n\r\n" % (file, begin, end - 1)
        guard.feed(talk.say(asked, to_server=True))
        stated = b"Content-Range: bytes %d-%d/%d\r\n" % (begin, end - 1, len(content)) + head
        answer = b"HTTP/1.1 206 Partial Content\r\n%sContent-Length: %d\r\n\r\n" % (stated, end - begin)
        packets = talk.say(answer + content[begin:end], to_server=False)
        got += received(guard.feed(packets)).partition(b"\r\n\r\n")[2]
    if after:
        guard.feed(talk.say(GET, to_server=True) + talk.say(after, to_server=False))
    guard.engine.flush(guard.now)
    return got, found(guard)


ARCHIVE = zipped({"x.exe": infected()})
PART = "Could not be scanned: part of a file"


@pytest.mark.parametrize("cut", [1, 40, len(ARCHIVE) // 2, len(ARCHIVE) - 1])
def test_parts_of_a_file_that_follow_each_other_are_scanned_as_one(cut):
    got, told = ranged(ARCHIVE, [(0, cut), (cut, len(ARCHIVE))])
    assert [(each.signature, each.action) for each in told] == [("Test.Mark", Action.NEUTRALISED)]
    assert len(got) == len(ARCHIVE)
    assert got != ARCHIVE


def test_a_known_file_in_parts_loses_its_last_bytes():
    got, told = ranged(KNOWN, [(0, 3000), (3000, 6000), (6000, 9000)])
    assert [(each.signature, each.action) for each in told] == [("Test.Known", Action.NEUTRALISED)]
    assert (len(got), got[:3000]) == (9000, KNOWN[:3000])
    assert got != KNOWN


@pytest.mark.parametrize("begin", [0, 3000])
def test_a_file_of_which_only_a_part_comes_is_noted_once(begin):
    for after in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"):
        got, told = ranged(bytes(9000), [(begin, 6000), (7000, 8000)], after=after)
        assert not any(got)
        assert [(each.signature, each.action) for each in told] == [(PART, Action.LOGGED)]


def test_what_is_called_a_part_and_is_the_whole_file_is_not_noted():
    assert ranged(bytes(9000), [(0, 9000)]) == (bytes(9000), [])
    assert ranged(bytes(9000), [(0, 4000), (4000, 9000)]) == (bytes(9000), [])


@pytest.mark.parametrize(
    "head", [b"Content-Encoding: x-odd\r\n", b"Content-Type: multipart/x; boundary=a\r\n"]
)
def test_parts_whose_bytes_have_no_known_place_are_noted(head):
    _, told = ranged(b"--a\r\n\r\n" + bytes(4000), [(0, 2000), (2000, 4000)], head=head)
    assert [each.signature for each in told] == [PART]


def test_after_a_part_another_file_is_scanned_from_its_beginning():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ARCHIVE) + ARCHIVE
    _, told = ranged(bytes(9000), [(0, 4000)], after=answer)
    assert [each.signature for each in told] == [PART, "Test.Mark"]
