"""A unit that lost its power or bits of its disk, switched on again: it must forward, run a version known to be good, and arrive where it should."""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.appliance import ROUTER, Site, powered
from lab.chaos.cuts import NEW, NEW_PACK, OLD, Cut, Supplies, arrive
from lab.guest import GuestError
from lab.namespaces import reaches
from lab.qmp import QmpError


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
    problems: list[str] = field(default_factory=list)

    @property
    def rotten(self) -> bool:
        """Whether it lost bits."""
        return self.doing.startswith("rot")

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def line(self) -> str:
        said = "; ".join(problem.splitlines()[0] for problem in self.problems) or "well"
        times = " ".join(
            f"{value:6.1f}" if value is not None else "     -"
            for value in (self.forwards, self.answers, self.arrives)
        )
        return f"{self.number:4}  {self.doing:12} {times}  {self.runs:6} {said}"


def revive(supplies: Supplies, cut: Cut, *, follow: bool) -> Revival:
    """Switch it on and look; `follow`: until it has the wanted firmware and pack, too."""
    seen = Revival(cut.number, cut.doing)
    try:
        _look(supplies, cut.folder, seen, follow=follow)
    except (GuestError, QmpError, OSError) as error:
        seen.problems.append(f"after {'' if seen.rotten else 'a cut while '}{cut.doing}: {error}")
    return seen


def _look(supplies: Supplies, folder: Path, seen: Revival, *, follow: bool) -> None:
    began = time.monotonic()
    with powered(supplies.image, folder) as site:
        guest = site.guest
        patience = 900 if seen.rotten else 300  # rot takes some starts that come to nothing
        guest.wait(
            lambda: reaches(site.lan, ROUTER), seconds=patience, what="a packet to get through", pause=0
        )
        seen.forwards = round(time.monotonic() - began, 1)
        guest.wait_for_ssh(seconds=300)
        seen.answers = round(time.monotonic() - began, 1)
        seen.runs = site.running()[0]
        if seen.runs not in {OLD, NEW}:
            seen.problems.append(f"runs {seen.runs!r}, which nobody ordered")
        passed_over = seen.rotten and seen.runs == OLD
        if follow:
            with site.serving(supplies.served):
                if passed_over:
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
