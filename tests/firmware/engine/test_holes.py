"""Bytes that come late: what a receiver gets was inspected, however much is sent before the hole is filled."""

import pytest

from omamori.firmware.engine.antivirus import Antivirus, literal
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.engine.verdict import Drop
from omamori.protocol.reasons import Dropped
from tests.firmware.engine.conversation import Tcp, Unit, received
from tests.firmware.engine.mails import MARK, infected, mail

LENGTH = 8 << 20
HOLE = 6000
PIECE = 30_000
"""As the kernel puts segments together."""
ANTIVIRUS = Antivirus([literal("av:mark", "Test.Mark", MARK)], [])


class Download:
    """A file without its bytes from 4000 on, `HOLE` of them, in which malware is."""

    def __init__(self, *, malware_at=5000, **fields):
        self.guard = Unit(Engine(Signatures(antivirus=ANTIVIRUS), Settings(**fields)))
        self.talk = Tcp()
        self.file = bytes(malware_at) + infected() + bytes(LENGTH)
        self.out = self.guard.feed(self.talk.handshake())
        self.guard.feed(self.talk.say(b"GET /f HTTP/1.1\r\nHost: h.example\r\n\r\n", to_server=True))
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.file)
        self.feed(self.talk.say(head + self.file[:4000], to_server=False))
        self.hole = self.talk.sequences[False]
        self.talk.sequences[False] += HOLE
        self.sent = 4000 + HOLE

    def feed(self, packets):
        self.out += self.guard.feed(packets)

    def go_on(self, size):
        self.feed(self.talk.say(self.file[self.sent : self.sent + size], to_server=False, size=PIECE))
        self.sent += size

    def fill(self):
        """Twice, as a sender that hears nothing."""
        for at in [*range(0, HOLE, 1000)] * 2:
            piece = self.file[4000 + at : 5000 + at]
            self.feed([self.talk.packet(to_server=False, payload=piece, sequence=self.hole + at)])

    def got(self):
        """What the client reads."""
        return received(self.out)


@pytest.mark.parametrize("ahead", [100 << 10, 300 << 10, 3 << 20, 4 << 20, 5 << 20, 7 << 20])
def test_malware_in_a_hole_is_not_delivered(ahead):
    download = Download()
    download.go_on(ahead)
    download.fill()
    assert MARK not in download.got()
    download.go_on(100 << 10)
    assert MARK not in download.got()


def test_the_file_arrives_whole_where_the_hole_is_filled_in_time():
    download = Download(malware_at=0)
    download.file = bytes(LENGTH)
    download.go_on(3 << 20)
    download.fill()
    assert len(download.got()) > 3 << 20
    assert not download.guard.engine.statistics.holes


def test_what_comes_after_it_was_given_up_is_stopped_and_counted():
    download = Download()
    download.go_on(5 << 20)
    download.fill()
    assert download.guard.engine.statistics.holes == 1
    assert {(type(each), each.cause) for each in download.guard.verdicts[-12:]} == {(Drop, Dropped.LATE)}


def test_after_packets_that_passed_uninspected_little_is_waited_for_and_nothing_stopped():
    """The hole is of the unit's own making: its client has those bytes, and what follows must be scanned as it passes."""
    download = Download(malware_at=700 << 10)
    download.guard.engine.missed(download.guard.now)
    download.go_on(300 << 10)
    assert download.guard.engine.statistics.holes == 1
    download.fill()
    assert len(download.got()) > 300 << 10
    download.go_on(500 << 10)
    assert MARK not in download.got()
    assert len(download.got()) > 700 << 10


def test_a_while_later_a_hole_is_somebody_elses_again():
    download = Download()
    download.guard.engine.missed(download.guard.now - 100)
    download.go_on(300 << 10)
    download.fill()
    assert MARK not in download.got()


def test_in_observation_nothing_is_stopped():
    download = Download(mode=Mode.OBSERVE)
    download.go_on(5 << 20)
    download.fill()
    assert MARK in download.got()


def test_what_is_kept_over_all_connections_is_bounded_and_then_nothing_is_stopped():
    download = Download(pending_total=200 << 10)
    download.go_on(400 << 10)
    download.fill()
    assert download.guard.engine.statistics.holes
    assert len(download.got()) > 400 << 10


