"""A third port that joins the bridge while the unit inspects: whoever comes by the radio is guarded like a host on the LAN port.

The radio is played by a virtual cable named `radio0`; a real access point in the booted unit is tests/appliance/test_wifi.py.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.bridge import BridgeProcess
from lab.namespaces import PYTHON, address, cable, guarded_line, namespace, wait_until
from lab.services import web
from omamori.protocol.vocabulary import Direction, Guard
from tests.firmware.bridge.test_guarding import is_refused, packed, wait_detected

pytestmark = [pytest.mark.root, pytest.mark.timeout(200)]
PHONE = "192.168.77.30"
TEMPLATES = Path(__file__).parents[3] / "omamori/image/templates"
ATTACK = "list?id=1%20union%20all%20select%20password"
TITLE = b"TEST injection"
"""Of the block page."""


@pytest.fixture(scope="module")
def unit(tmp_path_factory):
    """With `phone`, a namespace behind the radio, which joined after the workers had started."""
    root = tmp_path_factory.mktemp("unit")
    with guarded_line("omrad") as line, namespace(f"{line.lan.name[:-4]}-phone") as phone:
        made = BridgeProcess(line, root)
        made.phone = phone
        made.install(packed(root / "pack", "1.0.0", phishing=["phish.example"]), version="1.0.0")
        servers = [
            (PYTHON, "-m", "lab.services.web", "--bind", where, "--port", "80")
            for where in (line.wan_address, line.lan_address)
        ]
        with line.wan.running(*servers[0]), line.lan.running(*servers[1]), made.running():
            made.wait_for_pack("1.0.0", seconds=60)
            cable(phone, "eth0", line.unit, "radio0")
            line.unit.run("ip", "link", "set", "radio0", "master", "br0", "up")
            address(phone, "eth0", f"{PHONE}/24")
            for where in (line.wan_address, line.lan_address):
                wait_until(lambda: get(made, where), seconds=30, what="the web server")  # noqa: B023 - asked at once
            yield made


def get(unit, where, path="", *headers):
    """What the phone gets; None where that did not end well."""
    named = [word for header in headers for word in ("-H", header)]
    url = f"http://{where}/{path}"
    done = subprocess.run(
        unit.phone.command("curl", "-s", "-g", "-m", "20", *named, url), capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


def test_a_listed_site_is_refused_with_the_block_page_and_told_as_from_inside(unit):
    assert is_refused(get(unit, unit.line.wan_address, "", "Host: www.phish.example"))
    detection = wait_detected(unit, guard=Guard.WG, detail="www.phish.example")
    assert (detection.direction, detection.source.address) == (Direction.OUTBOUND, PHONE)


def test_malware_is_overwritten(unit):
    body = get(unit, unit.line.wan_address, "report.txt")
    assert len(body) == len(web.infected())
    assert web.EICAR not in body
    assert wait_detected(unit, guard=Guard.AV).destination.address == PHONE


def test_what_passes_between_a_wired_host_and_the_phone_is_inspected_only_without_the_radios_rules(unit):
    """Loaded as the image does it; a unit without them inspects too much, never too little."""
    line, lan = unit.line, unit.line.lan_address
    assert TITLE in get(unit, lan, ATTACK)
    wait_detected(unit, signature="TEST injection")
    folder = unit.paths.root / "usr/lib/omamori"
    folder.mkdir(parents=True)
    for variant, name in (("rootfs", "page.nft"), ("radio", "wifi.nft")):
        shutil.copy(TEMPLATES / variant / "usr/lib/omamori" / name, folder)
    unit.paths.hostapd.parent.mkdir()
    unit.paths.hostapd.touch()
    guard = ("env", f"OMAMORI_ROOT={unit.paths.root}", "sh", TEMPLATES / "rootfs/usr/lib/omamori/page-guard")
    line.unit.run(*guard)
    told = len(unit.detections())
    assert get(unit, lan, ATTACK) == get(unit, lan, "list")
    assert TITLE in get(unit, line.wan_address, ATTACK)
    wait_until(lambda: len(unit.detections()) > told, seconds=20, what="the detection")
    assert {each.destination.address for each in unit.detections()[told:]} == {line.wan_address}
