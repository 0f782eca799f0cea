"""Each check of the factory's test where it fails: one thing is spoiled, and named."""

import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.factory import claim as claims
from omamori.firmware.factory import machine, panel, storage
from omamori.firmware.host.paths import Paths
from tests.firmware.agent.test_button import PRESS
from tests.firmware.factory.bench_unit import board, certificate, claim, good, outcomes, put, ticking


@pytest.fixture
def unit(tmp_path):
    return good(tmp_path)


def led(unit):
    return unit.root / "sys/class/leds/omamori:green:status"


# --- storage ---


@pytest.mark.parametrize(
    "mounts",
    ["30 25 0:22 / /var rw - tmpfs tmpfs rw\n", "30 25 0:22 / /var/lib/omamori rw - tmpfs tmpfs rw\n", ""],
)
def test_a_data_partition_that_is_not_mounted_fails(unit, mounts):
    put(unit.root / "proc/self/mountinfo", mounts)
    assert outcomes(storage.check(unit)) == {
        "storage": ("FAIL", f"no data partition is mounted at {unit.state}: what is written there is lost")
    }


@pytest.mark.root
def test_a_small_and_full_disk_fails(unit):
    """A file system of 8 MiB of its own, gone with the process."""
    program = "import sys; from pathlib import Path; from omamori.firmware.host.paths import Paths; from omamori.firmware.factory import storage\nfor line in storage.check(Paths(Path(sys.argv[1]))): print(line)"
    script = (
        'mount -t tmpfs -o size=8m none "$1/var/lib/omamori"; "$2" -c "$3" "$1"; ls -A "$1/var/lib/omamori"'
    )
    words = ["unshare", "--mount", "sh", "-c", script, "sh", unit.root, sys.executable, program]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "FAIL storage size: 0.0 GB on sda1" in said
    assert "FAIL storage write and read: No space left" in said
    assert "factory-test" not in said


@pytest.mark.parametrize(
    ("file", "text", "check", "told"),
    [
        ("sys/fs/ext4/sda1/errors_count", "3\n", "file system", "3 errors"),
        ("sys/block/sda/device/life_time", "0x01 0x0b\n", "storage wear", "11 tenths"),
        ("sys/block/sda/device/pre_eol_info", "0x03\n", "storage wear", "at its end"),
    ],
)
def test_a_disk_that_is_not_well_by_its_own_account_fails(unit, file, text, check, told):
    assert {outcome for outcome, _ in outcomes(storage.check(unit)).values()} == {"PASS"}
    put(unit.root / file, text)
    outcome, detail = outcomes(storage.check(unit))[check]
    assert outcome == "FAIL"
    assert told in detail


def test_a_disk_that_tells_nothing_is_said_to(unit):
    (unit.root / "sys/block/sda/device/life_time").unlink()
    (unit.root / "sys/fs/ext4/sda1/errors_count").unlink()
    found = outcomes(storage.check(unit))
    assert found["storage wear"][0] == found["file system"][0] == "SKIP"
    assert found["storage write and read"] == ("PASS", "16 MiB")


# --- lamp and button ---


def test_no_lamp_one_that_refuses_and_one_that_is_stuck_fail(unit):
    assert outcomes(panel.lamp(unit)) == {"lamp omamori:green:status": ("PASS", "switches between 0 and 255")}
    (led(unit) / "brightness").unlink()
    (led(unit) / "brightness").symlink_to("/dev/null")
    (outcome, _) = outcomes(panel.lamp(unit))["lamp omamori:green:status"]
    assert outcome == "FAIL"
    (led(unit) / "trigger").unlink()
    (outcome, detail) = outcomes(panel.lamp(unit))["lamp omamori:green:status"]
    assert (outcome, "No such file" in detail) == ("FAIL", True)
    led(unit).rename(led(unit).with_name("input3::capslock"))
    assert outcomes(panel.lamp(unit)) == {"lamp": ("FAIL", "there is no status lamp")}


def test_the_lamp_shows_the_next_diagnosis_again(unit):
    put(unit.lamp, "OK\n")
    list(panel.lamp(unit))
    assert not unit.lamp.exists()


def test_no_button_fails(unit):
    put(unit.root / "proc/bus/input/devices", "")
    ((outcome, detail),) = outcomes(panel.button(unit.root)).values()
    assert (outcome, "no input device" in detail) == ("FAIL", True)


def test_a_button_that_nobody_presses_fails_and_one_that_is_pressed_passes(unit):
    told = []
    still = panel.Person(lambda _: True, told.append, patience=0.3)
    found = outcomes(panel.button(unit.root, still))
    assert found == {"button": ("PASS", "input device event3"), "button pressed": ("FAIL", "not within 0 s")}
    assert told == ["Press the button."]

    def press(_):
        threading.Thread(target=lambda: (unit.root / "dev/input/event3").write_bytes(PRESS)).start()

    found = outcomes(panel.button(unit.root, panel.Person(lambda _: True, press)))
    assert found["button pressed"] == ("PASS", "by a person")


