"""Who reaches the page: real connections through the unit's bridge, with the image's own rules."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.namespaces import address, guarded_line, wait_until
from omamori.firmware.host.files import write_atomic
from tests.firmware.page.conftest import served

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]
TEMPLATES = Path(__file__).parents[3] / "omamori/image/templates/rootfs/usr/lib/omamori"
V4, V6 = "192.168.77.2", "fd77::2"
GROUP = "224.0.0.251"
LISTEN = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('{GROUP}') + socket.inet_aton('{V4}'))
s.bind(('0.0.0.0', 5353)); s.settimeout(20)
print(s.recv(99).decode(), flush=True)
"""
TELL = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('%s'))
s.sendto(b'%s', ('{GROUP}', 5353))
"""
BOUND = ("ss", "-Hlun", "sport = :5353")


@pytest.fixture
def line():
    with guarded_line("omp") as made:
        address(made.unit, "br0", f"{V4}/24", f"{V6}/64")
        yield made


def guard(line, unit, *, inside: str | None) -> None:
    """What systemd does before it listens, and when the lan process changes its mind."""
    folder = unit.root / "usr/lib/omamori"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(TEMPLATES / "page.nft", folder)
    if inside:
        told = {"inside": inside, "swapped": inside == "wan0"}
        write_atomic(unit.paths.ports, json.dumps(told, separators=(",", ":"), sort_keys=True).encode())
    line.unit.run("env", f"OMAMORI_ROOT={unit.root}", "sh", TEMPLATES / "page-guard")


def answered(side, url: str) -> bool:
    done = side.run("curl", "-sg", "-o", "/dev/null", "-w", "%{http_code}", "-m", "2", url, check=False)
    return done.stdout == "200"


def test_the_lan_side_is_answered_and_the_routers_side_is_not(line, unit):
    guard(line, unit, inside=None)
    with served(unit, inside=line.unit, where="[::]", port=80):
        urls = (f"http://{V4}/", f"http://[{V6}]/")
        assert [answered(line.lan, url) for url in urls] == [True, True]
        assert [answered(line.wan, url) for url in urls] == [False, False]
        assert line.lan.run("ping", "-c1", "-W2", line.wan_address).returncode == 0


def test_swapped_cables_turn_it_round_and_back(line, unit):
    with served(unit, inside=line.unit, where="[::]", port=80):
        for inside, expected in (("lan0", [True, False]), ("wan0", [False, True]), ("lan0", [True, False])):
            guard(line, unit, inside=inside)
            assert [answered(side, f"http://{V4}/") for side in (line.lan, line.wan)] == expected


def test_an_odd_file_means_the_usual_wiring(line, unit):
    write_atomic(unit.paths.ports, b'\x00{"inside": [[[')
    guard(line, unit, inside=None)
    with served(unit, inside=line.unit, where="[::]", port=80):
        assert [answered(side, f"http://{V4}/") for side in (line.lan, line.wan)] == [True, False]


def test_the_name_is_asked_for_and_told_on_the_lan_side_only(line, unit):
    """The responder is systemd's; the rules around it are ours."""
    guard(line, unit, inside=None)
    send = f"import socket; socket.socket(2, 2).sendto(b'{{}}', ('{V4}', 5353))"

    with subprocess.Popen(
        line.unit.command(sys.executable, "-c", LISTEN), stdout=subprocess.PIPE, text=True
    ) as heard:
        wait_until(lambda: line.unit.run(*BOUND).stdout, seconds=20, what="the responder")
        line.wan.run(sys.executable, "-c", send.format("outside"))
        line.lan.run(sys.executable, "-c", send.format("inside"))
        assert heard.communicate(timeout=30)[0] == "inside\n"


def test_the_responder_does_not_hear_itself(line, unit):
    """What it says while it probes for its name came back to it, and it gave the name up to itself."""
    guard(line, unit, inside=None)
    with subprocess.Popen(
        line.unit.command(sys.executable, "-c", LISTEN), stdout=subprocess.PIPE, text=True
    ) as heard:
        wait_until(lambda: line.unit.run(*BOUND).stdout, seconds=20, what="the responder")
        line.unit.run(sys.executable, "-c", TELL % (V4, "itself"))
        line.lan.run(sys.executable, "-c", TELL % (line.lan_address, "a host"))
        assert heard.communicate(timeout=30)[0] == "a host\n"
