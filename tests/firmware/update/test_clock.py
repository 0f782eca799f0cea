"""The time by agreement of real HTTPS servers, with a clock that is wrong both ways, and servers that lie or are away."""

import email.utils
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.update import clock
from omamori.firmware.update.clock import Answer, Server, agreement, ask

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
WRONG = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)]


class Teller(http.server.BaseHTTPRequestHandler):
    """Says the time of the world, and `off` more."""

    def do_HEAD(self) -> None:
        self.send_response_only(200)
        if not self.server.mute:
            moment = datetime.now(UTC) + self.server.off
            self.send_header("Date", email.utils.format_datetime(moment, usegmt=True))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class TellingServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    off = timedelta()
    mute = False

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), Teller)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up on a certificate is what these tests want."""


@pytest.fixture
def tellers(certificate: Path) -> Iterator[list[TellingServer]]:
    servers = [TellingServer(certificate) for _ in range(2)]
    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}) for server in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield servers
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.fixture
def waiting(unit, fleet, tellers):
    """A unit whose image names two time servers; with the fleet there are three."""
    listed = [{"url": server.url, "ca": "/var/lib/omamori/agent/fleet-ca.pem"} for server in tellers]
    unit.write("usr/lib/omamori/time.json", json.dumps({"servers": listed}).encode())
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    return unit


def right(unit) -> bool:
    """The clock says what the world's does."""
    return abs(unit.clock() - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_clock_is_put_right_before_metadata_are_judged(waiting, wrong):
    waiting.clock = lambda: wrong
    assert waiting.run()
    assert waiting.phase == "staged"
    assert right(waiting)
    assert any(
        line.startswith(f"the clock said {wrong:%Y-%m-%d %H:%M} and was set to") for line in waiting.log
    )


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("lie", [timedelta(hours=20), timedelta(hours=-20), YEAR, -YEAR])
def test_one_liar_of_three_is_outvoted(waiting, tellers, wrong, lie):
    waiting.clock = lambda: wrong
    tellers[0].off = lie
    assert waiting.run()
    assert right(waiting)


def test_two_liars_who_do_not_agree_leave_the_clock_alone(waiting, tellers):
    waiting.clock = lambda: WRONG[0]
    tellers[0].off, tellers[1].off = timedelta(hours=20), timedelta(hours=-9)
    assert not waiting.run()
    assert waiting.error.startswith("clock: ")
    assert waiting.clock() == WRONG[0]


def test_even_all_together_never_bring_it_before_what_is_known_to_be_past(waiting, tellers):
    assert waiting.run()
    waiting.fleet.release("1.2.0")
    waiting.want(firmware="1.2.0")
    for server in tellers:
        server.off = timedelta(hours=-22)
    moment = datetime.now(UTC)
    waiting.clock = lambda: moment
    assert waiting.run()
    assert waiting.clock() == moment


def test_nobody_to_ask_refuses_at_1970_and_says_expired_in_2090(waiting):
    stopped = "https://127.0.0.1:9"
    listed = [{"url": stopped, "ca": "/var/lib/omamori/agent/fleet-ca.pem"}] * 3
    waiting.write("usr/lib/omamori/time.json", json.dumps({"servers": listed}).encode())
    for wrong, reason in zip(WRONG, ("clock: ", "expired: "), strict=True):
        waiting.clock = lambda wrong=wrong: wrong
        assert not waiting.run(agreed=lambda floor: clock.agreed(waiting.paths, None, floor))
        assert waiting.error.startswith(reason), waiting.error
    waiting.clock = lambda: datetime.now(UTC)
    assert waiting.run(), "a wrong clock has left something behind"


def test_a_clock_that_cannot_be_set_stops_nothing_that_the_agreed_time_allows(waiting):
    def refuse(_: datetime) -> None:
        raise PermissionError(1, "Operation not permitted")

    waiting.clock = lambda: WRONG[1]
    assert waiting.run(set_clock=refuse)
    assert waiting.phase == "staged"
    assert any("cannot be set to" in line for line in waiting.log)


def test_who_is_not_who_he_says_is_not_heard(unit, tellers):
    ca = "var/lib/omamori/agent/fleet-ca.pem"
    assert ask(unit.root, Server(tellers[0].url, ca)) is not None
    other = tellers[0].url.replace("127.0.0.1", "localhost")
    assert ask(unit.root, Server(other, ca)) is None, "another name than the certificate's"
    assert ask(unit.root, Server(tellers[0].url)) is None, "no public authority signed it"
    assert ask(unit.root, Server("http://127.0.0.1:1", ca)) is None
    tellers[0].mute = True
    assert ask(unit.root, Server(tellers[0].url, ca)) is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"servers": 5}', b'{"servers": [{"url": 1}]}'])
def test_a_list_of_servers_that_is_none_names_nobody(unit, content):
    unit.write("usr/lib/omamori/time.json", content)
    assert clock.listed(unit.paths) == ()


# --- the vote ---

moments = st.integers(-100_000, 100_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
answers = st.builds(
    Answer,
    time=moments,
    valid_from=moments.map(lambda moment: moment - timedelta(hours=20)),
    valid_until=moments.map(lambda moment: moment + timedelta(hours=20)),
)


@given(st.lists(answers, max_size=7), st.integers(0, 3), st.none() | moments)
@settings(max_examples=300)
def test_what_is_agreed_was_said_by_more_than_half_and_never_before_the_floor(said, silent, floor):
    asked = len(said) + silent
    found = agreement(said, asked, floor)
    if found is not None:
        near = [answer for answer in said if abs(answer.time - found) <= clock.TOLERANCE]
        assert len(near) * 2 > asked
        assert floor is None or found >= floor
        assert all(answer.valid_from <= found for answer in said if answer.time == found)


def test_a_majority_of_certificates_that_were_stolen_long_ago_is_not_heard():
    old = Answer(NOW, NOW - 5 * YEAR, NOW - YEAR)
    assert agreement([old, old, old], 3, None) is None
    then = Answer(NOW - 2 * YEAR, NOW - 5 * YEAR, NOW - YEAR)
    assert agreement([then, then, then], 3, NOW) is None