# --- claim ---


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is none"),
        ("{", "cannot be read"),
        (claim(unit="om-0002"), "the label says om-0001"),
        (claim(secret="short"), "has 5 characters"),
        (claim(fleet="http://fleet.example"), "the fleet's address"),
        (claim(fleet_ca="none"), "certificate is none"),
        (claim(fleet_ca=certificate(days=-1)), "has expired"),
    ],
)
def test_a_claim_that_is_missing_or_wrong_fails(unit, text, told):
    file = unit.root / "run/credentials/@system/omamori.claim"
    file.unlink() if text is None else file.write_text(text)
    ((outcome, detail),) = outcomes(claims.check(unit, "om-0001")).values()
    assert (outcome, told in detail) == ("FAIL", True), detail


def test_the_claim_is_also_found_where_the_agent_has_it(unit):
    (unit.root / "run/credentials/@system/omamori.claim").unlink()
    put(unit.claim, claim())
    assert outcomes(claims.check(unit, None))["claim"][0] == "PASS"


@settings(max_examples=100)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.fixed_dictionaries(
            {name: st.text(max_size=40) for name in ("unit", "secret", "fleet", "fleet_ca")}
        ).map(lambda body: claim(**(body | {"unit": "om-1"})).encode()),
    )
)
def test_any_claim_is_judged(tmp_path_factory, content):
    unit = Paths(tmp_path_factory.mktemp("any"))
    unit.claim.parent.mkdir(parents=True)
    unit.claim.write_bytes(content)
    assert len(list(claims.check(unit, None))) == 1


# --- memory, processor, clock ---


@pytest.mark.parametrize("text", ["MemTotal: 524288 kB\n", "MemTotal:\n", "MemTotal: lots kB\n", ""])
def test_too_little_memory_fails(unit, text):
    assert outcomes(machine.memory(unit.root)) == {"memory": ("PASS", "1984 MiB")}
    put(unit.root / "proc/meminfo", text)
    assert outcomes(machine.memory(unit.root))["memory"][0] == "FAIL"


@pytest.mark.parametrize("second", ["fpu sse2", ""])
def test_a_processor_without_what_the_matcher_needs_fails(unit, second):
    put(unit.root / "proc/cpuinfo", f"flags\t: fpu ssse3\n\nflags\t: {second}\n")
    assert outcomes(machine.processor(unit.root))["processor"] == ("FAIL", "2 cores, without ssse3")


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ("fp asimd crc32", ("PASS", "2 cores")),
        ("fp crc32", ("FAIL", "2 cores, without asimd")),
    ],
)
def test_an_arm_processor_is_judged_by_what_arm_has(unit, features, told):
    core = "processor\t: {}\nBogoMIPS\t: 100.00\nFeatures\t: {}\nCPU implementer\t: 0x00\n\n"
    put(unit.root / "proc/cpuinfo", core.format(0, "fp asimd crc32") + core.format(1, features))
    assert outcomes(machine.processor(unit.root))["processor"] == told


def test_a_list_of_processors_that_names_none_fails(unit):
    put(unit.root / "proc/cpuinfo", "hart\t: 0\nisa\t: rv64imafdc\n")
    assert outcomes(machine.processor(unit.root))["processor"] == ("FAIL", "0 cores")


@pytest.mark.parametrize(
    ("script", "told"),
    [("kill -ILL $$", "fell by SIGILL"), ("echo no module >&2; exit 1", "no module")],
)
def test_a_matcher_that_falls_fails(unit, tmp_path, script, told):
    python = put(tmp_path / "python", f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    assert outcomes(machine.processor(unit.root, str(python)))["matcher"] == ("FAIL", told)


def test_a_clock_before_the_firmware_fails(unit):
    later = time.time() + 86_400
    os.utime(unit.os_release, (later, later))
    with ticking(board(unit), every=0.05):
        found = outcomes(machine.clock(unit, tick=60))
    assert found["clock"][0] == found["clock on the board"][0] == "FAIL"
    assert "battery" in found["clock on the board"][1]


def test_a_clock_on_the_board_that_is_missing_or_stands_still_fails(unit):
    outcome, detail = outcomes(machine.clock(unit, tick=0.5))["clock on the board"]
    assert (outcome, "stands still" in detail) == ("FAIL", True)
    board(unit).write_text("nonsense")
    assert outcomes(machine.clock(unit))["clock on the board"] == ("FAIL", "there is none that can be read")
    board(unit).unlink()
    assert outcomes(machine.clock(unit))["clock on the board"][0] == "FAIL"


@settings(max_examples=30)
@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_the_kernel_says_is_a_line(tmp_path_factory, first, second):
    unit = good(tmp_path_factory.mktemp("any"))
    put(unit.root / "proc/self/mountinfo", f"36 25 8:1 / /var/lib/omamori rw - ext4 x rw\n{first}")
    put(unit.root / "sys/block/sda/device/life_time", second)
    put(led(unit) / "max_brightness", first)
    put(board(unit), second)
    put(unit.root / "proc/meminfo", f"MemTotal: {first}\n")
    lines = [*panel.lamp(unit), *machine.memory(unit.root), *machine.clock(unit, tick=0)]
    assert len(lines) == 4
    assert storage._mounted(unit) == "8:1"
    assert len(list(storage._health(unit, (unit.root / "sys/dev/block/8:1").resolve()))) == 2
