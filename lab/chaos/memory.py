"""What the data path's processes hold: each page counted once, however many of them share it (PSS)."""

from collections.abc import Iterable
from pathlib import Path


def family(root: int) -> list[int]:
    """A process and all below it that are alive."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            continue
        waiting += map(int, children)
    return found


def held(pids: Iterable[int]) -> int:
    """Bytes."""
    return sum(_proportional(pid) for pid in pids)


def _proportional(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(text.split("\nPss:")[1].split()[0]) * 1024 if "\nPss:" in text else 0
