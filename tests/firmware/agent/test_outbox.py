"""The outbox on a real file: once each, bounded, in order, and whole after a crash."""

import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omamori.firmware.agent.errors import OutboxFull
from omamori.firmware.agent.outbox import Outbox, OutboxLimits
from omamori.protocol import messages as m
from omamori.protocol.ids import boot_id, detection_id, unit_id
from omamori.protocol.topics import Up
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Action, Direction, Guard, Severity, UpdatePhase

UNIT, BOOT, NEXT_BOOT = unit_id("om-0001"), boot_id("a" * 32), boot_id("b" * 32)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
NO_RESERVE = OutboxLimits(reserve=0)


def log(text: str = "hello") -> m.Log:
    return m.Log(NOW, "bridge", "info", text)


def detection(text: str = "") -> m.Detection:
    ends = m.Endpoint("192.0.2.1", 1), m.Endpoint("192.0.2.2", 2)
    words = (Guard.IPS, Direction.INBOUND, Severity.ONE, "1", "name", Action.BLOCKED, "rule", "tcp", *ends)
    return m.Detection(detection_id("1-1"), NOW, *words, detail=text)


def state(generation: int) -> m.State:
    update = m.UpdateState(UpdatePhase.IDLE)
    return m.State(NOW, Version(1, 0, 0), "a", None, generation, update, m.BridgeState(), 1.0)


def opened(path: Path, **options) -> Outbox:
    return Outbox(path / "outbox.sqlite", UNIT, options.pop("boot", BOOT), **options)


def content(outbox: Outbox) -> list[m.Upward]:
    return [m.decode_up(letter.payload) for letter in outbox.after(0, 10_000)]


def test_messages_wait_in_order_until_they_are_confirmed(tmp_path: Path) -> None:
    box = opened(tmp_path)
    assert box.take("bridge/1", [log("one"), detection()])
    box.put(log("two"))
    assert [(message.sequence, message.boot) for message in content(box)] == [(1, BOOT), (2, BOOT), (3, BOOT)]
    assert [letter.channel for letter in box.after(0, 10)] == [Up.LOG, Up.EVENT, Up.LOG]
    second = box.after(0, 10)[1].id
    assert box.confirm(BOOT, [2, 77]) == [second]
    assert box.confirm(NEXT_BOOT, [1, 3]) == []
    assert [message.sequence for message in content(box)] == [1, 3]
    assert box.letter(second) is None
    assert [letter.id for letter in box.after(second, 1)] == [second + 1]
    box.close()


def test_a_segment_is_taken_once_even_across_restarts_and_confirmation(tmp_path: Path) -> None:
    box = opened(tmp_path)
    assert box.take("bridge/1", [log()])
    box.confirm(BOOT, [1])
    box.close()
    box = opened(tmp_path)
    assert not box.take("bridge/1", [log()])
    box.forget_segments(lambda name: name == "bridge/1")
    assert box.take("bridge/1", [log()])
    assert [message.sequence for message in content(box)] == [2], "a number is never used twice"
    box.close()


def test_each_boot_counts_for_itself_and_old_messages_keep_their_key(tmp_path: Path) -> None:
    box = opened(tmp_path)
    box.put(log())
    box.close()
    box = opened(tmp_path, boot=NEXT_BOOT, first=12_340)
    box.put(log())
    box.put(log())
    keys = [(message.boot, message.sequence) for message in content(box)]
    assert keys == [(BOOT, 1), (NEXT_BOOT, 12_340), (NEXT_BOOT, 12_341)]
    box.close()


def test_a_newer_state_replaces_the_one_that_waits(tmp_path: Path) -> None:
    box = opened(tmp_path)
    for generation in range(5):
        box.put(state(generation))
        box.put(log())
    states = [message.body for message in content(box) if isinstance(message.body, m.State)]
    assert states == [state(4)]
    box.close()


