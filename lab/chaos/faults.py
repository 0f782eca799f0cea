"""What else may befall a unit than the loss of its power: bits of its boot partition and data, sectors that cannot be read, a full disk, bad servers.

One unit lives: fresh from the factory it meets the bad servers, one after the other, then gets its new firmware from a good one and
is switched off. Every fault of the disk befalls a copy of that. For a fleet that is gone there is a unit with one (`fleet`). All are judged alike: it forwards, runs a version that was
ordered, and arrives at what is wanted, at the latest when the fault is over.
"""

import contextlib
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.appliance import ROUTER, Factory, Site, powered
from lab.chaos.cuts import NEW, OLD, Cut, Supplies, arrive
from lab.chaos.disks import Disk
from lab.chaos.fleet import GONE, bereave
from lab.chaos.revival import Revival, judged, look, settle, stand
from lab.chaos.servers import MODES
from lab.namespaces import PYTHON, reaches
from omamori.image.state import State

DATA: Final = "/var/lib/omamori"
COUNTS: Final = "cat /sys/firmware/efi/efivars/OmamoriStarts-* | tail -c 4"
_PATIENCE: Final = 400


@dataclass(frozen=True, slots=True)
class Server:
    """`mode`: one of `lab.chaos.servers`, or how old an honest one's repository is; `reason`: what the unit says of it."""

    mode: str
    reason: str


SERVERS: Final = {
    "lying-server": Server("lying", "hash"),
    "forging-server": Server("forging", "signature"),
    "stalling-server": Server("stalling", "slow"),
    "truncating-server": Server("truncating", "network"),
    "replaying-server": Server("before", "unpublished"),
    "old-metadata": Server("first", "rollback"),
}


def _superblocks(disk: Disk) -> None:
    for place in disk.superblocks():
        disk.turn("omamori-data", place, 200)


DISKS: Final[dict[str, Callable[[Disk], object]]] = {
    "esp-kernel": lambda disk: disk.turn_in_file(disk.entry(NEW), ".linux"),
    "esp-initrd": lambda disk: disk.turn_in_file(disk.entry(NEW), ".initrd"),
    "esp-other": lambda disk: disk.turn_in_file(disk.entry(OLD), ".linux"),
    "esp-loader": lambda disk: disk.turn_in_file(disk.loaders()[0], ".text"),
    "esp-loader-second": lambda disk: disk.turn_in_file(disk.loaders()[1], ".text"),
    "data-superblock": lambda disk: disk.turn("omamori-data", 1024, 200),
    "data-inodes": lambda disk: disk.turn("omamori-data", disk.inodes(), 4096),
    "data-journal": lambda disk: disk.turn("omamori-data", disk.journal()),
    "data-lost": _superblocks,
}
"""Bits that turn while the unit is off."""
ERRORS: Final[dict[str, tuple[str, int]]] = {
    "read-errors-slot": ("root-b", 0),
    "read-errors-data": ("omamori-data", 1024),
}
"""Partition and byte that cannot be read during one start; the next one is without the fault."""
FULL: Final = "full-disk"
NAMES: Final = (*SERVERS, *DISKS, *ERRORS, FULL, GONE)


def chosen(names: str) -> tuple[str, ...]:
    """Names with commas between, `all` or `none`, in the order they are tried. Raises ValueError for a name that is none."""
    asked = {"all": NAMES, "none": ()}.get(names, tuple(names.split(",")))
    if unknown := [name for name in asked if name not in NAMES]:
        raise ValueError(f"no fault is called {unknown[0]!r}: {', '.join(NAMES)}")
    return tuple(name for name in NAMES if name in asked)


def befall(
    supplies: Supplies,
    factory: Factory,
    place: Path,
    names: tuple[str, ...],
    chance: random.Random,
    first: int,
) -> Iterator[Revival]:
    """What each fault led to, numbered from `first`. `place` must stay until the end."""
    keys = State.of().secure_boot
    served = [name for name in names if name in SERVERS]
    kept = [
        Cut(first + len(served) + n, name, place / name)
        for n, name in enumerate(n for n in names if n not in (*SERVERS, GONE))
    ]
    if GONE in names:
        yield bereave(supplies, place / GONE, first + len(served) + len(kept))
    if not served and not kept:
        return
    with powered(supplies.image, place / "life", keys=keys) as site:
        site.guest.wait_for_ssh(seconds=_PATIENCE)
        if served:
            _remember(factory.place / "www", place / "first")
            _get(site, factory, "1.1.0", generation=10)
        for number, name in enumerate(served, start=first):
            yield _meet(site, factory, place, name, number)
        if not kept:
            return
        with site.serving(supplies.served):
            arrive(site, lambda _: None)
        site.guest.wait(lambda: len(site.good()) == 2, seconds=_PATIENCE, what="two good slots", pause=1)
        _restart(site)  # only now is the boot loader told what to take without the one that runs
        site.guest.ssh("sync")
        for cut in kept:
            site.guest.keep(cut.folder)
    for cut in kept:
        yield _suffer(supplies, cut, chance, keys)


