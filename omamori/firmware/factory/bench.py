"""All checks in their order; which are left out, who is asked, and what comes of one that cannot be made at all."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from omamori.firmware.factory import claim, machine, panel, ports, storage
from omamori.firmware.factory.report import Line, judged, skipped
from omamori.firmware.host.paths import Paths

NAMES: Final = ("ports", "storage", "lamp", "button", "claim", "memory", "processor", "clock")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the factory wants of one run. Without a `person` nobody is asked."""

    left_out: Collection[str] = ()
    unit: str | None = None
    person: panel.Person | None = None


def run(paths: Paths, wishes: Wishes) -> Iterator[Line]:
    """Each line as soon as it is known."""
    for name, check in _checks(paths, wishes).items():
        if name in wishes.left_out:
            yield skipped(name, "left out, as ordered")
            continue
        try:
            yield from check()
        except (OSError, ValueError) as error:
            yield judged(name, f"cannot be tested: {error}", good=False)


def _checks(paths: Paths, wishes: Wishes) -> dict[str, Callable[[], Iterator[Line]]]:
    checks: tuple[Callable[[], Iterator[Line]], ...] = (
        partial(ports.check, paths.root),
        partial(storage.check, paths),
        partial(panel.lamp, paths, wishes.person),
        partial(panel.button, paths.root, wishes.person),
        partial(claim.check, paths, wishes.unit),
        partial(machine.memory, paths.root),
        partial(machine.processor, paths.root),
        partial(machine.clock, paths),
    )
    return dict(zip(NAMES, checks, strict=True))
