"""From elsewhere, slowly, or by way of a proxy: a real HTTP proxy, a mirror in the fleet's place, a directory. The trust stays the same."""

import http.server
import json
import select
import socket
import time
from pathlib import Path

import pytest

from omamori.firmware.host.spool import SpoolReader
from omamori.firmware.update.orders import Plugged
from omamori.protocol.fetching import Fetching
from tests.firmware.update.elsewhere import command, run, running, served, until, url


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


@pytest.fixture
def proxy():
    handler = type("Recorded", (Proxy,), {"asked": []})
    for server in served(handler):
        handler.port = server.server_address[1]
        yield handler


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


def test_what_other_downloads_left_goes_before_there_is_asked_for_room(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    for name in ("mirror-feed.bundle.part", "feed.bundle.part", "mirror-feed.chunks.part"):
        unit.write(f"var/lib/omamori/update/downloads/{name}", bytes(1000))
    assert run(unit)
    assert list((unit.paths.update / "downloads").iterdir()) == []


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
    unit.want(firmware="1.0.1", generation=2)
    assert not unit.run()
    assert "1.0.1" in unit.error


def test_another_window_or_pack_does_not_end_an_order_by_hand(unit, mirror):
    server, _ = mirror
    unit.want(firmware="1.0.0")
    assert run(unit, url(server), by_hand=unit.version.parse("1.1.0"))
    unit.want(firmware="1.0.0", generation=2)
    assert unit.run()
    assert (unit.phase, unit.names) == ("staged", {"omamori-1.0.0.efi", "omamori-1.1.0+3.efi"})


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
    assert unit.state["by_hand"] == {"version": "1.1.0", "generation": 1, "instead_of": "1.0.0"}, (
        "by which the agent tries it"
    )
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
    unit.want(firmware="1.0.1", generation=2)
    assert not unit.run()
    unit.want(firmware="0.9.0", generation=3)
    assert plugged()
    assert any("has wanted something else since" in line for line in unit.log)


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
