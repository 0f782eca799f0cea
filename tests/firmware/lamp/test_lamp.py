"""The status lamp by the real process, over files laid out as the kernel's LED class has them."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.host.paths import Paths
from omamori.firmware.lamp.__main__ import root_cause
from omamori.firmware.lamp.pattern import BETWEEN, LONG, PAUSE, SHORT, pattern
from omamori.protocol import wire
from omamori.protocol.codes import CODES, Lamp
from omamori.protocol.messages import Finding, Wiring
from omamori.protocol.vocabulary import WiringCode

FILES = {
    "max_brightness": "255",
    "brightness": "0",
    "pattern": "",
    "repeat": "",
    "delay_on": "",
    "delay_off": "",
}


@pytest.fixture
def unit(tmp_path):
    return Paths(tmp_path)


def lamp(unit, name="omamori:green:status", triggers="[none] timer pattern"):
    folder = unit.root / "sys/class/leds" / name
    folder.mkdir(parents=True)
    for file, content in {**FILES, "trigger": triggers}.items():
        (folder / file).write_text(content)
    return folder


def shows(unit, content) -> subprocess.CompletedProcess:
    unit.wiring.parent.mkdir(parents=True, exist_ok=True)
    unit.wiring.write_text(
        content
        if isinstance(content, str)
        else json.dumps({"findings": [{"code": code} for code in content]})
    )
    command = [sys.executable, "-m", "omamori.firmware.lamp", "--root", unit.root]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read(folder):
    """The kernel takes one write and gives another reading: what was written stands at the beginning."""
    return {file.name: file.read_text() for file in folder.iterdir()}


def lit(text: str) -> list[tuple[int, int]]:
    """(brightness, milliseconds) as the kernel plays it: no fading may be left."""
    numbers = [int(word) for word in text.split()]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    for (level, _), (again, length) in zip(points[::2], points[1::2], strict=True):
        assert (level, 0) == (again, length)
    return points[::2]


def test_the_root_cause_is_blinked_by_the_kernel(unit):
    led, other = lamp(unit), lamp(unit, "input3::capslock")
    assert shows(unit, ["PPPOE_UPSTREAM", "NO_ADDRESS"]).returncode == 0
    found = read(led)
    assert found["trigger"].startswith("pattern")
    assert found["repeat"] == "-1"
    assert lit(found["pattern"]) == [
        (255, LONG),
        (0, BETWEEN),
        (255, LONG),
        (0, BETWEEN),
        (255, SHORT),
        (0, PAUSE),
    ]
    assert read(other)["trigger"] == "[none] timer pattern"


def test_it_is_started_only_when_the_root_cause_is_another(unit):
    lamp(unit)
    script = Path(__file__).parents[3] / "omamori/image/templates/rootfs/usr/lib/omamori/lamp-changed"

    def changed(*codes):
        unit.wiring.parent.mkdir(parents=True, exist_ok=True)
        findings = tuple(
            Finding(WiringCode(code), 0.9, datetime(2026, 11, 21, tzinfo=UTC), ("a [fact]",))
            for code in codes
        )
        unit.wiring.write_bytes(wire.dump(wire.to_wire(Wiring(datetime(2026, 11, 21, tzinfo=UTC), findings))))
        return (
            subprocess.run(
                ["sh", script], env={"OMAMORI_ROOT": str(unit.root), "PATH": "/usr/bin:/bin"}, check=False
            ).returncode
            == 0
        )

    assert changed("PPPOE_UPSTREAM", "NO_ADDRESS")
    shows(unit, ["PPPOE_UPSTREAM"])
    assert not changed("PPPOE_UPSTREAM")
    assert changed("OK")
    assert not changed()
    unit.wiring.write_text("{broken")
    assert (
        subprocess.run(
            ["sh", script], env={"OMAMORI_ROOT": str(unit.root), "PATH": "/usr/bin:/bin"}, check=False
        ).returncode
        != 0
    )


def test_a_right_wiring_is_lit_steadily(unit):
    led = lamp(unit)
    shows(unit, ["OK"])
    assert read(led)["trigger"].startswith("none")
    assert read(led)["brightness"].startswith("255")


def test_a_kernel_without_patterns_blinks_evenly_and_one_without_blinking_is_lit(unit):
    even, plain = lamp(unit, "a:status", "[none] timer"), lamp(unit, "b:status-1", "[none]")
    shows(unit, ["NO_INTERNET"])
    assert (read(even)["trigger"][:5], read(even)["delay_on"], read(even)["delay_off"]) == (
        "timer",
        "500",
        "500",
    )
    assert read(plain)["brightness"].startswith("255")


def test_a_lamp_that_refuses_stops_no_other(unit):
    (lamp(unit, "a:status") / "pattern").unlink()
    led = lamp(unit, "b:status")
    done = shows(unit, ["NO_INTERNET"])
    assert done.returncode == 1
    assert "pattern" in done.stderr
    assert read(led)["trigger"].startswith("pattern")


def test_no_lamp_and_no_diagnosis_are_no_error(unit):
    assert shows(unit, ["OK"]).returncode == 0
    led = lamp(unit)
    assert shows(unit, '{"findings": []}').returncode == 0
    assert read(led)["trigger"] == "[none] timer pattern"


def test_every_code_has_its_own_pattern():
    played = [pattern(entry.lamp, 1) for entry in CODES.values()]
    assert len(set(played)) == len(CODES) == len(WiringCode)
    assert all(len(text) < 4096 for text in played)


@settings(max_examples=60)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 65_535))
def test_any_pattern_is_as_many_blinks_and_a_pause(long, short, brightness):
    if not long + short:
        assert "0 " not in pattern(Lamp(), 1).split(" ", 1)[0]
        return
    played = lit(pattern(Lamp(long, short), brightness))
    assert [length for level, length in played if level] == [LONG] * long + [SHORT] * short
    assert played[-1] == (0, PAUSE)


@settings(max_examples=60)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                b'{"findings": [[]]}',
                b'{"findings": {"0": 1}}',
                b"[" * 9000,
                b'{"findings": [{"code": "NEW"}]}',
            ]
        ),
    )
)
def test_any_file_is_a_diagnosis_or_none(tmp_path_factory, content):
    paths = Paths(tmp_path_factory.mktemp("any"))
    paths.wiring.parent.mkdir(parents=True)
    paths.wiring.write_bytes(content)
    assert root_cause(paths) is None
