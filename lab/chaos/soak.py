"""The data path under traffic while its processes are killed, frozen and given new packs, again and again."""

import contextlib
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from lab.bridge import PRODUCT, BridgeProcess
from lab.chaos.seeds import build_pack
from lab.chaos.traffic import Traffic
from lab.memory import family, held
from lab.namespaces import PYTHON, guarded_line, wait_until

MISHAPS = ("kill worker", "freeze worker", "kill nursery", "swap", "swap", "broken pack", "kill supervisor")
_EVERY = 4.0
"""Seconds between two mishaps, on average; the rest of the time shows whether all is well again."""
_GROWTH = 0.10
"""Of what the data path holds, from the second quarter of the time to the last one: more is a leak."""
_ROOM = 8 << 20
"""Bytes of growth that are none, whatever the share."""


@dataclass(slots=True)
class Soak:
    """What was seen. `memory` is a series of (seconds, bytes), taken where nothing had happened for a while."""

    minutes: float
    done: dict[str, int] = field(default_factory=dict)
    passed: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    mishaps: dict[str, int] = field(default_factory=dict)
    recoveries: list[float] = field(default_factory=list)
    """Seconds from each mishap until all workers were there and the self-test had passed."""
    memory: list[tuple[float, int]] = field(default_factory=list)
    peak: int = 0
    """Bytes, also during swaps."""
    state: dict[str, object] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "growth": self.growth}

    @property
    def growth(self) -> float | None:
        """Share; None where it did not last long enough to tell."""
        quarter = len(self.memory) // 4
        if quarter < 3:
            return None
        before = median(held for _, held in self.memory[quarter : 2 * quarter])
        after = median(held for _, held in self.memory[-quarter:])
        return 0.0 if after - before < _ROOM else (after - before) / before


def run(*, minutes: float, chance: int, mishaps: tuple[str, ...] = MISHAPS) -> Soak:
    """Needs root. Everything runs in namespaces of its own."""
    soak = Soak(minutes)
    with tempfile.TemporaryDirectory(prefix="omamori-soak-") as folder, guarded_line("omaso") as line:
        unit = BridgeProcess(line, Path(folder) / "unit", command=(*PRODUCT[:-1], "--queues", "2", "--root"))
        unit.log.parent.mkdir()
        trial = _Trial(unit, Path(folder), random.Random(chance), soak)  # noqa: S311 - repeatable
        web = (PYTHON, "-m", "lab.services.web", "--port", "80", "--bind")
        with (
            line.wan.running(*web, line.wan_address),
            line.wan.running(*web, line.wan_address6),
            trial.started(),
        ):
            traffic = Traffic(line, chance=chance)
            traffic.start()
            try:
                trial.play(minutes * 60, mishaps)
            finally:
                traffic.stop()
            trial.look()
        soak.done, soak.passed, soak.lost = dict(traffic.done), dict(traffic.passed), traffic.lost
    _judge(soak)
    return soak


class _Trial:
    def __init__(self, unit: BridgeProcess, folder: Path, pick: random.Random, soak: Soak) -> None:
        self._unit, self._folder, self._pick, self._soak = unit, folder, pick, soak
        self._version = 0
        self._processes = contextlib.ExitStack()
        self._counts: Counter[str] = Counter()

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        self._new_pack()
        with self._processes:
            self._processes.enter_context(self._unit.running())
            self._wait_well()
            yield

    def play(self, seconds: float, mishaps: tuple[str, ...]) -> None:
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < seconds:
            self._quiet(min(seconds - now, self._pick.uniform(0.5, 1.5) * _EVERY), begun)
            mishap = self._pick.choice(mishaps)
            self._counts[mishap] += 1
            at = time.monotonic()
            self._do(mishap)
            self._wait_well()
            self._soak.recoveries.append(round(time.monotonic() - at, 2))
        self._soak.mishaps = dict(self._counts)

    def look(self) -> None:
        status = self._unit.status()
        self._soak.state = {key: status[key] for key in ("state", "drops", "gaps", "errors", "self_test")}

    def _quiet(self, seconds: float, begun: float) -> None:
        """Wait, and look at the memory at the end of it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._measure()
            time.sleep(0.25)
        self._soak.memory.append((round(time.monotonic() - begun, 1), self._measure()))

    def _measure(self) -> int:
        process = self._unit.process
        now = held(family(process.pid)) if process else 0
        self._soak.peak = max(self._soak.peak, now)
        return now

    def _do(self, mishap: str) -> None:
        workers = list(self._unit.workers().values())
        match mishap:
            case "kill worker" | "freeze worker" if workers:
                self._signal(
                    self._pick.choice(workers), signal.SIGKILL if mishap == "kill worker" else signal.SIGSTOP
                )
            case "kill nursery" if workers:
                parent = Path(f"/proc/{workers[0]}/stat")
                with contextlib.suppress(OSError):
                    self._signal(int(parent.read_text().rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
            case "kill supervisor" if self._unit.process:
                self._unit.process.kill()
                self._processes.close()
                self._processes.enter_context(self._unit.running())
            case "swap":
                self._new_pack()
            case "broken pack":
                self._unit.install(b"PK\x03\x04 not a pack", version="0.0.1")
                time.sleep(0.5)
                self._new_pack()
            case _:
                pass

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if pid > 1:
                os.kill(pid, number)

    def _new_pack(self) -> None:
        self._version += 1
        path = self._folder / "next.pack"
        build_pack(path, f"1.0.{self._version}", ["bad.example", f"other-{self._version}.example"])
        self._unit.install(path.read_bytes(), version=f"1.0.{self._version}")

    def _wait_well(self) -> None:
        """The newest pack is in force with two workers that are alive, and the self-test has passed."""
        try:
            wait_until(self._well, seconds=60, what="the unit to be well again")
        except TimeoutError as error:
            self._soak.problems.append(f"{error}: {self._unit.status()}")

    def _well(self) -> bool:
        self._measure()
        status, workers = self._unit.status(), self._unit.workers()
        serving = [pid for role, pid in workers.items() if role.startswith("serving")]
        alive = len(serving) == 2 and all(
            Path(f"/proc/{pid}").exists() and not _is_frozen(pid) for pid in serving
        )
        return alive and status["pack"] == f"1.0.{self._version}" and status.get("self_test") == "passed"


def _is_frozen(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "TtZ"
    except OSError:
        return True


def _judge(soak: Soak) -> None:
    if soak.lost:
        soak.problems.append(f"{len(soak.lost)} exchanges were lost, the first: {soak.lost[0]}")
    if not soak.done.get("downloads"):
        soak.problems.append("not one download arrived")
    if soak.growth is not None and soak.growth > _GROWTH:
        soak.problems.append(f"memory grew by {soak.growth:.0%}")
