"""A unit that lost its power or bits of its disk, switched on again: it must forward, run a version known to be good, and arrive where it should."""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.appliance import ROUTER, Site, powered
from lab.chaos.cuts import NEW, NEW_PACK, OLD, OLD_PACK, Cut, Supplies, arrive
from lab.demo.report import StepFailed
from lab.guest import GuestError
from lab.namespaces import reaches
from lab.qmp import QmpError

_PACKS = {"pack": {OLD_PACK, NEW_PACK}, "rest": {NEW_PACK}}
"""Which pack may be in force after a cut, by what the unit did: while it is exchanged, and when it has told the new one."""


@dataclass(slots=True)
class Revival:
    """What a cut or rot led to. Seconds from power-on; `problems` is empty where all was well."""

    number: int
    doing: str
    forwards: float | None = None
    answers: float | None = None
    runs: str = ""
    arrives: float | None = None
    again: bool = False
    """Whether the version had to be ordered a second time, because the cut had used up its try."""
    fault: bool = False
    """Whether it was no cut, but one of `faults`."""
    problems: list[str] = field(default_factory=list)

    @property
    def rotten(self) -> bool:
        """Whether its slot lost bits."""
        return self.doing.startswith("rot")

    @property
    def patience(self) -> int:
        """Seconds until it must forward: damage takes some starts that come to nothing."""
        return 900 if self.rotten or self.fault else 300

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def line(self) -> str:
        said = "; ".join(problem.splitlines()[0] for problem in self.problems) or "well"
        times = " ".join(
            f"{value:6.1f}" if value is not None else "     -"
            for value in (self.forwards, self.answers, self.arrives)
        )
        return f"{self.number:4}  {self.doing:17} {times}  {self.runs:6} {said}"


def revive(supplies: Supplies, cut: Cut, *, follow: bool) -> Revival:
    """Switch it on and look; `follow`: until it has the wanted firmware and pack, too."""
    seen = Revival(cut.number, cut.doing)
    with judged(seen):
        look(supplies, cut.folder, seen, follow=follow)
    return seen


@contextlib.contextmanager
def judged(seen: Revival) -> Iterator[None]:
    """What does not come off is one of its problems."""
    try:
        yield
    except (GuestError, QmpError, StepFailed, OSError) as error:
        seen.problems.append(f"after {seen.doing}: {error}")


def look(
    supplies: Supplies,
    folder: Path,
    seen: Revival,
    *,
    follow: bool,
    keys: Path | None = None,
    unreadable: tuple[int, ...] = (),
) -> None:
    """As `revive`; raises what `judged` takes. `unreadable`: sectors during the first start; it arrives in the one after."""
    began = time.monotonic()
    with powered(supplies.image, folder, keys=keys, unreadable=unreadable) as site:
        stand(site, seen, began)
        if follow and not unreadable:
            settle(supplies, site, seen, began)
    if follow and unreadable:
        with powered(supplies.image, folder, keys=keys) as site:
            site.guest.wait_for_ssh(seconds=seen.patience)
            settle(supplies, site, seen, began)


def stand(site: Site, seen: Revival, began: float) -> None:
    """It forwards, answers, and runs what was ordered; where the pack was exchanged, the engine has one that was."""
    guest = site.guest
    guest.wait(
        lambda: reaches(site.lan, ROUTER), seconds=seen.patience, what="a packet to get through", pause=0
    )
    seen.forwards = round(time.monotonic() - began, 1)
    guest.wait_for_ssh(seconds=seen.patience)
    seen.answers = round(time.monotonic() - began, 1)
    seen.runs = site.running()[0]
    if seen.runs not in {OLD, NEW}:
        seen.problems.append(f"runs {seen.runs!r}, which nobody ordered")
    if packs := _PACKS.get(seen.doing):
        guest.wait(
            lambda: _inspects(site, packs), seconds=seen.patience, what="a pack in force that was ordered"
        )


def _inspects(site: Site, packs: set[str]) -> bool:
    """The engine, with one of these."""
    told = site.guest.ssh("cat /run/omamori/bridge/status.json", check=False)
    status = json.loads(told) if told else {}
    return status.get("self_test") == "passed" and status.get("pack") in packs


def settle(supplies: Supplies, site: Site, seen: Revival, began: float) -> None:
    """It arrives at what is wanted."""
    with site.serving(supplies.served):
        if seen.rotten and seen.runs == OLD:
            _replaced(site)
        seen.again = arrive(site, lambda _: None)
    seen.runs = site.running()[0]
    seen.arrives = round(time.monotonic() - began, 1)


def _replaced(site: Site) -> None:
    """It says why it runs the other slot's version, and what is wanted is staged afresh. Raises GuestError where not."""
    guest = site.guest
    told = f"journalctl --boot --quiet --no-pager --grep 'slot: {NEW} in slot b was started'"
    guest.wait(lambda: guest.ssh(told, check=False), seconds=300, what="the reason", pause=1)
    site.want(NEW, pack=NEW_PACK, generation=3)
    guest.wait(lambda: site.in_phase(NEW, "staged"), seconds=600, what=f"{NEW} staged afresh", pause=1)
