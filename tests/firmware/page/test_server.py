"""The server's bounds, at the socket: size, time, connections, requests, garbage; and that it ends when nobody comes."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.namespaces import end
from omamori.firmware.page.application import Application
from omamori.firmware.page.server import LIMITS, Doorkeeper, Limits, Server
from tests.firmware.page.conftest import served
from tests.firmware.page.test_diagnosis import get


def connect(base):
    where = urlsplit(base)
    return socket.create_connection((where.hostname, where.port), timeout=30)


def exchange(base, sent: bytes) -> bytes:
    """Everything that comes back until the server ends the connection."""
    with connect(base) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        return rest(connection)


def rest(connection) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            got += part
    return got


def test_a_head_without_end_is_cut_off(page):
    answer = exchange(page, b"GET / HTTP/1.1\r\nHost: omamori.local\r\n" + b"X-A: b\r\n" * 50_000)
    assert b" 200 " not in answer.split(b"\r\n")[0] or len(answer) < 100_000
    assert get(page)[0].status == 200


def test_a_large_form_is_refused_before_it_is_read(page):
    head = b"POST /settings HTTP/1.1\r\nHost: omamori.local\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    assert b" 413 " in exchange(page, head + b"Content-Length: 99999\r\n\r\n")
    assert b" 411 " in exchange(page, head + b"\r\n")
    assert b" 411 " in exchange(page, head + b"Content-Length: -5\r\n\r\n")
    assert b" 415 " in exchange(
        page, head.replace(b"x-www-form-urlencoded", b"json") + b"Content-Length: 2\r\n\r\n{}"
    )


def test_one_visitor_cannot_take_all_connections(page):
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(page)) for _ in range(LIMITS.of_one)]
        for connection in held:
            connection.sendall(b"GET /")
        assert exchange(page, b"GET / HTTP/1.0\r\nHost: omamori.local\r\n\r\n") == b""
    deadline = time.monotonic() + 30
    while exchange(page, b"GET / HTTP/1.0\r\nHost: omamori.local\r\n\r\n") == b"":
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
def test_a_slow_visitor_is_ended_however_it_drips(page):
    with connect(page) as slow:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 100:
                slow.sendall(b"G")
                time.sleep(0.5)
        assert time.monotonic() - began < 100


def test_visitors_are_counted_each_for_itself():
    door = Doorkeeper(Limits(connections=3, of_one=2, requests=2, within=10))
    assert [door.enter(who) for who in ("a", "a", "a", "b", "c")] == [True, True, False, True, False]
    door.leave("a")
    assert door.enter("c")
    assert [door.asks_too_often("a", now) for now in (0, 1, 2, 10.5, 11.5)] == [
        False,
        False,
        True,
        False,
        False,
    ]
    for number in range(2000):
        door.asks_too_often(f"v{number}", 12)
    assert len(door._asked) <= 256


def test_too_many_requests_are_answered_429(unit):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener, Application(unit.paths).answer, Limits(requests=3, within=3600))
        stopped = threading.Event()
        thread = threading.Thread(target=server.serve, args=(stopped.is_set,))
        thread.start()
        try:
            base = f"http://127.0.0.1:{listener.getsockname()[1]}"
            assert [get(base)[0].status for _ in range(5)] == [200, 200, 200, 429, 429]
        finally:
            stopped.set()
            thread.join()


def test_the_process_takes_systemds_socket_and_ends_when_nobody_comes(unit):
    """As systemd starts it: descriptor 3, named by LISTEN_PID and LISTEN_FDS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        start = (
            f"import os; os.dup2({listener.fileno()}, 3); os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
            f"os.execv({sys.executable!r}, [{sys.executable!r}, '-m', 'omamori.firmware.page', '--idle', '2'])"
        )
        environment = {**os.environ, "OMAMORI_ROOT": str(unit.root)}
        running = subprocess.Popen(
            [sys.executable, "-c", start],
            pass_fds=[listener.fileno(), 3] if listener.fileno() != 3 else [3],
            env=environment,
            stderr=subprocess.PIPE,
        )
        try:
            assert get(f"http://127.0.0.1:{port}")[0].status == 200
            assert running.wait(60) == 0, running.stderr.read()
            running.stderr.close()
        finally:
            end(running)


def test_without_a_socket_it_says_so(unit):
    done = subprocess.run(
        [sys.executable, "-m", "omamori.firmware.page", "--root", unit.root],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "systemd passed no socket" in done.stderr


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    from tests.firmware.page.conftest import Unit

    with served(Unit(tmp_path_factory.mktemp("fuzz") / "unit")) as base:
        yield base


LINES = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                b"GET / HTTP/1.1",
                b"POST /settings HTTP/1.1",
                b"Host: omamori.local",
                b"Content-Length: 10",
                b"Cookie: omamori=\xff",
                b"GET http://[/ HTTP/1.0",
                b"Content-Type: application/x-www-form-urlencoded",
                b"Transfer-Encoding: chunked",
                b"",
            ]
        ),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(LINES)
def test_garbage_never_ends_the_server(lasting, lines):
    exchange(lasting, b"\r\n".join(lines) + b"\r\n\r\n")
    assert get(lasting)[0].status in {200, 429}
