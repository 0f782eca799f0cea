"""A mirror on the LAN and the brake on the line (decision 0044): files from there, metadata never, and no mirror holds anything up."""

import contextlib
import json
import os
import shutil
import time

import pytest

from omamori.firmware.update import connection
from omamori.firmware.update.connection import connect
from omamori.protocol.fetching import Fetching
from tests.firmware.update.elsewhere import LIMITS, command, run, running, until, url


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


def test_the_brake_is_for_the_line_and_not_for_the_mirror(unit, mirror):
    server, _ = mirror
    unit.want(firmware="1.1.0", fetching=Fetching(16 * 1024, url(server)))
    began = time.monotonic()
    assert run(unit)
    assert time.monotonic() - began < 430_000 / (16 * 1024) / 2
    assert unit.phase == "staged"
