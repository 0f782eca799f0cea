"""A worker is short of memory by what it took itself, in a process of its own each time."""

import subprocess
import sys

import pytest

TAKEN = """
import mmap, sys
from omamori.firmware.bridge.room import Room
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
room = Room(16 << 20)
assert len(mapped[::4096]) == 16 << 10, "each page was looked at"
taken = b"x" * int(sys.argv[2])
print(room.is_short(), room.is_hopeless())
"""


@pytest.mark.parametrize(
    ("size", "told"), [(0, "False False"), (8, "False False"), (20, "True False"), (40, "True True")]
)
def test_only_what_was_taken_counts_and_not_a_file_that_was_looked_at(tmp_path, size, told):
    (tmp_path / "pack").write_bytes(b"p" * (64 << 20))
    command = [sys.executable, "-c", TAKEN, tmp_path / "pack", str(size << 20)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == told
