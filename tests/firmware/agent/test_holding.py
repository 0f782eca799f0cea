"""The button held for ten seconds: event files as the kernel writes them, the real agent, and the processes that obey it.

An event file is a pipe here; there is no /dev/uinput on every machine, and its devices would be the machine's own.
"""

import os
import subprocess
import sys
from pathlib import Path
from struct import Struct

import pytest

from lab.namespaces import wait_until
from omamori.firmware.agent.button import Button
from omamori.firmware.agent.holding import LONG, SEEN, Holding
from omamori.firmware.host import settings
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.settings import USUAL, Proxy, Settings
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Claim, encode

EVENT = Struct("@llHHi")
DOWN, UP, REPEATED = 1, 0, 2
WPS, OTHER = 529, 30
DEVICES = (
    'I: Bus=0019\nN: Name="gpio-keys"\nH: Handlers=kbd event3\nB: EV=3\nB: KEY=20000 0 0 0 0 0 0 0 0\n\n'
)


def event(value, code=WPS):
    return EVENT.pack(1_700_000_000, 5, 1, code, value)


class Unit:
    """A unit's files with a button that is a pipe, a lamp and something set."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root)
        for name in ("proc/bus/input", "dev/input", "run/omamori/agent"):
            (root / name).mkdir(parents=True)
        (root / "proc/bus/input/devices").write_text(DEVICES)
        os.mkfifo(root / "dev/input/event3")
        self.pipe = os.open(root / "dev/input/event3", os.O_RDWR | os.O_NONBLOCK)
        self.lamp = root / "sys/class/leds/omamori:green:status"
        self.lamp.mkdir(parents=True)
        for file in ("trigger", "delay_on", "delay_off", "pattern", "repeat", "brightness", "max_brightness"):
            (self.lamp / file).write_text("[none] timer pattern" if file == "trigger" else "1")
        self.paths.wiring.parent.mkdir(parents=True)
        self.paths.wiring.write_text('{"findings":[{"code":"NO_INTERNET"}]}')
        self.paths.settings.parent.mkdir(parents=True)
        settings.store(self.paths.settings, Settings(proxy=Proxy("proxy.example.jp", 8080)))

    def write(self, *events):
        for each in events:
            os.write(self.pipe, each)

    def runs(self, *words):
        command = [sys.executable, "-m", *words, "--root", str(self.paths.root)]
        subprocess.run(command, check=True, timeout=60)

    def lamp_is_due(self):
        """What systemd asks before it starts the process."""
        script = Path(__file__).parents[3] / "omamori/image/templates/rootfs/usr/lib/omamori/lamp-changed"
        environment = {"OMAMORI_ROOT": str(self.paths.root), "PATH": "/usr/bin:/bin"}
        return subprocess.run(["sh", script], env=environment, check=False).returncode == 0

    def shows(self):
        self.runs("omamori.firmware.lamp")
        return (self.lamp / "trigger").read_text()[:5], (self.lamp / "delay_on").read_text()[:3]


@pytest.fixture
def unit(tmp_path):
    made = Unit(tmp_path)
    yield made
    os.close(made.pipe)


@pytest.fixture
def looking(unit):
    """Looks at the button as the agent does, at the second that a test says."""
    button, holding = Button(unit.paths.root), Holding(unit.paths)
    button.rescan()

    def look(now):
        button.presses()
        holding.look(now, held=button.held())
        shown = unit.paths.held.read_text().strip() if unit.paths.held.exists() else ""
        return shown, unit.paths.reset.exists()

    yield look
    button.close()


def test_only_ten_seconds_without_letting_go_count(unit, looking):
    assert looking(0) == ("", False)
    unit.write(event(DOWN))
    assert looking(1) == ("", False)
    assert looking(1 + SEEN - 0.1) == ("", False), "a mere press never shows"
    unit.write(event(REPEATED))
    assert looking(1 + SEEN) == ("yes", False)
    assert looking(1 + LONG - 0.1) == ("yes", False)
    unit.write(event(UP))
    assert looking(1 + LONG) == ("no", False)
    unit.write(event(DOWN))
    assert looking(20) == ("no", False)
    assert looking(20 + LONG) == ("no", True)
    unit.paths.reset.unlink()
    assert looking(20 + 3 * LONG) == ("no", False), "once for each time it is held"
    unit.write(event(UP))
    assert looking(60) == ("no", False)


def test_other_keys_and_presses_in_a_row_are_no_holding(unit, looking):
    unit.write(event(DOWN, OTHER))
    looking(0)
    assert looking(LONG + 1) == ("", False)
    for second in range(20, 40):
        unit.write(event(DOWN), event(UP))
        assert looking(second) == ("", False)
    unit.write(event(DOWN)[:10])
    assert looking(50) == ("", False)
    assert looking(50 + LONG) == ("", False), "half an event is none yet"
    unit.write(event(DOWN)[10:])
    assert looking(70) == ("", False)
    assert looking(70 + SEEN) == ("yes", False)


def test_from_the_button_to_the_usual_settings_with_the_lamp_meanwhile(unit):
    claim = unit.paths.claim
    claim.parent.mkdir(parents=True)
    (unit.paths.root / "proc/sys/kernel/random").mkdir(parents=True)
    (unit.paths.root / "proc/sys/kernel/random/boot_id").write_text("0123456789abcdef0123456789abcdef\n")
    (unit.paths.root / "proc/uptime").write_text("61.5 100.0\n")
    claim.write_bytes(encode(Claim(UnitId("om-0001"), "x" * 24, "https://127.0.0.1:1", CA)))
    command = [sys.executable, "-m", "omamori.firmware.agent", "--root", str(unit.paths.root)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as agent:
        try:
            wait_until(unit.paths.agent_status.exists, seconds=60, what="the agent")
            unit.write(event(DOWN))
            wait_until(unit.paths.held.exists, seconds=60, what="the agent to see the button")
            assert unit.lamp_is_due()
            assert unit.shows() == ("timer", "100")
            assert not unit.lamp_is_due()
            wait_until(unit.paths.reset.exists, seconds=60, what="the order")
            wait_until(lambda: unit.paths.held.read_text() == "no\n", seconds=60, what="the lamp's end")
        finally:
            agent.terminate()
    assert unit.lamp_is_due()
    assert unit.shows()[0] == "patte"
    assert settings.load(unit.paths.settings) != USUAL
    unit.runs("omamori.firmware.settings", "apply")
    assert settings.load(unit.paths.settings) == USUAL
    assert not unit.paths.reset.exists()


CA = """-----BEGIN CERTIFICATE-----
MIIBszCCAVmgAwIBAgIUAAAAAAAAAAAAAAAAAAAAAAAAAAEwCgYIKoZIzj0EAwIw
-----END CERTIFICATE-----
"""
