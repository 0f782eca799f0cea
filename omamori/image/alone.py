"""One build at a time where two would make the same thing."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omamori.image.errors import BuildHostError


@contextmanager
def alone(folder: Path, *, mode: int = 0o777) -> Iterator[None]:
    """Makes the folder, with `mode`; others wait until the context ends, or its process does. Raises BuildHostError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
        held = (folder / ".lock").open("w")
    except OSError as error:
        raise BuildHostError(f"{error.filename}: {error.strerror}; set OMAMORI_STATE elsewhere") from error
    with held as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
