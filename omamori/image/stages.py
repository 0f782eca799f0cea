"""Stages: a build step runs only when what goes into it changed.

A stage's key is the hash of its inputs; its output is the directory `<cache>/<name>/<key>`, made under a temporary name
and renamed, so a half-made stage is never taken for a whole one. Two builds at once wait for each other per stage.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from omamori.image.alone import alone
from omamori.image.errors import BuildHostError

Inputs = Mapping[str, object]
_KEPT = 6


class Progress(Protocol):
    """Who is told about each stage."""

    def started(self, name: str) -> None: ...

    def ended(self, name: str, seconds: float, *, reused: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """A named step: `inputs` (JSON values) decide whether `make(directory)` must run."""

    name: str
    inputs: Inputs
    make: Callable[[Path], None]

    @property
    def key(self) -> str:
        text = json.dumps(self.inputs, sort_keys=True, default=str)
        return hashlib.sha256(f"{self.name}\0{text}".encode()).hexdigest()[:20]


class Cache:
    """The directory of stages."""

    def __init__(self, root: Path, progress: Progress) -> None:
        self._root = root
        self._progress = progress

    def get(self, stage: Stage) -> Path:
        """The stage's output, made now if no build with the same inputs left it."""
        self._progress.started(stage.name)
        began = time.monotonic()
        place = self._root / stage.name / stage.key
        with alone(self._root / stage.name):
            reused = place.is_dir()
            if not reused:
                self._make(stage, place)
                self._prune(place)
            place.touch()
        self._progress.ended(stage.name, time.monotonic() - began, reused=reused)
        return place

    def would_build(self, stage: Stage) -> bool:
        """Whether `get` would have work to do."""
        return not (self._root / stage.name / stage.key).is_dir()

    @staticmethod
    def _make(stage: Stage, place: Path) -> None:
        fresh = place.with_suffix(".new")
        _clear(fresh)
        fresh.mkdir(parents=True)
        try:
            stage.make(fresh)
            fresh.rename(place)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise

    @staticmethod
    def _prune(place: Path) -> None:
        """Old outputs of the same stage go, the newest stay: switching branches costs nothing."""
        others = sorted((p for p in place.parent.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
        for old in others[:-_KEPT]:
            if old != place:
                shutil.rmtree(old, ignore_errors=True)


def _clear(left: Path) -> None:
    """What a killed build left there; nothing is touched where something is mounted in it. Raises BuildHostError."""
    mounts = [
        line.split()[4].replace("\\040", " ")
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    inside = [mount for mount in mounts if Path(mount).is_relative_to(left.resolve())]
    reason: object = f"{inside[0]} is mounted in it; unmount that" if inside else None
    try:
        if left.exists() and not inside:
            shutil.rmtree(left)
    except OSError as error:
        reason = error
    if reason:
        raise BuildHostError(f"what an earlier build left at {left} cannot be removed: {reason}")


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def hash_of_tree(root: Path, paths: Iterable[Path]) -> str:
    """One hash over names, executable bits and contents; byte code and caches do not count."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        if path.is_file() and "__pycache__" not in path.parts:
            mark = "x" if path.stat().st_mode & 0o100 else "-"
            digest.update(f"{path.relative_to(root)}\0{mark}\0{hash_of(path)}\n".encode())
    return digest.hexdigest()