class Fetched:
    """What a client fetches, with malware in it that is found; then a packet of it passes unseen."""

    def __init__(self, port, asked, sent):
        self.guard = Unit(Engine(Signatures(antivirus=ANTIVIRUS), Settings()))
        self.talk, self.sent = Tcp(server_port=port), sent
        self.guard.feed(self.talk.handshake())
        if port == 110:
            self.guard.feed(self.talk.say(b"+OK ready\r\n", to_server=False))
        self.guard.feed(self.talk.say(asked, to_server=True))
        self.out = self.guard.feed(self.server(0, 30_000))
        self.acknowledge()
        self.out += self.server(30_000, 31_000)
        self.guard.engine.missed(self.guard.now)

    @classmethod
    def mail(cls):
        text = b"+OK\r\n" + mail(("a.bin", bytes(9000) + MARK + bytes(90_000), "base64")) + b"\r\n.\r\n"
        return cls(110, b"RETR 1\r\n", text)

    @classmethod
    def chunked(cls):
        file = bytes(9000) + MARK + bytes(90_000)
        chunks = (file[at : at + 5000] for at in range(0, len(file), 5000))
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        return cls(80, b"GET /f HTTP/1.1\r\nHost: h.example\r\n\r\n", head + body)

    def server(self, begin, end=None):
        return self.talk.say(self.sent[begin:end], to_server=False)

    def acknowledgement(self):
        return self.talk.packet(to_server=True, flags=0x10)

    def acknowledge(self):
        self.guard.feed([self.acknowledgement()])

    def arrived_overwritten(self):
        """All of it arrives, and of the zeros behind the malware none but in the packet that passed."""
        got = received(self.out)
        assert len(got) == len(self.sent)
        assert got[-5:] == self.sent[-5:]
        return got[13_000:30_000].count(b"A") == 0 and got[31_000:120_000].count(b"A") == 0


def test_a_file_being_overwritten_goes_on_after_a_packet_of_it_passed_uninspected():
    """Its client has acknowledged that packet, so the hole is never filled: what follows must not wait for it."""
    fetched = Fetched.mail()
    fetched.acknowledge()
    fetched.out += fetched.guard.feed(fetched.server(31_000))
    assert fetched.arrived_overwritten()


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("seconds", [7200, -7200])
def test_the_clock_may_be_set_meanwhile(seconds, again):
    """`again`: the first that the engine hears by the new time is that more packets passed."""
    fetched = Fetched.mail()
    fetched.guard.now += seconds
    if again:
        fetched.guard.engine.missed(fetched.guard.now)
    fetched.acknowledge()
    fetched.out += fetched.guard.feed(fetched.server(31_000))
    assert fetched.arrived_overwritten()


def test_what_was_kept_back_until_the_acknowledgement_is_overwritten_when_it_comes_again():
    fetched = Fetched.mail()
    acknowledgement = fetched.acknowledgement()
    flight = fetched.server(31_000, 60_000)
    assert fetched.guard.feed(flight) == []
    fetched.guard.feed([acknowledgement])
    fetched.out += fetched.guard.feed(flight) + fetched.guard.feed(fetched.server(60_000))
    assert fetched.arrived_overwritten()


def test_an_older_acknowledgement_that_comes_late_takes_nothing_back():
    fetched = Fetched.mail()
    newest = fetched.acknowledgement()
    fetched.talk.sequences[False] -= 1000
    older = fetched.acknowledgement()
    fetched.talk.sequences[False] += 1000
    fetched.guard.feed([newest, older])
    fetched.out += fetched.guard.feed(fetched.server(31_000))
    assert fetched.arrived_overwritten()


@pytest.mark.parametrize("first", [31_000, 33_920])
def test_where_the_acknowledgement_passed_unseen_too_copies_of_what_follows_say_the_same(first):
    """`first`: of what the client did not get, for it got the beginning of the flight before the unit saw any of it."""
    fetched = Fetched.mail()
    flight = fetched.server(31_000, 60_000)
    fetched.guard.feed(flight)
    missing = flight[(first - 31_000) // 1460 :]
    fetched.out += flight[: (first - 31_000) // 1460]
    for _ in range(4):
        fetched.out += fetched.guard.feed(missing)
    fetched.out += fetched.guard.feed(fetched.server(60_000))
    assert len(received(fetched.out)) == len(fetched.sent)


def test_a_download_whose_end_may_lie_in_what_passed_unseen_is_blocked():
    fetched = Fetched.chunked()
    fetched.acknowledge()
    assert fetched.guard.feed(fetched.server(31_000)) == []
    assert fetched.guard.last == "Block"


def test_an_invented_acknowledgement_opens_no_hole_for_later():
    """Far beyond any window; or near, once nothing passes unseen any more."""
    for ahead, later in ((1 << 30, 1), (100_000, 100)):
        download = Download()
        download.guard.engine.missed(download.guard.now)
        download.talk.sequences[False] += ahead
        download.feed([download.talk.packet(to_server=True, flags=0x10)])
        download.talk.sequences[False] -= ahead
        download.guard.now += later
        download.go_on(30_000)
        download.fill()
        assert MARK not in download.got()
