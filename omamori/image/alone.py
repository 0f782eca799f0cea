"""One build at a time where two would make the same thing."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(folder: Path, *, mode: int = 0o777) -> Iterator[None]:
    """Makes the folder, with `mode`; others wait until the context ends, or its process does. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=mode)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
