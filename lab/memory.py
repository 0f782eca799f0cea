"""What the data path's processes hold: each page of theirs counted once, however many of them share it (PSS).

Pages of files are left out: how they are shared out depends on what else runs on the machine and has the same libraries open.
"""

from collections.abc import Iterable
from pathlib import Path

_OWN = ("Pss_Anon:", "Pss_Shmem:")


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
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(_OWN)) * 1024
