"""What a guest's kernel has said, taken from the guest's memory: for one whose console is silent.

The log lies in memory as one ring (kernel/printk/printk_ringbuffer.c): each record's text behind eight bytes of its own.
"""

import mmap
import re
from pathlib import Path

_FIRST = re.compile(rb"\0Linux version \d+\.\d(?=[^\0]{0,300}\0.{0,30}Command line:)", re.DOTALL)
"""Its first two records; the kernel's image and the journal have copies of the first alone."""
_RING = 256 << 10
"""Bytes of it that are looked at, at most."""
_EMPTY = bytes(512)
_TEXT = re.compile(rb"[\x20-\x7e]{8,}")


def log(memory: Path) -> list[str]:
    """Of a copy of a guest's memory: the log's lines, oldest first; empty where no kernel has run or the ring went round."""
    with (
        memory.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as copy,
    ):
        found = (_lines(copy[match.start() : match.start() + _RING]) for match in _FIRST.finditer(copy))
        return max(found, key=len, default=[])


def _lines(ring: bytes) -> list[str]:
    written, _, _ = ring.partition(_EMPTY)
    return [text.decode() for text in _TEXT.findall(written)]
