"""The bridge's status file: its numbers since the process started, which pack is in force, and who inspects."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

from omamori.firmware.bridge.generation import Generation
from omamori.firmware.bridge.report import Counters
from omamori.firmware.host.files import write_atomic
from omamori.protocol.messages import BridgeState
from omamori.protocol.wire import to_wire


@dataclass(slots=True)
class Totals:
    """The sums over workers that are gone."""

    past: Counters = field(default_factory=Counters)

    def add(self, counters: Counters) -> None:
        self.past = plus(self.past, counters)


def plus(one: Counters, other: Counters) -> Counters:
    """Field by field."""
    return Counters(
        **{part.name: getattr(one, part.name) + getattr(other, part.name) for part in fields(Counters)}
    )


def write(path: Path, present: Mapping[str, Generation], totals: Totals, *, lost: int) -> None:
    """Raises OSError."""
    serving = present.get("serving")
    document = {
        "time": to_wire(datetime.now(UTC)),
        "state": to_wire(_state(present, totals, lost=lost)),
        "pack": serving.version or None if serving else None,
        "workers": [
            {"role": role, "pid": one.pid, "pack": one.version, **asdict(one.counters)}
            for role, one in present.items()
        ],
    }
    write_atomic(path, json.dumps(document).encode() + b"\n", mode=0o644)


def _state(present: Mapping[str, Generation], totals: Totals, *, lost: int) -> BridgeState:
    total = totals.past
    for generation in present.values():
        total = plus(total, generation.counters)
    return BridgeState(
        workers=1 if "serving" in present else 0,
        packets=total.packets,
        blocked=total.blocked,
        neutralised=total.neutralised,
        bypassed=total.missed,
        events_lost=total.lost + lost,
    )
