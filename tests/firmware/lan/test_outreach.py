"""Tries to reach the fleet against real servers: each way a network can answer gets its own word, in bounded time."""

import contextlib
import json
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer

import pytest

from lab.namespaces import wait_until
from lab.wiring.stub import handler
from omamori.firmware.lan.observations import FleetAnswer, Reach
from omamori.firmware.lan.outreach import (
    Fleet,
    Mode,
    Outreach,
    Session,
    Tried,
    attempt,
    read_fleet,
    read_session,
)
from omamori.firmware.lan.sounding import after, with_session
from tests.certificates import self_signed

NOW = datetime.now(UTC)


def certificate(path, **known):
    return self_signed("localhost", **known).write(path)


@contextlib.contextmanager
def server(pem=None, *, shift=0):
    """A web server; gives its port."""
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler(shift=shift, redirect=""))
    if pem:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        listening.socket = context.wrap_socket(
            listening.socket, server_side=True, do_handshake_on_connect=False
        )
    listening.handle_error = lambda *_: None
    threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield listening.server_port
    finally:
        listening.shutdown()
        listening.server_close()


def test_the_fleet_is_reached_and_says_what_time_it_is(tmp_path):
    pem = certificate(tmp_path / "fleet.pem")
    with server(pem, shift=7200) as port:
        tried = attempt(Fleet("localhost", port, pem))
    assert tried.answer is FleetAnswer.REACHED
    reach = after(Reach(failures=3, since=NOW), tried, NOW)
    assert (reach.failures, reach.since) == (0, None)
    assert timedelta(hours=1.9) < reach.fleet_offset < timedelta(hours=2.1)


def test_another_certificate_is_somebody_in_between(tmp_path):
    ours, theirs = certificate(tmp_path / "ours.pem"), certificate(tmp_path / "theirs.pem")
    with server(theirs) as port:
        tried = attempt(Fleet("localhost", port, ours))
    assert tried.answer is FleetAnswer.INTERCEPTED
    assert "not the fleet's" in tried.detail


@pytest.mark.parametrize(
    ("began", "ends"),
    [
        (NOW + timedelta(days=9), NOW + timedelta(days=99)),
        (NOW - timedelta(days=99), NOW - timedelta(days=9)),
    ],
)
def test_a_certificate_of_another_time_is_a_matter_of_the_clock(tmp_path, began, ends):
    pem = certificate(tmp_path / "fleet.pem", began=began, ends=ends)
    with server(pem) as port:
        assert attempt(Fleet("localhost", port, pem)).answer is FleetAnswer.UNTIMELY


def test_an_answer_without_tls_is_somebody_in_between(tmp_path):
    with server() as port:
        tried = attempt(Fleet("localhost", port, certificate(tmp_path / "fleet.pem")))
    assert tried.answer is FleetAnswer.INTERCEPTED
    assert "not in TLS" in tried.detail


def test_a_closed_port_refuses(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tried = attempt(Fleet("localhost", port, certificate(tmp_path / "fleet.pem")))
    assert tried.answer is FleetAnswer.REFUSED


def test_a_server_that_hangs_up_is_silent(tmp_path):
    pem = certificate(tmp_path / "fleet.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up():
            listening.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        tried = attempt(Fleet("localhost", listening.getsockname()[1], pem))
    assert tried.answer is FleetAnswer.SILENT


def test_without_the_fleets_certificate_nothing_is_concluded(tmp_path):
    tried = attempt(Fleet("localhost", 1, tmp_path / "none.pem"))
    assert (tried.answer, "cannot be read" in tried.detail) == (FleetAnswer.UNKNOWN, True)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"url": 3, "ca": 4}', b'{"url": "https://[", "ca": ""}', b"\xff", b"[" * 9000],
)
def test_a_fleet_file_that_cannot_be_used_is_none(tmp_path, content):
    (tmp_path / "fleet.json").write_bytes(content)
    assert read_fleet(tmp_path / "fleet.json") is None


def test_the_agents_word_counts_while_it_is_fresh(tmp_path):
    path = tmp_path / "status.json"
    assert read_session(path, NOW) == Session()
    for age, alive in ((10, True), (100, False)):
        told = {"time": (NOW - timedelta(seconds=age)).isoformat(), "activated": True, "connected": True}
        path.write_text(json.dumps(told))
        assert read_session(path, NOW) == Session(alive, alive)
    for damaged in (b"{}", b"[" * 2000, b'{"time": 4}'):
        path.write_bytes(damaged)
        assert read_session(path, NOW) == Session()


def test_a_session_is_proof_enough_and_failures_count_from_the_first():
    reach = Reach()
    for second in range(3):
        reach = after(reach, Tried(FleetAnswer.SILENT, "no answer"), NOW + timedelta(seconds=second))
    assert (reach.failures, reach.since) == (3, NOW)
    joined = with_session(reach, Session(activated=True, connected=True), away_since=NOW)
    assert (joined.fleet, joined.failures, joined.disconnected_since) == (FleetAnswer.REACHED, 0, None)
    alone = with_session(reach, Session(activated=True), away_since=NOW)
    assert (alone.failures, alone.disconnected_since) == (3, NOW)


def test_the_thread_does_as_its_mode_says(tmp_path):
    pem = certificate(tmp_path / "fleet.pem")
    with server(pem) as port, Outreach(tmp_path / "fleet.json", tmp_path / "settings.json") as outreach:
        place = {"url": f"https://localhost:{port}", "ca": str(pem)}
        (tmp_path / "fleet.json").write_text(json.dumps(place))
        assert outreach.results() == []
        for mode, detail in ((Mode.TRY, "localhost"), (Mode.TRACE, "the agent has its session")):
            outreach.turn_to(mode)
            found = []
            wait_until(lambda f=found: f.extend(outreach.results()) or f, seconds=30, what=f"{mode}")
            assert [tried.answer for tried in found] == [FleetAnswer.REACHED]
            assert detail in found[0].detail
        outreach.turn_to(Mode.REST)
        outreach.anew()
        assert outreach.results() == []


def test_a_try_that_began_on_the_old_way_does_not_count(tmp_path):
    pem, answers = certificate(tmp_path / "fleet.pem"), threading.Event()
    with server(pem) as new, socket.create_server(("127.0.0.1", 0)) as old:
        waiting = threading.Event()

        def keep_waiting():
            with old.accept()[0]:
                waiting.set()
                answers.wait(60)

        threading.Thread(target=keep_waiting, daemon=True).start()
        place = tmp_path / "fleet.json"
        place.write_text(json.dumps({"url": f"https://localhost:{old.getsockname()[1]}", "ca": str(pem)}))
        with Outreach(place, tmp_path / "settings.json") as outreach:
            outreach.turn_to(Mode.TRY)
            assert waiting.wait(60)
            place.write_text(json.dumps({"url": f"https://localhost:{new}", "ca": str(pem)}))
            outreach.anew()
            answers.set()
            found = []
            wait_until(lambda: found.extend(outreach.results()) or found, seconds=60, what="the new way")
        assert [tried.answer for tried in found] == [FleetAnswer.REACHED]
