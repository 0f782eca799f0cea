"""An update that does not restart the machine: the kernel goes on forwarding while another root takes over, and is judged as ever.

What pings and a TCP stream see of it, and of the restart that a sick version ends in, is printed (`pytest -s`).
"""

import itertools
import json
import re
import sys

import pytest

from lab.appliance import ROUTER

NOTES = {
    "ja": "検査の修正",
    "en": "Inspection mended",
    "severity": "routine",
    "restart": {"needed": False, "seconds": 0},
}
ECHO = f"""
import socket
server = socket.create_server(("{ROUTER}", 7000))
while True:
    peer, _ = server.accept()
    with peer:
        while sent := peer.recv(4096):
            peer.sendall(sent)
"""
TALK = f"""
import socket, time
with socket.create_connection(("{ROUTER}", 7000), timeout=300) as peer:
    number = 0
    while True:
        number += 1
        line = b"%d\\n" % number
        peer.sendall(line)
        back = b""
        while len(back) < len(line):
            got = peer.recv(len(line) - len(back))
            if not got:
                raise SystemExit("the stream was cut")
            back += got
        assert back == line
        print(number, time.time(), flush=True)
        time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def old(factory):
    return factory.image("11.0.0")


@pytest.fixture(scope="module")
def versions(factory, tmp_path_factory):
    """A good one and one whose bridge dies; both say that no restart is needed."""
    notes = tmp_path_factory.mktemp("notes") / "notes.json"
    notes.write_text(json.dumps(NOTES))
    images = factory.image("11.0.1"), factory.image("11.0.2", "--break", "engine")
    for image in images:
        factory.sign("add-firmware", image.bundle, "--notes", notes, "--replace")
    return factory.publish()


def stage(unit, version, generation):
    unit.want(version, generation=generation)
    unit.guest.wait(lambda: unit.in_phase(version, "staged"), seconds=300, what=f"{version} staged", pause=2)


def ended(unit, version):
    unit.guest.wait(
        lambda: unit.in_phase(version, "committed", "failed"),
        seconds=400,
        what=f"the end of {version}",
        pause=3,
    )
    return unit.update()["phase"]


@pytest.mark.timeout(1200)
def test_the_kernel_goes_on_while_the_new_version_takes_over_and_a_sick_one_is_left(
    start_unit, old, versions, tmp_path
):
    with start_unit(old, tmp_path) as unit, unit.serving(versions):
        stage(unit, "11.0.1", 1)
        boot = unit.guest.boot_id()
        echo, talk, ping = tmp_path / "echo.py", tmp_path / "talk.log", tmp_path / "ping.log"
        echo.write_text(ECHO)
        with (
            unit.wan.running(sys.executable, echo),
            unit.lan.running("ping", "-n", "-D", "-i", "0.1", "-W", "30", ROUTER, log=ping),
        ):
            unit.guest.wait(lambda: listening(unit), seconds=20, what="the echo server")
            with unit.lan.running(sys.executable, "-c", TALK, log=talk) as stream:
                unit.apply_now()
                phase = ended(unit, "11.0.1")
                goes_on(unit, stream, talk)
                print("soft:", figures(talk, ping), unit.told()["restart"])
                assert phase == "committed"
                assert unit.guest.boot_id() == boot
                assert unit.told()["slot"] == "b"
                assert unit.told()["restart"]["how"] == "soft"
                assert "omamori-11.0.1.efi" in unit.guest.ssh("ls /efi/EFI/Linux").split()

                stage(unit, "11.0.2", 2)  # over the root that was left
                unit.apply_now()
                assert ended(unit, "11.0.2") == "failed"
                goes_on(unit, stream, talk)
                print("and then by a restart:", figures(talk, ping))
                assert "bridge" in unit.update()["error"]
                assert unit.running() == ["11.0.1", "root-b"]
                assert unit.guest.boot_id() != boot


def goes_on(unit, stream, talk):
    """The stream is not cut, and answered from now on."""
    seen = len(talk.read_text().splitlines())
    unit.guest.wait(lambda: len(talk.read_text().splitlines()) > seen, seconds=120, what="an answer")
    assert stream.poll() is None, talk.read_text()[-500:]


def listening(unit):
    return ":7000" in unit.wan.run("ss", "-ltn").stdout


def figures(talk, ping):
    """So far, for whoever reads the log of a run; a stream that waits sends again less and less often, pings do not."""
    talked = [float(line.split()[1]) for line in talk.read_text().splitlines()]
    seen = re.findall(r"\[([\d.]+)\].*icmp_seq=(\d+) ttl", ping.read_text())
    last, pinged = int(seen[-1][1]), [float(at) for at, _ in seen]
    return (
        f"stream: {len(talked)} answers, longest gap {longest(talked):.2f} s; "
        f"pings: {last - len(seen)} of {last} lost, longest gap {longest(pinged):.2f} s"
    )


def longest(times):
    return max(later - earlier for earlier, later in itertools.pairwise(times))
