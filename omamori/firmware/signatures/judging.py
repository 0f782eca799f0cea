"""A pack against traffic: what it finds in captures that are clean, what it misses in others, and its speed beside another pack's.

Facts only; whether they are good enough is for whoever asked. Speed is processor time of the same replays in the same
process, in turns, so that a busy machine or another day changes both alike: only the ratio means anything.
"""

import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures import capture, carried, everyday, pack
from omamori.firmware.signatures.capture import Frame, read_capture
from omamori.firmware.signatures.replay import Options, replay_frames

MOST_FRAMES = 400_000
"""Of one capture; a longer one is cut there."""
_ENOUGH = 0.15
"""Seconds of processor time that each pack is measured for, at least."""
_MOST_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A signature and how often it was found."""

    signature_id: str
    signature: str
    guard: str
    count: int


@dataclass(frozen=True, slots=True)
class Judged:
    """One capture. `missing` is what it must show and does not."""

    capture: str
    packets: int
    found: tuple[Found, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """`slowdown` is the time of this pack by the other's; None where there is no other."""

    version: str
    against: str
    clean: tuple[Judged, ...]
    must: tuple[Judged, ...]
    seconds: float
    slowdown: float | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A capture in which something must be found: all of `signatures`, or anything where none is named."""

    path: Path
    signatures: tuple[str, ...] = ()


def judge(
    path: Path,
    against: Path | None,
    clean: Sequence[Path],
    must: Sequence[Wanted],
    *,
    generated: bool,
    progress: Callable[[str], None],
) -> Judgement:
    """`generated` adds everyday traffic made on the spot to the clean captures. Raises PackError, CaptureError, OSError."""
    new, old = pack.load(path), pack.load(against) if against else None
    innocent = {str(each): _recorded(each) for each in clean} | (_generated() if generated else {})
    cleans, musts, everything = [], [], []
    for name, recorded in innocent.items():
        progress(f"clean: {name}")
        cleans.append(_judged(new, name, recorded))
        everything += recorded
    for one in must:
        progress(f"must match: {one.path}")
        recorded = _recorded(one.path)
        musts.append(_with_missing(_judged(new, str(one.path), recorded), one.signatures))
        everything += recorded
    progress("speed")
    seconds, other = _times(new, old, everything)
    ratio = round(seconds / other, 3) if other else None
    return Judgement(
        new.version, old.version if old else "", tuple(cleans), tuple(musts), round(seconds, 4), ratio
    )


def _recorded(path: Path) -> list[Frame]:
    return [frame for frame, _ in zip(read_capture(path), range(MOST_FRAMES), strict=False)]


def _generated() -> dict[str, list[Frame]]:
    made = everyday.captures(with_test_file=False)
    return {each.name: list(capture.frames(io.BytesIO(each.content), each.name)) for each in made}


def _judged(signatures: Signatures, name: str, frames: Iterable[Frame]) -> Judged:
    outcome = replay_frames(frames, signatures, Options())
    found = carried.harmful(sighting.detection for sighting in outcome.sightings)
    counts = Counter((each.signature_id, each.signature, each.guard.value) for each in found)
    return Judged(name, outcome.packets, tuple(Found(*key, count) for key, count in counts.most_common()))


def _with_missing(judged: Judged, signatures: Sequence[str]) -> Judged:
    seen = {each.signature_id for each in judged.found}
    missing = tuple(each for each in signatures if each not in seen)
    if not signatures and not seen:
        missing = ("anything",)
    return Judged(judged.capture, judged.packets, judged.found, missing)


def _times(new: Signatures, old: Signatures | None, frames: Sequence[Frame]) -> tuple[float, float]:
    """The best round of each, taken in turns: what disturbs a round only ever makes it longer."""
    best = [float("inf"), float("inf")]
    spent, rounds = 0.0, 0
    both = [each for each in (new, old) if each is not None]
    while rounds < 2 or (spent < _ENOUGH * len(both) and rounds < _MOST_ROUNDS):
        for place, signatures in enumerate(both):
            began = time.process_time()
            replay_frames(frames, signatures, Options())
            took = time.process_time() - began
            best[place], spent = min(best[place], took), spent + took
        rounds += 1
    return best[0], best[1] if old else 0.0
