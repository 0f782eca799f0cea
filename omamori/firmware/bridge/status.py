"""The bridge's status file: its numbers since the process started, which pack is in force, and who inspects."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from omamori.firmware.bridge.gaps import Gaps, Kernels
from omamori.firmware.bridge.generation import Generation
from omamori.firmware.bridge.report import Counters
from omamori.firmware.host.files import write_atomic
from omamori.protocol.messages import BridgeState, Reason
from omamori.protocol.reasons import MOST, Dropped, Uninspected
from omamori.protocol.wire import to_wire


@dataclass(slots=True)
class Totals:
    """The sums over workers that are gone."""

    past: Counters = field(default_factory=Counters)

    def add(self, counters: Counters) -> None:
        self.past += counters

    def with_present(self, present: Sequence[Generation]) -> Counters:
        """And over those that are here."""
        members = (one for generation in present for one in generation.members.values())
        return sum((one.counters for one in members), self.past)


def write(
    path: Path,
    present: Mapping[str, Generation],
    total: Counters,
    gaps: Gaps,
    *,
    lost: int,
    kernel: Kernels,
    extra: Mapping[str, object],
) -> None:
    """Raises OSError."""
    serving = present.get("serving")
    document = {
        "time": to_wire(datetime.now(UTC)),
        "state": to_wire(_state(serving, total, gaps, lost=lost, kernel=kernel)),
        "pack": serving.version or None if serving else None,
        **extra,
        "drops": total.drops,
        "uninspected": total.uninspected,
        "replies": total.replies,
        "errors": total.errors,
        "gaps": {
            "count": gaps.count,
            "seconds": round(gaps.seconds, 1),
            "packets": gaps.packets,
            "last": gaps.last.text() if gaps.last else "",
        },
        "workers": [
            {
                "role": role,
                "index": one.index,
                "pid": one.pid,
                "pack": generation.version,
                **asdict(one.counters),
            }
            for role, generation in present.items()
            for one in generation.members.values()
        ],
    }
    write_atomic(path, json.dumps(document).encode() + b"\n", mode=0o644)


def _state(
    serving: Generation | None, total: Counters, gaps: Gaps, *, lost: int, kernel: Kernels
) -> BridgeState:
    return BridgeState(
        workers=sum(one.ready for one in serving.members.values()) if serving else 0,
        packets=total.packets,
        blocked=total.blocked,
        neutralised=total.neutralised,
        bypassed=total.missed + total.shed + gaps.packets - gaps.counted,
        events_lost=total.lost + lost,
        dropped=_listed({**total.drops, Dropped.KERNEL: kernel.stopped}),
        uninspected=_listed(
            {
                Uninspected.QUEUE_FULL: total.missed,
                Uninspected.WAITED: total.shed,
                Uninspected.NO_WORKER: gaps.packets - gaps.counted,
                Uninspected.ENGINE_FAILED: total.errors,
                Uninspected.EXEMPT: total.exempt,
                Uninspected.CUT: total.cut,
                Uninspected.WRAPPED: kernel.wrapped,
                **total.overlooked,
            }
        ),
        unfollowed=_listed(total.unfollowed),
    )


def _listed(counts: Mapping[str, int]) -> tuple[Reason, ...]:
    """The most frequent first; a message has room for so many, and there are fewer words."""
    found = sorted((-count, str(name)) for name, count in counts.items() if count > 0)
    return tuple(Reason(name, -count) for count, name in found[:MOST])
