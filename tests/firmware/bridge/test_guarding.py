"""The data-path process as it ships: signature packs in, two hosts talking through it, detections out."""

import hashlib
import subprocess
from datetime import UTC, datetime

import pytest

from lab.bridge import BridgeProcess, fetch
from lab.namespaces import PYTHON, guarded_line, wait_until
from lab.services import web
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.antivirus_lists import eicar
from omamori.firmware.signatures.lists import DomainList
from omamori.firmware.signatures.suricata.files import parse_rules
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Action, Direction, Guard

pytestmark = pytest.mark.root

RULES = b"""
drop http any any -> any any (msg:"TEST injection"; flow:established,to_server; http.uri; content:"union"; nocase; \
content:"select"; nocase; distance:1; within:40; classtype:web-application-attack; sid:1000001; rev:1;)
drop tcp $HOME_NET any -> any any (msg:"TEST beacon"; flow:established,to_server; content:"TEST-BEACON"; depth:11; \
classtype:trojan-activity; sid:1000002; rev:1;)
drop http any any -> any any (msg:"TEST exploit kit"; flow:established,to_client; file.data; content:"TEST-EXPLOIT-KIT"; \
classtype:exploit-kit; sid:1000003; rev:1;)
"""


RESET = 56
"""Of curl."""


def is_refused(body):
    return body is not None and b"<title>" in body and b"Omamori WG" in body


def packed(path, version, *, phishing):
    """The bytes of a real pack."""
    content = pack.Content(
        rules=parse_rules(RULES), lists=[DomainList("phishing", list(phishing))], malware=[eicar()]
    )
    pack.build(path, Version.parse(version), datetime(2026, 4, 1, tzinfo=UTC), content)
    return path.read_bytes()


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs")
    return {
        "1.0.0": packed(folder / "one", "1.0.0", phishing=["phish.example"]),
        "1.1.0": packed(folder / "two", "1.1.0", phishing=["phish.example", "newphish.example"]),
    }


@pytest.fixture(scope="module")
def unit(tmp_path_factory, packs):
    """One process for the whole file: each test looks for its own detection."""
    with guarded_line("omagd") as line:
        unit = BridgeProcess(line, tmp_path_factory.mktemp("unit"))
        unit.install(packs["1.0.0"], version="1.0.0")
        servers = [
            (inside, (PYTHON, "-m", "lab.services.web", "--bind", where, "--port", "80"))
            for inside, where in ((line.wan, line.wan_address), (line.lan, line.lan_address))
        ]
        with servers[0][0].running(*servers[0][1]), servers[1][0].running(*servers[1][1]), unit.running():
            unit.wait_for_pack("1.0.0")
            wait_until(lambda: fetch(line, "", seconds=1), seconds=10, what="the web server")
            yield unit


@pytest.fixture(autouse=True)
def _first_pack(unit, packs):
    if unit.status()["pack"] != "1.0.0":
        unit.install(packs["1.0.0"], version="1.0.0")
        unit.wait_for_pack("1.0.0")


def wait_detected(unit, **wanted):
    """The first detection with these values."""

    def found():
        return [
            d for d in unit.detections() if all(getattr(d, name) == value for name, value in wanted.items())
        ]

    wait_until(found, seconds=5, what=f"a detection of {wanted}")
    return found()[0]


def test_an_ordinary_page_and_a_large_file_arrive_as_they_are(unit):
    assert fetch(unit.line, "", headers=["Host: fine.example"]) == web.page("fine.example")
    body = fetch(unit.line, "big.bin?mb=50", seconds=30)
    assert hashlib.sha256(body).hexdigest() == web.digest(50_000_000)
    assert unit.status()["state"]["events_lost"] == 0


def test_malware_is_overwritten_at_equal_length_and_told(unit):
    body = fetch(unit.line, "report.txt")
    sent = web.infected()
    assert len(body) == len(sent)
    assert web.EICAR not in body
    assert body[: len(web.BEFORE)] == web.BEFORE
    detection = wait_detected(unit, guard=Guard.AV)
    assert detection.action is Action.NEUTRALISED
    assert detection.destination.address == unit.line.lan_address
    wait_until(lambda: unit.status()["state"]["neutralised"], seconds=5, what="the count")


def test_an_attack_from_outside_is_blocked_and_told(unit):
    line = unit.line
    url = f"http://{line.lan_address}/list?id=1%20union%20all%20select%20password"
    assert line.wan.run("curl", "-s", "-m", "9", url, check=False).returncode == RESET
    detection = wait_detected(unit, signature="TEST injection", direction=Direction.INBOUND)
    assert detection.action is Action.BLOCKED
    assert (detection.source.address, detection.destination.address) == (line.wan_address, line.lan_address)
    assert line.wan.run("curl", "-s", "-m", "5", f"http://{line.lan_address}/list?id=1").stdout


def test_a_beacon_from_inside_is_blocked_and_important(unit):
    program = "import socket,sys; s=socket.create_connection((sys.argv[1],80)); s.sendall(b'TEST-BEACON'); s.recv(1)"
    command = unit.line.lan.command(PYTHON, "-c", program, unit.line.wan_address)
    assert (
        b"ConnectionResetError" in subprocess.run(command, capture_output=True, timeout=9, check=False).stderr
    )
    detection = wait_detected(unit, signature="TEST beacon")
    assert (detection.direction, detection.severity) == (Direction.OUTBOUND, 3)


def test_a_listed_site_is_blocked_by_its_host_and_told(unit):
    assert is_refused(fetch(unit.line, "", headers=["Host: www.phish.example"]))
    detection = wait_detected(unit, guard=Guard.WG, detail="www.phish.example")
    assert detection.action is Action.BLOCKED


def test_a_new_pack_blocks_what_was_allowed_while_a_download_goes_on(unit, packs):
    line = unit.line
    assert fetch(line, "", headers=["Host: newphish.example"]) == web.page("newphish.example")
    url = f"http://{line.wan_address}/big.bin?mb=50"
    command = line.lan.command("curl", "-s", "-m", "30", "--limit-rate", "25M", url)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as download:
        begun = download.stdout.read(1_000_000)
        unit.install(packs["1.1.0"], version="1.1.0")
        unit.wait_for_pack("1.1.0")
        assert is_refused(fetch(line, "", headers=["Host: newphish.example"]))
        assert download.poll() is None
        body = begun + download.stdout.read()
    assert hashlib.sha256(body).hexdigest() == web.digest(50_000_000)
    assert unit.status()["state"]["bypassed"] == 0


@pytest.mark.parametrize("damage", ["truncated", "altered", "garbage"])
def test_a_damaged_pack_is_refused_with_its_reason_and_the_old_one_stays(unit, packs, damage):
    whole = packs["1.1.0"]
    altered = whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:]
    content = {"truncated": whole[: len(whole) // 2], "altered": altered, "garbage": b"\x00" * 5000}[damage]
    told = sum("1.0.0 stays in force" in getattr(body, "text", "") for body in unit.spooled())
    unit.install(content, version="2.0.0")
    unit.wait_told("pack 2.0.0.pack cannot be used", times=1)
    unit.wait_told("1.0.0 stays in force", times=told + 1)
    assert unit.status()["pack"] == "1.0.0"
    assert is_refused(fetch(unit.line, "", headers=["Host: www.phish.example"]))
