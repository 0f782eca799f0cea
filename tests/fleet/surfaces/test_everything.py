"""The fleet as `omamori fleet serve` runs it, with a real unit agent on the other end: from claim to database and back."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omamori.firmware.host.spool import SpoolWriter
from omamori.fleet.accounts.actor import System
from omamori.fleet.detections.models import Detection
from omamori.fleet.lan.models import Host as HostRow
from omamori.fleet.rollouts.operations import add_release
from omamori.fleet.units.models import Unit
from omamori.protocol.messages import BridgeState, Host, HostAddress, Hosts, Reason
from omamori.protocol.vocabulary import Side
from omamori.protocol.wire import to_wire

WPS = 529
DEVICES = (
    'I: Bus=0019\nN: Name="gpio-keys"\nH: Handlers=kbd event3\nB: EV=3\nB: KEY=20000 0 0 0 0 0 0 0 0\n\n'
)


class UnitBox:
    """A unit's file system with a running agent in it."""

    def __init__(self, root, claim):
        self.root, self.process = root, None
        self._write("run/credentials/omamori-agent.service/omamori.claim", json.dumps(claim))
        self._write("proc/sys/kernel/random/boot_id", "0123456789abcdef0123456789abcdef\n")
        self._write("proc/uptime", "61.5 100.0\n")
        self._write("proc/cmdline", "systemd.verity_root_data=PARTLABEL=root-a\n")
        self._write("usr/lib/os-release", 'IMAGE_ID=omamori\nIMAGE_VERSION="1.0.0"\n')
        self._write("proc/bus/input/devices", DEVICES)
        (root / "dev/input").mkdir(parents=True)
        os.mkfifo(root / "dev/input/event3")

    def _write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self):
        command = [sys.executable, "-m", "omamori.firmware.agent", "--root", str(self.root)]
        self.process = subprocess.Popen(command, env={"PATH": os.environ["PATH"]})

    def press(self):
        until(
            lambda: "waiting" in self.status().get("phase", "") or self.status(), "the agent shows a status"
        )
        event = struct.pack("@llHHi", 0, 0, 1, WPS, 1)
        descriptor = os.open(self.root / "dev/input/event3", os.O_RDWR | os.O_NONBLOCK)
        try:
            until(lambda: self._takes(descriptor, event), "the agent takes the press")
        finally:
            os.close(descriptor)

    def _takes(self, descriptor, event):
        if not self.status().get("activated"):
            os.write(descriptor, event)
        return self.status().get("activated")

    def status(self):
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.root / "run/omamori/agent/status.json").read_text())
        return {}

    def want(self):
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.root / "var/lib/omamori/agent/want.json").read_text())
        return {}

    def inspect(self, pack):
        state = {
            "time": to_wire(datetime.now(UTC)),
            "state": to_wire(BridgeState(workers=2, dropped=(Reason("ips", 5),))),
            "pack": pack,
            "workers": [],
        }
        self._write("run/omamori/bridge/status.json", json.dumps(state))

    def say(self, *bodies, process="bridge"):
        writer = SpoolWriter(self.root / "var/lib/omamori/spool" / process)
        for body in bodies:
            writer.put(body)
        writer.close()
        assert writer.lost == 0

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


def until(done, what, *, patience=40.0):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := done():
            return found
        time.sleep(0.2)
    raise AssertionError(f"never: {what}")


@pytest.fixture
def box(everything, tmp_path, use_database):
    use_database(everything.database)
    box = UnitBox(tmp_path / "unit", everything.register("om-e2e-1"))
    box.start()
    yield box
    box.stop()


