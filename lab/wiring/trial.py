"""One trial: build, start the real process, plug the cables in, and watch what it says until it has been right for a while.

The clock starts when the cables are in. A verdict counts from the moment after which the root cause stood first to the end.
"""

import contextlib
import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lab.wiring.building import Built, build
from lab.wiring.parts import Certificates
from lab.wiring.plan import FAULTS, VARIANTS, Plan
from omamori.protocol.codes import CODES
from omamori.protocol.vocabulary import WiringCode

GIVE_UP: Final = 120.0
SETTLED: Final = 12.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is built, and what is the truth about it."""

    name: str
    plan: Plan
    truth: tuple[WiringCode, ...]
    """The faults, root cause first; empty for a correct office."""
    watch: float = 0.0
    """Seconds to go on watching whatever is said: for correct offices."""

    @property
    def root(self) -> WiringCode:
        return self.truth[0] if self.truth else WiringCode.OK


@dataclass(slots=True)
class Outcome:
    """What was said, and when."""

    case: Case
    said: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    """Each change of the verdict: seconds since the cables were in, and the codes."""
    trouble: str = ""
    recordings: dict[str, bytes] = field(default_factory=dict)
    """By port: what arrived, as pcap."""

    @property
    def last(self) -> tuple[str, ...]:
        return self.said[-1][1] if self.said else ()

    @property
    def right_root(self) -> bool:
        return self.last[:1] == (self.case.root,)

    @property
    def complete(self) -> bool:
        return set(self.last) == {*(self.case.truth or (WiringCode.OK,))}

    @property
    def seconds(self) -> float | None:
        """When the right root cause came to stand first for good."""
        since = None
        for at, codes in self.said:
            if codes[:1] != (self.case.root,):
                since = None
            elif since is None:
                since = at
        return since

    @property
    def false_findings(self) -> tuple[str, ...]:
        """Whatever was said at any time that is not true."""
        true = {*self.case.truth, WiringCode.OK}
        return tuple(sorted({code for _, codes in self.said for code in codes if code not in true}))


def single(code: WiringCode) -> Case:
    return Case(str(code), FAULTS[code](Plan()), (code,))


def variant(name: str, *, watch: float) -> Case:
    return Case(name, VARIANTS[name](Plan()), (), watch=watch)


def mixture(one: WiringCode, other: WiringCode) -> Case:
    """Both faults in one office; the order of the table of codes says which is the root."""
    rank = list(CODES)
    truth = tuple(sorted((one, other), key=rank.index))
    return Case(f"{one} + {other}", FAULTS[other](FAULTS[one](Plan())), truth)


def run(case: Case, certificates: Certificates, *, settled: float = SETTLED) -> Outcome:
    """Never raises for a topology that fails: the outcome says so. A right verdict must hold for `settled` seconds."""
    outcome = Outcome(case)
    prefix = f"lab-{os.getpid()}-{uuid.uuid4().hex[:4]}"
    with tempfile.TemporaryDirectory(prefix="omamori-lab-") as directory:
        try:
            with build(case.plan, prefix, Path(directory), certificates) as built:
                _watch(built, outcome, settled)
        except (OSError, subprocess.SubprocessError, AssertionError, ValueError) as error:
            outcome.trouble = f"{type(error).__name__}: {error}"[:2000]
    return outcome


def _watch(built: Built, outcome: Outcome, settled: float) -> None:
    case = outcome.case
    with _recording(built, outcome) if case.watch else contextlib.nullcontext(), built.lan_process():
        built.plug()
        began = time.monotonic()
        while not _finished(outcome, time.monotonic() - began, settled):
            codes = tuple(built.codes())
            if codes != outcome.last:
                outcome.said.append((round(time.monotonic() - began, 1), codes))
            time.sleep(0.2)


def _finished(outcome: Outcome, elapsed: float, settled: float) -> bool:
    if outcome.case.watch:
        return elapsed > outcome.case.watch
    holds = outcome.said and outcome.complete and elapsed - outcome.said[-1][0] > settled
    return bool(holds) or elapsed > GIVE_UP


@contextlib.contextmanager
def _recording(built: Built, outcome: Outcome) -> Iterator[None]:
    """What arrives at both ports, for a longer look in simulated time."""
    files = {port: built.root / f"{port}.pcap" for port in ("wan0", "lan0")}
    with contextlib.ExitStack() as stack:
        for port, path in files.items():
            command: Sequence[str | Path] = (
                "tcpdump",
                "-Z",
                "root",
                "-i",
                port,
                "-Q",
                "in",
                "-U",
                "-w",
                path,
            )
            stack.enter_context(built.unit.running(*command))
        yield
    outcome.recordings = {port: path.read_bytes() for port, path in files.items() if path.exists()}
