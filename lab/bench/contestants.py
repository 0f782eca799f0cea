"""What inspects a line: nothing, our data path, or Suricata. Each can start, prove that it blocks, change its rules and stop.

`Contestant.running` returns when the test request is blocked, so the time to get there is the same fact for all.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from lab.bench.place import ATTACKS, Place
from lab.bench.rules import RuleFiles
from lab.bench.suricata import Suricata
from lab.bridge import BridgeProcess
from lab.memory import family
from lab.namespaces import PYTHON, wait_until

_PATIENCE = 180.0


class Contestant(Protocol):
    """One way to guard a line."""

    name: str

    def start(self) -> contextlib.AbstractContextManager[None]:
        """Started, but perhaps not ready; stopped at the end."""
        ...

    def reload(self, edition: int) -> None:
        """Ask for the rules of an edition (0 or 1); they are in force when that edition's attack is blocked."""
        ...

    def processes(self) -> list[int]:
        """Whose memory counts."""
        ...


class Plain:
    """The bridge as it is."""

    name = "plain bridge"

    @contextlib.contextmanager
    def start(self) -> Iterator[None]:
        yield

    def reload(self, edition: int) -> None: ...

    def processes(self) -> list[int]:
        return []


class Omamori:
    """The product's data path, by default with a queue for each processor; a pack of the same rules, malware patterns and a domain list."""

    def __init__(
        self,
        here: Place,
        rules: RuleFiles,
        *,
        name: str = "omamori",
        queues: int | None = None,
        objects: Path | None = None,
    ) -> None:
        """`objects`: compiled modules, as the image has them; without them it is Python only."""
        self.name = name
        self._here, self._rules = here, rules
        wanted = ("--queues", str(queues)) if queues else ()
        command = (PYTHON, "-m", "omamori.firmware.bridge", *wanted, "--root")
        self._unit = BridgeProcess(here.line, here.folder / "unit", command=command)
        if objects:
            self._unit.paths.compiled.parent.mkdir(parents=True)
            self._unit.paths.compiled.symlink_to(objects)

    @contextlib.contextmanager
    def start(self) -> Iterator[None]:
        self.reload(0)
        with self._unit.running():
            yield

    def reload(self, edition: int) -> None:
        content, version = self._rules.pack(edition)
        self._unit.install(content, version=version)

    def processes(self) -> list[int]:
        parent = self._unit.process
        return family(parent.pid) if parent and parent.poll() is None else []


class Inline:
    """Suricata on a queue of the line."""

    def __init__(self, here: Place, rules: RuleFiles, *, tuned: bool) -> None:
        self.name = "suricata tuned" if tuned else "suricata stock"
        self._suricata = Suricata(here, tuned=tuned)
        self._rules = rules

    @contextlib.contextmanager
    def start(self) -> Iterator[None]:
        self._suricata.load(self._rules.texts[0])
        with self._suricata.running():
            yield

    def reload(self, edition: int) -> None:
        self._suricata.load(self._rules.texts[edition])
        self._suricata.reload()

    def processes(self) -> list[int]:
        return self._suricata.processes()


@contextlib.contextmanager
def ready(contestant: Contestant, here: Place) -> Iterator[float]:
    """Started and inspecting; gives the seconds that took."""
    begun = time.monotonic()
    with contestant.start():
        if not isinstance(contestant, Plain):
            wait_until(
                lambda: blocks(here, 0), seconds=_PATIENCE, what=f"{contestant.name} to block", step=0.01
            )
        yield time.monotonic() - begun


def blocks(here: Place, edition: int) -> bool:
    """Whether a request for an edition's attack gets no answer, or a page that says it is blocked."""
    url = here.url(ATTACKS[edition])
    done = here.line.lan.run("curl", "-s", "-f", "-o", "/dev/null", "-m", "0.3", url, check=False)
    return done.returncode != 0


def change_rules(contestant: Contestant, here: Place, edition: int) -> float:
    """Seconds until the other edition is in force."""
    begun = time.monotonic()
    contestant.reload(edition)
    if not isinstance(contestant, Plain):
        wait_until(lambda: blocks(here, edition), seconds=_PATIENCE, what="the new rules", step=0.02)
    return time.monotonic() - begun


def memory(processes: list[int]) -> float:
    """Megabytes that these processes hold together; shared pages count once."""
    return sum(map(_proportional, processes)) / 1024


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