@pytest.mark.slow
def test_from_the_button_to_the_database_and_back(everything, box):
    from omamori.fleet.rollouts.models import Member

    box.inspect("2026.11.1")
    box.press()
    until(lambda: Unit.objects.get().online, "the unit is online")
    until(lambda: Unit.objects.get().pack == "2026.11.1", "its state arrived")
    unit = Unit.objects.select_related("want").get()
    assert (unit.firmware, unit.slot, unit.workers) == ("1.0.0", "a", 2)
    assert unit.reasons == {"dropped": {"ips": 5}, "uninspected": {}, "unfollowed": {}}

    now = datetime.now(UTC)
    held = (HostAddress("192.168.1.20", now, now),)
    box.say(
        Hosts(now, (Host("02:00:00:00:00:07", Side.BEHIND, now, now, held, "reception-pc", "dhcp"),)),
        process="lan",
    )
    box.say(*[_seen(number, now) for number in range(1, 31)])
    until(lambda: Detection.objects.count() == 30, "every detection is stored")
    named = Detection.objects.filter(host__name="reception-pc")
    until(lambda: named.count() == 30, "each names its host, though hosts were said later")

    add_release(System(), "pack", "2026.11.2")
    everything.command("rollouts", "create", "pack", "2026.11.2", "--all")
    until(lambda: box.want().get("pack") == "2026.11.2", "the unit fetched the want")
    until(lambda: Member.objects.get().outcome == "taken", "the fleet knows that it did")
    box.inspect("2026.11.2")
    until(
        lambda: Member.objects.get().outcome == "done",
        "the rollout is done once the unit says so",
        patience=90,
    )

    shown = json.loads(everything.command("detections", "list", "--json").stdout)
    assert {row["unit"] for row in shown} == {"om-e2e-1"}
    box.stop()
    until(lambda: not Unit.objects.get().online, "the unit is seen to be gone")


@pytest.mark.slow
def test_hosts_that_an_operator_parts_are_parted_on_the_unit(everything, box):
    box.press()
    now = datetime.now(UTC)
    one, two = (Host(f"02:00:00:00:00:0{n}", Side.BEHIND, now, now, (), "keiri-pc", "mdns") for n in (1, 2))
    box.say(Hosts(now, (one, replace(two, device=one.mac, device_reason="interfaces"))), process="lan")
    until(lambda: HostRow.objects.count() == 2, "the hosts are stored")
    key = HostRow.objects.get(mac=two.mac).pk
    pair = everything.command("hosts", "part", str(key), "--reason", "two of them").stdout.strip()
    until(lambda: box.want().get("apart") == [[one.mac, two.mac]], "the unit fetched the pair")
    assert HostRow.objects.get(pk=key).device == ""
    everything.command("hosts", "rejoin", pair, "--reason", "one after all")
    until(lambda: box.want().get("apart") == [], "the unit learned that it was taken back")


@pytest.mark.slow
def test_nothing_is_lost_while_the_fleet_is_away(everything, box):
    box.press()
    until(lambda: Unit.objects.get().online, "the unit is online")
    everything.process.send_signal(signal.SIGTERM)
    assert everything.process.wait(40) == 0
    now = datetime.now(UTC)
    box.say(*[_seen(number, now) for number in range(1, 101)])
    until(lambda: box.status().get("outbox", 0) >= 100, "the unit keeps them")
    environment = {"OMAMORI_STATE": str(everything.state), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "omamori.fleet", "serve"]
    again = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        until(lambda: Detection.objects.count() == 100, "all arrived after the restart", patience=90)
    finally:
        again.terminate()
        again.wait(40)


def _seen(number, now):
    from omamori.protocol.ids import DetectionId
    from omamori.protocol.messages import Detection as Seen
    from omamori.protocol.messages import Endpoint
    from omamori.protocol.vocabulary import Action, Direction, Guard, Severity

    return Seen(
        id=DetectionId(f"1586334621-{number}"),
        time=now,
        guard=Guard.WG,
        direction=Direction.OUTBOUND,
        severity=Severity.ONE,
        signature_id="wg:1",
        signature="phishing",
        action=Action.BLOCKED,
        reason="list",
        protocol="udp",
        source=Endpoint("192.168.1.20", 5353),
        destination=Endpoint("192.168.1.1", 53),
        detail=f"phish-{number}.example",
    )


def _children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _all_four(supervisor):
    found = _children(supervisor)
    return found if len(found) == 4 else None


def _descendants(pid):
    children = _children(pid)
    return children + [deeper for child in children for deeper in _descendants(child)]


@pytest.mark.slow
def test_a_part_that_dies_is_started_again_and_all_end_together(everything):
    supervisor = everything.process.pid
    before = until(lambda: _all_four(supervisor), "all four parts run")
    os.kill(before[-1], signal.SIGKILL)
    until(
        lambda: len(_children(supervisor)) == 4 and before[-1] not in _children(supervisor), "it runs again"
    )
    everyone = _descendants(supervisor)
    everything.process.send_signal(signal.SIGINT)
    assert everything.process.wait(40) == 0
    assert [pid for pid in everyone if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.slow
def test_when_the_supervisor_is_killed_nothing_is_left(everything):
    everyone = _descendants(everything.process.pid)
    everything.process.kill()
    everything.process.wait()
    until(
        lambda: not [pid for pid in everyone if Path(f"/proc/{pid}").exists()], "all have ended", patience=30
    )
