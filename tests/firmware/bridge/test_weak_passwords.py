"""Weak passwords through the shipped process and real clients: blocked, told, and written nowhere."""

import base64
from datetime import UTC, datetime

import pytest

from lab.bridge import BridgeProcess
from lab.namespaces import PYTHON, guarded_line, wait_until
from lab.services import web
from omamori.firmware.signatures import pack
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Action, Direction, Guard

pytestmark = pytest.mark.root
SECRET = "Zte521"
GOOD = "a-long-and-good-one-77"


@pytest.fixture
def unit(tmp_path):
    """A device with a web page on the LAN side, and someone outside."""
    with guarded_line("ompwd") as line:
        unit = BridgeProcess(line, tmp_path / "unit")
        pack.build(tmp_path / "p", Version.parse("1.0.0"), datetime(2026, 4, 1, tzinfo=UTC), pack.Content())
        unit.install((tmp_path / "p").read_bytes(), version="1.0.0")
        server = (PYTHON, "-m", "lab.services.web", "--bind", line.lan_address, "--port", "80")
        with line.lan.running(*server), unit.running():
            unit.wait_for_pack("1.0.0")
            wait_until(lambda: visit(unit, GOOD), seconds=10, what="the device")
            yield unit


def visit(unit, password):
    """Whether the device's page is shown to someone who logs in as root from outside."""
    url = f"http://{unit.line.lan_address}/"
    done = unit.line.wan.run("curl", "-s", "-m", "3", "-u", f"root:{password}", url, check=False)
    return done.stdout == web.page(unit.line.lan_address).decode()


def test_a_weak_password_is_blocked_told_and_written_nowhere(unit):
    assert not visit(unit, SECRET)
    wait_until(unit.detections, seconds=10, what="the detection")
    (told,) = unit.detections()
    assert (told.guard, told.direction, told.action) == (Guard.IPS, Direction.INTERNAL, Action.BLOCKED)
    assert (told.signature_id, told.destination.address) == ("ips:weak-password", unit.line.lan_address)
    assert visit(unit, GOOD)
    unit.process.terminate()
    unit.process.wait(20)
    written = {path: path.read_bytes() for path in unit.paths.root.rglob("*") if path.is_file()}
    assert any(b"weak-password" in content for content in written.values())
    clues = [word.encode() for word in (SECRET, GOOD)]
    clues += [base64.b64encode(b"root:" + word) for word in clues]
    clues.append(base64.b64encode(b"root:"))
    for path, content in written.items():
        assert not [clue for clue in clues if clue in content], path
