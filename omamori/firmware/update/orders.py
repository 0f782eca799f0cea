"""What is wanted: by the fleet, as its agent wrote it, and by somebody at the unit (from a mirror or a USB stick). Pure, but for the reading.

It holds while the fleet wants the firmware that it wanted then, so that neither the timer nor a customer who chooses another window takes back what a technician has just staged.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from omamori.firmware.host import files
from omamori.firmware.update.errors import Unpublished
from omamori.firmware.update.machine import ByHand, Journal
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.messages import Want
from omamori.protocol.version import Version


class Newest:
    """An order for whatever is newest where one looks."""


class Plugged(Newest):
    """The same by a stick that somebody has plugged in, and perhaps left there: at each start it is looked at again."""


def of_fleet(file: Path, say: Callable[[str, str], None]) -> Want | None:
    """The newest want; None where there is none, or none that can be read, which is said."""
    try:
        return wire.from_wire(Want, wire.load(files.read_capped(file)))
    except FileNotFoundError:
        return None
    except (OSError, ProtocolError) as error:
        say("error", f"cannot read what is wanted: {error}")
        return None


def effective(want: Want | None, by_hand: ByHand | None) -> Want | None:
    """What is wanted, all in all."""
    if by_hand is None or _over(by_hand, want):
        return want
    return replace(want or Want(0), firmware=by_hand.version)


def order(version: Version, want: Want | None) -> ByHand:
    """For this version, while the fleet wants what it wants now."""
    return ByHand(version, want.generation, want.firmware) if want else ByHand(version, 0)


def _over(by_hand: ByHand, want: Want | None) -> bool:
    return want is not None and want.generation > by_hand.generation and want.firmware != by_hand.instead_of


def plugged(version: Version, want: Want | None, journal: Journal) -> ByHand:
    """The order of a stick, each version once. Raises Unpublished where it was given up, or the fleet has spoken since."""
    before = journal.by_hand
    if version == journal.rejected:
        raise Unpublished(f"{version} was given up here")
    if before is None or before.version != version:
        return order(version, want)
    if _over(before, want):
        raise Unpublished(f"{version} was ordered before, and the fleet has wanted something else since")
    return before


def newer(want: Want | None, running: Version, variant: str, offered: Callable[[], Iterable[str]]) -> Version:
    """What the fleet wants, where that is newer than what runs, else the newest there is. Raises Unpublished, and as `offered`."""
    if want and want.firmware and want.firmware > running:
        return want.firmware
    version = newest(offered(), variant)
    if version is None or version <= running:
        raise Unpublished(f"nothing newer than {running} for {variant} is there")
    return version


def newest(offered: Iterable[str], variant: str) -> Version | None:
    """The newest bundle for this variant among these target paths."""
    head, tail = f"firmware/{variant}-", ".bundle"
    found = []
    for path in offered:
        if path.startswith(head) and path.endswith(tail):
            try:
                found.append(Version.parse(path[len(head) : -len(tail)]))
            except ProtocolError:
                continue
    return max(found, default=None)


def allows_downgrade(custom: Mapping[str, object] | None, running: Version) -> bool:
    """Whether the signed metadata of an older bundle name the running version as one that may go back to it."""
    listed = (custom or {}).get("downgrade_from")
    return isinstance(listed, list) and str(running) in listed
