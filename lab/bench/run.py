"""One run: every contestant on its line, started, measured in turns, made to change its rules, and stopped.

Within a round each workload goes over all contestants before the next one begins, so that whatever else the machine does
meets all of them alike.
"""

import contextlib
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.bench import rules
from lab.bench.contestants import Contestant, Inline, Omamori, Plain, change_rules, memory, ready
from lab.bench.place import Place, make_content, place
from lab.bench.report import Samples, note
from lab.bench.tools import Tools
from lab.bench.workloads import WORKLOADS, Load, half_load, probed, watched
from omamori.firmware.bridge.compiled import found


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant and its line."""

    contestant: Contestant
    here: Place


class Run:
    """Collects samples; `facts` say under which conditions."""

    def __init__(
        self,
        folder: Path,
        tools: Tools,
        sources: Sequence[Path],
        load: Load,
        only: Sequence[str],
        *,
        objects: Path | None = None,
        beside: bool = False,
    ) -> None:
        """`objects`: compiled modules, which we run with; `beside`: Python only takes part too."""
        self._objects, self._beside = objects, beside
        self._folder, self._tools, self._load, self._only = folder, tools, load, only
        make_content(folder / "content")
        self._rules = rules.make(folder / "rules", sources, tools)
        self.samples: Samples = {}
        self.contestants: list[str] = []
        self.facts: dict[str, object] = {
            "rules": self._rules.count,
            "rules refused by us": self._rules.refused_by_us,
            "rules refused by suricata": self._rules.refused_by_suricata,
            "malware patterns": len(self._rules.malware),
            "suricata": tools.suricata_version() or "not installed",
            "kernel": platform.release(),
            "seconds": load.seconds,
            "compiled modules": len(found(objects)) - 1 if objects else 0,
        }
        print(", ".join(f"{name}: {value}" for name, value in self.facts.items()), flush=True)

    def measure(self, *, rounds: int) -> None:
        """All rounds."""
        with contextlib.ExitStack() as stack:
            entries = self._entries(stack)
            self.contestants = [entry.contestant.name for entry in entries]
            for number in range(rounds):
                print(f"round {number + 1} of {rounds}", flush=True)
                self._round(entries)

    def _entries(self, stack: contextlib.ExitStack) -> list[Entry]:
        def line(name: str) -> Place:
            return stack.enter_context(
                place(name, self._tools, self._folder / name, self._folder / "content")
            )

        entries = [Entry(Plain(), line("p"))]
        kinds = {"omamori": (None, self._objects), "omamori, 1 queue": (1, self._objects)}
        if self._beside:
            kinds["omamori, python"] = (None, None)
        for number, (name, (queues, objects)) in enumerate(kinds.items()):
            here = line(f"q{number}")
            ours = Omamori(here, self._rules, name=name, queues=queues, objects=objects)
            entries.append(Entry(ours, here))
        for tuned in (False, True) if self._tools.has_suricata else ():
            here = line("t" if tuned else "s")
            entries.append(Entry(Inline(here, self._rules, tuned=tuned), here))
        return entries

    def _round(self, entries: Sequence[Entry]) -> None:
        with contextlib.ExitStack() as stack:
            for entry in entries:
                seconds = stack.enter_context(ready(entry.contestant, entry.here))
                if not isinstance(entry.contestant, Plain):
                    note(self.samples, entry.contestant.name, {"ready after start, s": seconds})
            for name in self._only:
                load = replace(self._load, rate=half_load(self._slowest()))
                for entry in entries:
                    note(self.samples, entry.contestant.name, WORKLOADS[name](entry.here, load))
            for entry in entries:
                if not isinstance(entry.contestant, Plain):
                    note(self.samples, entry.contestant.name, self._reload(entry))

    def _slowest(self) -> list[float]:
        """Each contestant's newest rate of requests."""
        return [rates[-1] for rates in self.samples.get("keep-alive requests/s", {}).values()]

    def _reload(self, entry: Entry) -> dict[str, float]:
        """Under a steady trickle of requests, half of them attacks."""
        contestant, here = entry.contestant, entry.here
        before = memory(contestant.processes())
        with watched(lambda: memory(contestant.processes())) as sizes, probed(here) as seen:
            seconds = change_rules(contestant, here, 1)
            time.sleep(2)
        return {
            "reload, s": seconds,
            "attacks passed at reload": seen["passed"],
            "requests lost at reload": seen["lost"],
            "slowest request at reload, ms": seen["slowest"] * 1000,
            "peak memory, MB": before,
            "peak memory at reload, MB": max(sizes),
        }
