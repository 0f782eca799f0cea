"""The moments at which a unit's power might go: its disk as it is then, kept while the unit lives on.

One unit is started for the first time, given a firmware and then a signature pack, and does with them what it always does.
Meanwhile its disk is kept at random moments. Each is what a cut at that moment would leave; `revival` starts it again.
"""

import contextlib
import math
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.appliance import Factory, Site, powered
from lab.guest import Guest, GuestError
from omamori.image.build import Image

OLD, NEW = "8.0.0", "8.0.1"
OLD_PACK, NEW_PACK = "1.0.0", "1.0.1"
_PHASES = {
    "first boot": (0.2, 25.0),
    "staging": (0.5, 40.0),
    "trial": (0.85, 50.0),
    "pack": (0.95, 10.0),
    "rest": (1.0, 5.0),
}
"""What a unit does in its life: the share of all cuts that are made by its end, and about how many seconds it takes."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A moment: which it was, what the unit was doing, and the folder that a `Guest` starts from."""

    number: int
    doing: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Supplies:
    """What a life needs: the image it begins with, and a published update and pack."""

    image: Image
    served: Path

    @classmethod
    def made(cls, factory: Factory) -> "Supplies":
        old, new = factory.image(OLD), factory.image(NEW)
        return cls(old, factory.publish(new, packs=(factory.pack(NEW_PACK),)))


class Cutter:
    """Keeps the guest's disk every few seconds, by chance, from another thread."""

    def __init__(self, folder: Path, wanted: int, chance: random.Random, first: int = 0) -> None:
        self.doing = "first boot"
        self.made: list[Cut] = []
        self.amiss: Exception | None = None
        self._folder, self._wanted, self._chance, self._first = folder, wanted, chance, first
        self._over = threading.Event()

    def note(self, doing: str) -> None:
        """What the unit is doing from now on."""
        self.doing = doing

    def is_full(self) -> bool:
        """Whether it has all it was asked for, or will not get it."""
        return len(self.made) == self._wanted or self.amiss is not None

    @contextlib.contextmanager
    def cutting(self, guest: Guest) -> Iterator[None]:
        """Raises what went wrong in the thread, afterwards."""
        thread = threading.Thread(target=self._run, args=(guest,))
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
        if self.amiss:
            raise self.amiss

    def _run(self, guest: Guest) -> None:
        while len(self.made) < self._wanted:
            share, seconds = _PHASES[self.doing]
            due = math.ceil(share * self._wanted) - len(self.made)
            pause = self._chance.uniform(0, 2 * seconds / due) if due > 0 else 0.5
            if self._over.wait(pause):
                return
            if due <= 0:
                continue
            number = self._first + len(self.made)
            cut = Cut(number, self.doing, self._folder / f"cut-{number}")
            try:
                guest.keep(cut.folder)
            except Exception as error:  # noqa: BLE001 - told by `cutting`, in the thread that waits
                self.amiss = error
                return
            self.made.append(cut)


def live(supplies: Supplies, place: Path, wanted: int, chance: random.Random, *, first: int = 0) -> list[Cut]:
    """`wanted` moments of one life, in their order, numbered from `first`. `place` must stay as long as they are used."""
    cutter = Cutter(place, wanted, chance, first)
    with powered(supplies.image, place / "life") as site, cutter.cutting(site.guest):
        site.guest.wait_for_ssh(seconds=300)
        with site.serving(supplies.served):
            arrive(site, cutter.note)
        cutter.note("rest")
        site.guest.wait(cutter.is_full, seconds=300, what="the last cut")  # at moments by chance
    return cutter.made


def arrive(site: Site, note: Callable[[str], None]) -> bool:
    """Want the new firmware and then the new pack, until the unit has both for good. Raises GuestError where it does not.

    `note` hears what the unit is doing. Staged firmware is started at once, whatever the unit had been through before. An
    image of the test variant gets one try where the product gets three: a cut in it takes it, the unit goes back and says
    so, and a person orders the version again. True where that was needed.
    """
    note("staging")
    site.want(NEW)
    again = not _tried(site, note)
    if again:
        site.guest.ssh(f"omamori-unit update --version {NEW}", timeout=400)
        if not _tried(site, note):
            raise GuestError(f"{NEW} was given up twice: {site.update()}; {site.running()} runs")
    note("pack")
    site.want(NEW, pack=NEW_PACK, generation=2)
    site.guest.wait(
        lambda: site.told().get("pack") == NEW_PACK, seconds=300, what=f"pack {NEW_PACK} in force", pause=1
    )
    return again


def _tried(site: Site, note: Callable[[str], None]) -> bool:
    """Wait until it is staged and start it, or for the end of a trial that runs. Whether it is what runs now, for good.

    Of a trial that the loss of power began the unit still says for some seconds what it said before: that it is staged.
    """
    guest = site.guest
    guest.wait(
        lambda: site.in_phase(NEW, "staged", "committed", "failed") or _settled(site),
        seconds=400,
        what=f"{NEW} staged",
        pause=1,
    )
    if site.in_phase(NEW, "staged"):
        note("trial")
        if site.running()[0] != NEW:
            boot = guest.boot_id()
            site.apply_now()
            guest.wait_for_reboot(boot, seconds=400)
        ended = f"the end of {NEW}"
        guest.wait(lambda: site.in_phase(NEW, "committed", "failed"), seconds=300, what=ended, pause=1)
    return _settled(site)


def _settled(site: Site) -> bool:
    """The new firmware runs for good. A unit whose data was made anew does not know how it came there: it is healthy, and has nothing to do."""
    told = site.told()
    at_rest = told.get("healthy") is True and told.get("update", {}).get("phase") == "idle"
    return (at_rest or site.in_phase(NEW, "committed")) and site.running()[0] == NEW