def test_over_its_size_logs_go_first_and_detections_last(tmp_path: Path) -> None:
    box = opened(tmp_path, limits=OutboxLimits(bytes=200_000, reserve=0))
    box.take("bridge/1", [detection("y" * 500)] * 150)
    box.take("bridge/2", [log("x" * 500)] * 150)
    kinds = [type(message.body) for message in content(box)]
    assert kinds.count(m.Detection) == 150
    assert box.dropped == 150 - kinds.count(m.Log) > 0
    box.take("bridge/3", [detection("y" * 500)] * 150)
    kept = content(box)
    assert {type(message.body) for message in kept} == {m.Detection}
    assert box.dropped == 450 - len(kept)
    assert kept[-1].sequence == 450, "the newest are kept"
    held = box._held
    assert held <= 200_000
    box.close()
    box = opened(tmp_path)
    assert box._held == held, "the account is right after a restart too"
    box.close()


def test_what_cannot_fit_the_wire_is_cut_or_split_or_counted(tmp_path: Path) -> None:
    box = opened(tmp_path)
    box.put(log("長" * 40_000))
    box.put(m.Unrecognised("quantum", {"x": "y" * 70_000}))
    (cut,) = content(box)
    assert isinstance(cut.body, m.Log)
    assert cut.body.text.endswith("…(cut)")
    assert len(cut.body.text) > 9_000
    assert box.dropped == 1
    box.close()


def test_a_broken_file_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite").write_bytes(b"not a database at all, and long enough to look at" * 100)
    box = opened(tmp_path, first=500)
    box.put(log())
    assert [message.sequence for message in content(box)] == [500]
    assert (tmp_path / "outbox.broken").exists()
    box.close()


def test_a_place_that_cannot_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxFull, match="cannot be opened"):
        opened(tmp_path / "file")


CRASHING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_outbox import *
box = opened(Path(sys.argv[1]))
print("go", flush=True)
number = 0
while True:
    box.take(f"bridge/{number}", [log(str(number)), log(str(number))])
    print(number, flush=True)
    number += 1
"""


def test_killed_at_any_moment_a_segment_is_whole_or_absent(tmp_path: Path) -> None:
    for round_ in range(3):
        place = tmp_path / str(round_)
        child = subprocess.Popen(
            [sys.executable, "-c", CRASHING, str(place), str(Path(__file__).parent)],
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            assert child.stdout
            child.stdout.readline()
            time.sleep(0.1 + 0.07 * round_)
            child.send_signal(signal.SIGKILL)
            told = [int(line) for line in child.stdout.read().split("\n")[:-1]]
        box = opened(place)
        texts = [message.body.text for message in content(box)]
        assert len(texts) % 2 == 0
        numbers = sorted({int(text) for text in texts})
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= len(told)
        assert [box.take(f"bridge/{number}", [log()]) for number in numbers] == [False] * len(numbers)
        box.close()


def fill(box: Outbox) -> int:
    for number in range(10_000):
        try:
            box.take(f"bridge/{number}", [detection("z" * 2000)] * 5)
        except OutboxFull:
            return number
    raise AssertionError("a disk without end")


@pytest.mark.root
def test_on_a_full_disk_nothing_new_is_taken_and_what_was_confirmed_goes(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], check=True)
    try:
        box = opened(place, limits=OutboxLimits(reserve=256 * 1024))
        taken = fill(box)
        assert taken > 20
        with pytest.raises(OutboxFull, match="full"):
            box.take("bridge/next", [log()])
        assert len(box) == 5 * taken
        box.confirm(BOOT, range(1, 5 * taken - 3))
        assert len(box) == 4
        box.put(log("still able to speak"))
        box.close()
        box = opened(place, limits=OutboxLimits(reserve=256 * 1024))
        assert len(box) == 5
        box.close()
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_held_file_is_an_error_not_a_wait_for_ever(tmp_path: Path) -> None:
    box = opened(tmp_path)
    with (
        pytest.raises(sqlite3.OperationalError, match="locked"),
        sqlite3.connect(tmp_path / "outbox.sqlite", timeout=0) as other,
    ):
        other.execute("SELECT * FROM message")
    box.close()
