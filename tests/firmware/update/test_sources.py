"""From elsewhere, slowly, or by way of a proxy: a real HTTP proxy, a real mirror, a directory. The trust stays the same."""

import contextlib
import http.server
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from omamori.firmware.host.spool import SpoolReader
from omamori.firmware.update import connection
from omamori.firmware.update.connection import connect
from omamori.firmware.update.fetch import Limits
from omamori.firmware.update.orders import Plugged
from omamori.protocol.fetching import Fetching
from tests.firmware.update.fleet import Handler

LIMITS = Limits(connect=5, read=5, least_rate=2_000, grace=5)


class Proxy(http.server.BaseHTTPRequestHandler):
    """CONNECT and nothing else."""

    asked: list[str]
    refuse = False

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        if self.refuse:
            self.send_error(403)
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as upstream:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            _relay(self.connection, upstream)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def _relay(one: socket.socket, other: socket.socket) -> None:
    across = {one: other, other: one}
    while True:
        for end in select.select(list(across), [], [], 10)[0]:
            try:
                data = end.recv(65536)
            except OSError:
                data = b""
            if not data:
                return
            across[end].sendall(data)


def _served(handler, **fields: object) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.__dict__.update(fields)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def proxy():
    handler = type("Recorded", (Proxy,), {"asked": []})
    for server in _served(handler):
        handler.port = server.server_address[1]
        yield handler


@pytest.fixture
def mirror(fleet):
    """The published directory, copied and served over plain HTTP by somebody else."""
    fleet.release("1.1.0")
    copy = fleet.place / "mirror"
    shutil.copytree(fleet.place / "www/tuf", copy)
    handler = lambda *args: Handler(*args, directory=str(copy))  # noqa: E731
    for server in _served(handler, faults={}, asked=[]):
        yield server, copy


