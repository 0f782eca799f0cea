"""The decisions on values, with every value: no state of the journal and no boot may lead to a wrong act."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.update import uki
from omamori.firmware.update.errors import SlotProblem
from omamori.firmware.update.machine import (
    Boot,
    Journal,
    Nothing,
    Refuse,
    Stage,
    Withdraw,
    clock_wrong,
    firmware_step,
    settle,
)
from omamori.protocol.ids import BootId
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase

NOW = datetime(2026, 11, 21, tzinfo=UTC)
versions = st.builds(Version, st.just(1), st.integers(0, 3), st.just(0))
boots = st.builds(
    Boot,
    id=st.sampled_from([BootId("a" * 32), BootId("b" * 32)]),
    version=versions,
    slot=st.sampled_from(["a", "b", ""]),
    blessed=st.booleans(),
)
journals = st.builds(
    Journal,
    phase=st.sampled_from(UpdatePhase),
    version=st.none() | versions,
    boot=st.none() | st.sampled_from([BootId("a" * 32), BootId("b" * 32)]),
    rejected=st.none() | versions,
)
tries = st.none() | st.integers(0, 3)


@given(journals, boots, tries, st.sampled_from(["", "bridge: says nothing"]))
def test_only_the_blessed_running_version_is_ever_committed(journal, boot, left, verdict):
    settled = settle(journal, boot, NOW, tries=left, verdict=verdict)
    if settled.phase is UpdatePhase.COMMITTED and journal.phase is not UpdatePhase.COMMITTED:
        assert boot.blessed
        assert settled.version == boot.version


@given(journals, boots, tries)
def test_settling_twice_changes_nothing_more(journal, boot, left):
    once = settle(journal, boot, NOW, tries=left, verdict="")
    assert settle(once, boot, NOW, tries=left, verdict="") == once


@given(journals, boots, tries)
def test_what_failed_is_rejected_and_says_why(journal, boot, left):
    settled = settle(journal, boot, NOW, tries=left, verdict="")
    if settled.phase is UpdatePhase.FAILED and journal.phase is not UpdatePhase.FAILED:
        assert settled.rejected == settled.version
        assert settled.error


@given(st.none() | versions, boots, journals, st.booleans())
def test_only_the_other_slot_is_ever_written_with_something_newer(want, boot, journal, present):
    match firmware_step(want, boot, journal, entry_present=present):
        case Stage(version=version, slot=slot):
            assert slot in {"a", "b"} - {boot.slot}
            assert boot.slot
            assert version == want
            assert version > boot.version
            assert version != journal.rejected
            assert journal.phase is not UpdatePhase.TRIAL
        case Withdraw(slot=slot):
            assert want == boot.version
            assert slot != boot.slot
        case Refuse():
            assert want is not None
            assert want < boot.version or not boot.slot
        case Nothing():
            pass


def test_a_clock_without_battery_is_wrong_and_a_slightly_slow_one_is_not():
    slack = timedelta(minutes=10)
    assert clock_wrong(datetime(1970, 1, 1, tzinfo=UTC), (NOW,), slack)
    assert not clock_wrong(NOW - timedelta(minutes=5), (NOW, None), slack)
    assert not clock_wrong(NOW, (None,), slack)


@given(st.binary(max_size=1500), st.booleans())
@settings(max_examples=300)
def test_any_bytes_are_a_boot_image_or_a_slot_problem(tmp_path_factory, raw, framed):
    path = tmp_path_factory.mktemp("uki", numbered=True) / "x.efi"
    path.write_bytes(b"MZ".ljust(60, b"\0") + b"\x40\0\0\0PE\0\0" + raw if framed else raw)
    try:
        uki.read(path)
    except SlotProblem:
        return
    raise AssertionError("random bytes were taken for a boot image")


@given(st.text(alphabet="omar-1.+0e f", max_size=30))
def test_counted_names_keep_their_entry(name):
    left = uki.tries_left(name)
    if left is not None:
        assert uki.tries_left(uki.exhausted(name)) == 0
    assert uki.tries_left(uki.counted("omamori-1.2.0-rc.1", 3)) == 3
    assert uki.exhausted("omamori-1.2.0+2-1.efi") == "omamori-1.2.0+0-3.efi"


def test_the_command_says_what_failed_and_exits_with_one(tmp_path):
    command = [sys.executable, "-m", "omamori.firmware.update", "run", "--root", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("omamori update run: ")
    assert "Traceback" not in result.stderr


def test_the_real_command_on_a_files_unit(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    for words, phase in ((["run"], "staged"), (["committed"], "staged")):
        command = [sys.executable, "-m", "omamori.firmware.update", *words, "--root", str(unit.root)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (result.returncode, unit.phase) == (0, phase), result.stderr


def test_the_other_processes_never_load_the_update_framework():
    code = (
        "import sys, importlib.util as u\n"
        "for name in ('host.paths', 'host.files', 'host.spool', 'host.system', 'bridge', 'lan', 'agent'):\n"
        "    __import__('omamori.firmware.' + name)\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('tuf', 'securesystemslib', 'urllib3')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