def _restart(site: Site) -> None:
    boot = site.guest.boot_id()
    site.guest.ssh("systemctl reboot", check=False)
    site.guest.wait_for_reboot(boot, seconds=_PATIENCE)
    site.guest.wait(
        lambda: site.guest.ssh(COUNTS) == "a0b0", seconds=_PATIENCE, what="a healthy unit", pause=1
    )


# --- servers


def _meet(site: Site, factory: Factory, place: Path, name: str, number: int) -> Revival:
    """A pack and a firmware are ordered that this server is to give; then a good one is there for the pack."""
    seen, server = Revival(number, name, fault=True), SERVERS[name]
    with judged(seen):
        _encounter(site, factory, place, server, seen)
    return seen


def _encounter(site: Site, factory: Factory, place: Path, server: Server, seen: Revival) -> None:
    number = seen.number + 1
    pack, published = f"1.1.{number}", factory.place / "www"
    _remember(published, place / "before")
    factory.publish(packs=(factory.pack(pack),))
    began = time.monotonic()
    with _serving(site, server, place, published):
        site.want(NEW, pack=pack, generation=10 + 2 * number)
        site.guest.wait(
            lambda: str(site.update().get("error", "")).startswith(f"{server.reason}:"),
            seconds=_PATIENCE,
            what=f"the word {server.reason}",
            pause=1,
        )
        seen.answers = round(time.monotonic() - began, 1)
        site.guest.wait(lambda: reaches(site.lan, ROUTER), seconds=10, what="a packet to get through")
        seen.forwards = 0.0
        seen.runs = site.running()[0]
        if seen.runs != OLD or site.told().get("pack") == pack:
            seen.problems.append(f"took what it should have refused: {site.told()}")
    began = time.monotonic()
    _get(site, factory, pack, generation=11 + 2 * number)
    seen.arrives = round(time.monotonic() - began, 1)


def _get(site: Site, factory: Factory, pack: str, *, generation: int) -> None:
    """A good server is there, and the pack is taken; the firmware that runs is the wanted one."""
    if not (factory.place / f"{pack}.pack").exists():
        factory.publish(packs=(factory.pack(pack),))
    with site.serving(factory.place / "www"):
        site.want(OLD, pack=pack, generation=generation)
        in_force = f"pack {pack} in force"
        site.guest.wait(lambda: site.told().get("pack") == pack, seconds=_PATIENCE, what=in_force, pause=1)


def _remember(published: Path, copy: Path) -> None:
    """The metadata of now, over the contents of whenever."""
    if copy.exists():
        shutil.rmtree(copy)
    shutil.copytree(published / "tuf/metadata", copy / "tuf/metadata")
    (copy / "tuf/targets").symlink_to(published / "tuf/targets")


def _serving(
    site: Site, server: Server, place: Path, published: Path
) -> contextlib.AbstractContextManager[object]:
    if server.mode not in MODES:
        return site.serving(place / server.mode)
    words = (PYTHON, "-m", "lab.chaos.servers", server.mode, "8000", "--bind", ROUTER)
    return site.wan.running(*words, "--directory", published)


# --- disks


def _suffer(supplies: Supplies, cut: Cut, chance: random.Random, keys: Path) -> Revival:
    seen = Revival(cut.number, cut.doing, fault=True)
    with judged(seen):
        if cut.doing == FULL:
            _fill(supplies, cut, seen, keys)
        else:
            disk = Disk.of(cut.folder, chance)
            sectors: tuple[int, ...] = ()
            if cut.doing in DISKS:
                DISKS[cut.doing](disk)
            else:
                sectors = (disk.sector(*ERRORS[cut.doing]),)
            look(supplies, cut.folder, seen, follow=True, keys=keys, unreadable=sectors)
    return seen


def _fill(supplies: Supplies, cut: Cut, seen: Revival, keys: Path) -> None:
    """Not a byte is left of the data partition, and then the power goes; a healthy start is one all the same."""
    with powered(supplies.image, cut.folder, keys=keys) as site:
        site.guest.wait_for_ssh(seconds=_PATIENCE)
        site.guest.ssh(
            f"cd {DATA}; while fallocate -l 64M hog$((n+=1)); do :; done; dd if=/dev/zero of=hog bs=4k; sync; ! touch full 2>/dev/null || rm full",
            timeout=_PATIENCE,
        )
    with powered(supplies.image, cut.folder, keys=keys) as site:
        began, guest = time.monotonic(), site.guest
        stand(site, seen, began)
        guest.wait(
            lambda: guest.ssh(COUNTS) == "a0b0", seconds=_PATIENCE, what="the start to be healthy", pause=1
        )
        guest.ssh(f"rm {DATA}/hog*")
        settle(supplies, site, seen, began)
