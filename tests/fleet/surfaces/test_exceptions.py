"""An exception on its whole way: the operator's command, the fleet, a unit's agent, its data path, a request that passes, and its end."""

import json
import time
from datetime import UTC, datetime

import pytest

from lab.bridge import BridgeProcess, fetch
from lab.namespaces import PYTHON, guarded_line
from lab.services import web
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.lists import DomainList
from omamori.fleet.units.models import Unit
from omamori.protocol.version import Version
from tests.fleet.surfaces.test_everything import UnitBox, until

pytestmark = [pytest.mark.root, pytest.mark.slow]
ASKED = ["Host: phish.example"]


@pytest.fixture
def box(everything, tmp_path, use_database):
    """An activated unit that guards a line between a LAN host and a web server."""
    use_database(everything.database)
    root = tmp_path / "unit"
    box = UnitBox(root, everything.register("om-exc-1"))
    with guarded_line("omexc") as line:
        box.bridge = BridgeProcess(line, root)
        path = tmp_path / "lists"
        pack.build(path, Version.parse("1.0.0"), datetime(2026, 4, 1, tzinfo=UTC), _content())
        box.bridge.install(path.read_bytes(), version="1.0.0")
        server = (PYTHON, "-m", "lab.services.web", "--bind", line.wan_address, "--port", "80")
        with line.wan.running(*server), box.bridge.running():
            box.start()
            try:
                box.press()
                box.bridge.wait_for_pack("1.0.0")
                until(lambda: Unit.objects.get().online, "the unit is online")
                until(lambda: fetch(line, "", seconds=1), "the web server")
                yield box
            finally:
                box.stop()


def _content():
    return pack.Content(
        lists=[DomainList("phishing", ["phish.example"]), DomainList("games", ["play.example"])]
    )


def _passes(line, host="phish.example"):
    return fetch(line, "", seconds=2, headers=[f"Host: {host}"]) == web.page(host)


def test_a_blocked_site_passes_seconds_after_the_command_until_the_exception_ends(everything, box):
    line = box.bridge.line
    assert not _passes(line)
    words = (
        "--unit",
        "om-exc-1",
        "--destination",
        "phish.example",
        "--for",
        "15s",
        "--reason",
        "a false alarm",
    )
    began = time.monotonic()
    number = everything.command("exceptions", "add", *words).stdout.strip()
    until(lambda: _passes(line), "the site passes")
    print(f"passes {time.monotonic() - began:.1f} s after the command began")
    until(lambda: not _passes(line), "it ends by itself")
    assert time.monotonic() - began >= 14

    def told():
        rows = json.loads(everything.command("detections", "list", "--json").stdout)
        return [row for row in rows if f"exception {number}" in row["reason"]]

    (row, *_) = until(told, "what passed is told")
    assert (row["action"], row["severity"]) == ("logged", 1)
    trail = json.loads(everything.command("audit", "--json").stdout)
    assert "a false alarm" in str([row for row in trail if row["operation"] == "exception.add"])

    assert _passes(line, "play.example")
    everything.command("policy", "block", "--unit", "om-exc-1", "games")
    until(lambda: not _passes(line, "play.example"), "the customer's category is blocked")
    assert _passes(line, "else.example")