def url(server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def run(unit, origin: str = "", limits: Limits = LIMITS, **more: object) -> bool:
    return unit.updater(trust=lambda: connect(unit.paths, limits, origin=origin)).run(**more)


def command(unit, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", "from omamori.firmware.cli import main; main()", "--root", str(unit.root)]
    return subprocess.run([*line, *words], capture_output=True, text=True, check=False, timeout=100)


def test_a_proxy_from_the_settings_carries_tls_to_the_fleet(unit, fleet, proxy):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.write("var/lib/omamori/settings/settings.json", f'{{"proxy": "127.0.0.1:{proxy.port}"}}'.encode())
    assert run(unit)
    assert unit.phase == "staged"
    assert set(proxy.asked) == {fleet.url.removeprefix("https://")}


def test_a_proxy_that_refuses_is_named_and_the_direct_way_is_not_taken(unit, fleet, proxy):
    proxy.refuse = True
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.write("var/lib/omamori/settings/settings.json", f'{{"proxy": "127.0.0.1:{proxy.port}"}}'.encode())
    fleet.server.asked.clear()
    assert not run(unit)
    assert unit.error.startswith("network: ")
    assert not fleet.server.asked


def test_a_braked_download_takes_as_long_as_it_should(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.write("var/lib/omamori/update/fetching.json", b'{"rate": 200000}')
    began = time.monotonic()
    assert run(unit)
    assert time.monotonic() - began > 430_000 / 200_000 * 0.8
    assert unit.phase == "staged"


@contextlib.contextmanager
def running(unit):
    """The updater as systemd starts it."""
    words = [sys.executable, "-m", "omamori.firmware.update", "run", "--root", str(unit.root)]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as updater:
        yield updater
        updater.terminate()
        updater.communicate(timeout=30)


def until(holds) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_run_has_cost_is_counted_though_it_is_ended(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0", fetching=Fetching(16 * 1024))
    with running(unit):
        until(
            lambda: any(
                path.stat().st_size for path in (unit.paths.update / "downloads").glob("*.bundle.part")
            )
        )
    journal = json.loads((unit.paths.update / "journal.json").read_text())
    assert 0 < journal["fetched"] < 430_000
    bodies = [
        body for segment in SpoolReader(unit.paths.spool("update")).segments() for body in segment.bodies
    ]
    assert any("the next run goes on with it" in body.text for body in bodies)


def test_the_rate_is_set_by_command_and_a_senseless_one_is_refused(unit):
    assert command(unit, "fetching").stdout == "as much as there is\n"
    assert command(unit, "fetching", "--rate", "500000").stdout == "at most 500,000 bytes a second\n"
    refused = command(unit, "fetching", "--rate", "5")
    assert (refused.returncode, "at least 16,384 bytes a second" in refused.stderr) == (1, True)
    unit.write("var/lib/omamori/update/fetching.json", b'{"rate": "fast')
    assert command(unit, "fetching").returncode == 0


def test_the_mirror_is_set_by_command_and_the_fleets_choice_goes_before(unit):
    assert command(unit, "fetching", "--mirror", "http://192.168.1.5/omamori/").stdout == (
        "as much as there is\nfrom http://192.168.1.5/omamori where it has them\n"
    )
    refused = command(unit, "fetching", "--mirror", "ftp://nas/x")
    assert (refused.returncode, "not the address of a mirror" in refused.stderr) == (1, True)
    unit.want(firmware="1.0.0", fetching=Fetching(300_000))
    said = json.loads(command(unit, "fetching", "--json").stdout)
    assert said == {"rate": 300_000, "mirror": ""}


def test_a_mirror_that_cannot_be_is_as_good_as_none(unit):
    unit.want(firmware="1.0.0", fetching=Fetching(5, "http://u:p@nas/"))
    assert connection.fetching(unit.paths) == Fetching(16 * 1024)


def test_files_come_from_the_lans_mirror_and_metadata_never(unit, fleet, mirror):
    server, copy = mirror
    (copy / "metadata/timestamp.json").write_bytes(b"{}")
    unit.want(firmware="1.1.0", fetching=Fetching(mirror=url(server)))
    fleet.server.asked.clear()
    assert run(unit)
    assert unit.phase == "staged"
    assert all("/targets/" not in path for path, _ in fleet.server.asked)
    assert all("/targets/" in path for path, _ in server.asked)
    assert unit.state["fetched"] < 2_000, "of the customer's line: metadata"


def _lies(_, copy):
    for path in copy.glob("targets/firmware/*.bundle"):
        path.write_bytes(path.read_bytes()[:-5] + b"never")


def _truncates(_, copy):
    for path in copy.glob("targets/firmware/*.bundle"):
        path.write_bytes(path.read_bytes()[:-5000])


def _is_empty(_, copy):
    shutil.rmtree(copy / "targets")


def _begins_wrong(_, copy):
    for path in copy.glob("targets/firmware/*.bundle"):
        path.write_bytes(b"never" + path.read_bytes()[5:200_000])


def _crawls(server, copy):
    """Ten kilobytes a second: enough for a line, not for a machine next door."""
    content = next(copy.glob("targets/firmware/*.bundle")).read_bytes()

    def trickle(handler) -> None:
        handler.answer(b"", length=len(content))
        with contextlib.suppress(OSError):
            for at in range(0, len(content), 1000):
                handler.wfile.write(content[at : at + 1000])
                time.sleep(0.1)

    server.faults[".bundle"] = trickle


def _says_later(server, _):
    def later(handler) -> None:
        handler.send_response(503)
        handler.send_header("Retry-After", "3600")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.faults[".bundle"] = later


def _is_gone(server, _):
    server.socket.close()


@pytest.mark.parametrize("ill", [_lies, _truncates, _begins_wrong, _crawls, _says_later, _is_empty, _is_gone])
def test_a_mirror_that_is_of_no_use_is_passed_over(unit, mirror, ill):
    server, copy = mirror
    ill(server, copy)
    unit.want(firmware="1.1.0", fetching=Fetching(mirror=url(server)))
    assert run(unit)
    assert unit.phase == "staged"
    assert any("the mirror is passed over" in line for line in unit.log)


def test_wrong_bytes_of_a_mirror_spoil_nothing_that_came_from_the_fleet(unit, fleet, mirror):
    """No lists of pieces, by which a beginning would be checked; and the fleet's own server hangs up at first."""
    for place in (fleet.place / "www/tuf", mirror[1]):
        for path in place.glob("targets/firmware/*.chunks"):
            path.unlink()

    def cut(handler) -> None:
        content = fleet.served("targets/firmware/*.bundle").read_bytes()
        at = int(handler.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        handler.answer(
            content[at:150_000], 206 if at else 200, start=at, total=len(content), length=len(content) - at
        )
        handler.connection.close()

    unit.want(firmware="1.1.0")
    fleet.server.faults[".bundle"] = cut
    assert not run(unit)
    begun = {path.name: path.read_bytes() for path in (unit.paths.update / "downloads").iterdir()}
    _begins_wrong(*mirror)
    unit.want(firmware="1.1.0", fetching=Fetching(mirror=url(mirror[0])))
    assert not run(unit)
    assert [len(content) for content in begun.values()] == [150_000]
    assert {name: (unit.paths.update / "downloads" / name).read_bytes() for name in begun} == begun
    fleet.server.faults.clear()
    assert run(unit)
    assert unit.phase == "staged"
    assert list((unit.paths.update / "downloads").iterdir()) == []


MARK = "var/lib/omamori/update/mirror-asked"


def test_a_mirror_that_a_run_never_came_back_from_is_not_asked_for_a_day(unit, mirror):
    server, _ = mirror
    unit.want(firmware="1.1.0", fetching=Fetching(mirror=url(server)))
    unit.write(MARK, b"")
    assert run(unit)
    assert (unit.phase, server.asked) == ("staged", [])


def test_a_run_that_is_ended_while_it_waits_for_the_mirror_leaves_its_mark(unit, mirror):
    server, _ = mirror
    server.faults[".bundle"] = lambda _: time.sleep(60)
    unit.want(firmware="1.1.0", fetching=Fetching(mirror=url(server)))
    with running(unit):
        until(lambda: any(".bundle" in path for path, _ in server.asked))
    assert (unit.root / MARK).exists()


def test_a_mark_that_cannot_be_left_costs_the_mirror_and_not_the_run(unit, mirror):
    server, _ = mirror
    unit.want(firmware="1.1.0", fetching=Fetching(mirror=url(server)))
    (unit.root / MARK).parent.mkdir(parents=True, exist_ok=True)
    (unit.root / MARK).symlink_to("/proc/nowhere/at-all")
    assert run(unit)
    assert (unit.phase, server.asked) == ("staged", [])
    assert any("the mirror is not asked" in line for line in unit.log)


def test_a_day_later_it_is_asked_again_and_leaves_no_mark(unit, mirror):
    server, _ = mirror
    unit.want(firmware="1.1.0", fetching=Fetching(mirror=url(server)))
    unit.write(MARK, b"")
    before = time.time() - 2 * 86_400
    os.utime(unit.root / MARK, (before, before))
    assert run(unit)
    assert any(path.endswith(".bundle") for path, _ in server.asked)
    assert not (unit.root / MARK).exists()


def test_what_the_mirror_lacks_sends_nothing_else_over_the_line(unit, fleet, mirror):
    """It was copied last night, and there is a pack of today."""
    server, _ = mirror
    fleet.release_pack("2026.5.2")
    unit.want(firmware="1.1.0", pack="2026.5.2", fetching=Fetching(mirror=url(server)))
    fleet.server.asked.clear()
    run(unit)
    files = [path for path, _ in fleet.server.asked if "/targets/" in path]
    assert any(".pack" in path for path in files)
    run(unit)
    assert unit.phase == "staged"
    assert not any(".bundle" in path for path, _ in fleet.server.asked)


def test_what_is_urgent_and_small_is_never_asked_of_a_mirror(unit, mirror):
    server, _ = mirror
    unit.want(firmware="1.1.0", fetching=Fetching(mirror=url(server)))
    trust = connect(unit.paths, LIMITS, mirrored=False)
    trust.refresh()
    trust.fetch("firmware/test-1.1.0.bundle")
    assert server.asked == []


def test_what_other_downloads_left_goes_before_there_is_asked_for_room(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    for name in ("mirror-feed.bundle.part", "feed.bundle.part", "mirror-feed.chunks.part"):
        unit.write(f"var/lib/omamori/update/downloads/{name}", bytes(1000))
    assert run(unit)
    assert list((unit.paths.update / "downloads").iterdir()) == []


def test_the_brake_is_for_the_line_and_not_for_the_mirror(unit, mirror):
    server, _ = mirror
    unit.want(firmware="1.1.0", fetching=Fetching(16 * 1024, url(server)))
    began = time.monotonic()
    assert run(unit)
    assert time.monotonic() - began < 430_000 / (16 * 1024) / 2
    assert unit.phase == "staged"


def test_a_mirror_on_the_lan_serves_what_the_fleet_wants(unit, fleet, mirror):
    server, _ = mirror
    unit.want(firmware="1.1.0")
    fleet.server.asked.clear()
    assert run(unit, url(server))
    assert unit.phase == "staged"
    assert not fleet.server.asked
    assert any(path.endswith(".bundle") for path, _ in server.asked)


def test_a_mirror_that_lies_is_refused_like_a_server_that_lies(unit, mirror):
    server, copy = mirror
    for path in copy.glob("targets/firmware/*.bundle"):
        path.write_bytes(path.read_bytes()[:-5] + b"never")
    unit.want(firmware="1.1.0")
    assert not run(unit, url(server))
    assert unit.error.startswith("hash: ")
    (copy / "metadata/timestamp.json").write_bytes(b"{}")
    assert not run(unit, url(server))
    assert unit.error.startswith("signature: ")


def test_a_stick_updates_a_unit_that_was_never_online(unit, mirror):
    """By the command at the console; the timer afterwards does not take it back, and a newer wish of the fleet does."""
    _, copy = mirror
    (unit.paths.agent_state / "fleet.json").unlink()
    unit.want(firmware="1.0.0")
    done = command(unit, "update", "--from", str(copy))
    assert done.returncode == 0, done.stderr
    assert unit.phase == "staged"
    assert unit.state["fetched"] > 0
    unit.run()
    assert unit.phase == "staged"
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert unit.phase == "committed"
    unit.run()
    assert (unit.phase, unit.error) == ("committed", "")


def test_the_fleets_next_wish_ends_an_order_by_hand(unit, mirror):
    server, _ = mirror
    unit.want(firmware="1.0.0")
    assert run(unit, url(server), by_hand=unit.version.parse("1.1.0"))
    assert unit.phase == "staged"
    unit.want(firmware="1.0.0", generation=2)
    assert unit.run()
    assert (unit.phase, unit.names) == ("idle", {"omamori-1.0.0.efi"})


def test_a_stick_with_nothing_newer_or_nothing_at_all_says_so(unit, fleet, tmp_path: Path):
    done = command(unit, "update", "--from", str(fleet.place / "www"))
    assert (done.returncode, "nothing newer than 1.0.0" in done.stderr) == (1, True)
    done = command(unit, "update", "--from", str(tmp_path / "nowhere"))
    assert (done.returncode, "holds no repository" in done.stderr) == (1, True)
    assert unit.phase == "idle"


@pytest.fixture
def plugged(unit, mirror):
    """What the unit does at each start while the stick is in it; None is wanted by the fleet but what runs."""
    _, copy = mirror
    unit.want(firmware="1.0.0")
    return lambda: run(unit, str(copy), by_hand=Plugged())


def test_a_stick_that_stays_where_it_is_has_its_version_staged_once(unit, plugged):
    assert plugged()
    assert unit.phase == "staged"
    assert unit.state["by_hand"] == {"version": "1.1.0", "generation": 1}, "by which the agent tries it"
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert plugged()
    assert (unit.phase, unit.error) == ("committed", "")
    assert any("nothing newer than 1.1.0" in line for line in unit.log)


def test_a_version_of_a_stick_that_was_given_up_is_not_tried_again(unit, plugged):
    unit.broken.add("1.1.0")
    assert plugged()
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert unit.phase == "failed"
    for _ in range(2):
        assert plugged()
        assert unit.phase == "failed"
    assert any("1.1.0 was given up here" in line for line in unit.log)


def test_the_fleets_next_wish_ends_the_order_of_a_stick_that_stays(unit, plugged):
    assert plugged()
    unit.want(firmware="1.0.0", generation=2)
    assert unit.run()
    assert unit.phase == "idle"
    assert plugged()
    assert (unit.phase, unit.names) == ("idle", {"omamori-1.0.0.efi"})


def test_a_download_from_a_stick_that_was_pulled_goes_on_when_it_is_back(unit, mirror, plugged):
    _, copy = mirror
    (bundle,) = copy.glob("targets/firmware/*.bundle")
    bundle.rename(copy / "away")
    assert not plugged()
    assert unit.error.startswith("unpublished: ")
    (copy / "away").rename(bundle)
    assert plugged()
    assert unit.phase == "staged"


def test_a_link_out_of_the_stick_is_not_followed(unit, mirror, tmp_path: Path):
    _, copy = mirror
    (found,) = copy.glob("targets/firmware/*.bundle")
    found.rename(tmp_path / "outside")
    found.symlink_to(tmp_path / "outside")
    assert not run(unit, str(copy), by_hand=unit.version.parse("1.1.0"))
    assert unit.error.startswith("unpublished: ")
