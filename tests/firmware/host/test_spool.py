"""The spool as its two ends use it: a writer in one process, the agent's reader in another."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.host.spool import Limits, SpoolReader, SpoolWriter
from omamori.protocol.messages import Log, encode_body


def log(text):
    return Log(datetime(2026, 4, 1, tzinfo=UTC), "bridge", "info", text)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def texts(directory):
    return [body.text for segment in SpoolReader(directory).segments() for body in segment.bodies]


def test_a_message_is_readable_once_its_segment_is_due(tmp_path, clock):
    writer = SpoolWriter(tmp_path / "bridge", clock=clock)
    writer.put(log("one"))
    writer.tick()
    assert texts(tmp_path / "bridge") == []
    clock.now = 1.0
    writer.tick()
    assert texts(tmp_path / "bridge") == ["one"]


def test_segments_are_read_oldest_first_and_stay_until_removed(tmp_path, clock):
    for text in ("one", "two", "three"):
        writer = SpoolWriter(tmp_path, clock=clock)
        writer.put(log(text))
        writer.close()
    reader = SpoolReader(tmp_path)
    assert texts(tmp_path) == ["one", "two", "three"]
    reader.remove(next(reader.segments()))
    assert texts(tmp_path) == ["two", "three"]


def test_two_writers_never_replace_each_others_segments(tmp_path):
    program = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from omamori.firmware.host.spool import SpoolWriter; from omamori.protocol.messages import Log\n"
        "for i in range(100):\n"
        "    w = SpoolWriter(Path(sys.argv[1]), durable=False)\n"
        "    w.put(Log(datetime.now(UTC), sys.argv[2], 'info', str(i))); w.close()\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path, name]) for name in ("lan", "update")
    ]
    assert [process.wait(30) for process in running] == [0, 0]
    bodies = [body for segment in SpoolReader(tmp_path).segments() for body in segment.bodies]
    for name in ("lan", "update"):
        assert [body.text for body in bodies if body.process == name] == [str(i) for i in range(100)]


def test_many_messages_are_split_into_segments_of_bounded_size(tmp_path, clock):
    writer = SpoolWriter(tmp_path, clock=clock, limits=Limits(segment_bytes=1000), durable=False)
    for i in range(100):
        writer.put(log(str(i)))
    writer.close()
    assert texts(tmp_path) == [str(i) for i in range(100)]
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert max(sizes) <= 1200
    assert len(sizes) > 5


def test_a_full_spool_loses_the_newest_and_counts_them(tmp_path, clock):
    limits = Limits(segment_bytes=500, directory_bytes=2000, memory_bytes=1000)
    writer = SpoolWriter(tmp_path, clock=clock, limits=limits, durable=False)
    for i in range(100):
        writer.put(log(str(i)))
    kept = texts(tmp_path)
    assert kept == [str(i) for i in range(len(kept))]
    assert writer.lost > 0
    reader = SpoolReader(tmp_path)
    for segment in reader.segments():
        reader.remove(segment)
    clock.now = 1.0
    writer.tick()
    assert len(kept) + len(texts(tmp_path)) + writer.lost == 100


@pytest.mark.root
def test_a_full_disk_keeps_messages_in_memory_until_there_is_room(tmp_path, clock):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=True)
    try:
        filler = tmp_path / "filler"
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(b"x" * 100_000)
        writer = SpoolWriter(tmp_path / "bridge", clock=clock)
        writer.put(log("waits"))
        clock.now = 1.0
        writer.tick()
        assert writer.lost == 0
        filler.unlink()
        clock.now = 2.0
        writer.tick()
        assert texts(tmp_path / "bridge") == ["waits"]
        assert [path.name for path in (tmp_path / "bridge").iterdir()] == ["0000000000000001.jsonl"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_directory_that_cannot_be_made_loses_messages_but_never_raises(tmp_path, clock):
    (tmp_path / "file").write_text("in the way")
    writer = SpoolWriter(tmp_path / "file" / "bridge", clock=clock)
    writer.put(log("one"))
    writer.close()
    assert writer.lost == 1


def test_truncated_and_garbage_lines_are_skipped_and_counted(tmp_path):
    good = encode_body(log("good"))
    (tmp_path / "0000000000000001.jsonl").write_bytes(b"\xff\xfe\n" + good + b"\n" + good[:-9])
    (segment,) = SpoolReader(tmp_path).segments()
    assert [body.text for body in segment.bodies] == ["good"]
    assert segment.skipped == 2


def test_a_segment_over_the_cap_can_still_be_removed(tmp_path):
    (tmp_path / "0000000000000001.jsonl").write_bytes(b"x" * 5000)
    reader = SpoolReader(tmp_path, cap=4096)
    (segment,) = reader.segments()
    assert (segment.bodies, segment.skipped) == ((), 1)
    reader.remove(segment)
    assert list(reader.segments()) == []


def test_halves_of_dead_writers_are_removed_and_those_of_live_ones_stay(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / f".segment.{dead.pid}.new").write_bytes(b"half")
    mine = tmp_path / f".segment.{os.getpid()}.new"
    mine.write_bytes(b"half")
    SpoolWriter(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]


@settings(max_examples=100)
@given(st.binary(max_size=500))
def test_any_bytes_are_a_readable_segment(tmp_path_factory, content):
    directory = tmp_path_factory.mktemp("spool")
    (directory / "0000000000000001.jsonl").write_bytes(content)
    (segment,) = SpoolReader(directory).segments()
    assert segment.skipped + len(segment.bodies) == len([line for line in content.split(b"\n") if line])
