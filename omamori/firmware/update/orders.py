"""What somebody at the unit orders, beside what the fleet wants: an update from a mirror or a USB stick. Pure.

It holds until the fleet wants something newer, so that the timer does not take back what a technician has just staged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from omamori.firmware.update.machine import ByHand
from omamori.protocol.errors import ProtocolError
from omamori.protocol.messages import Want
from omamori.protocol.version import Version


class Newest:
    """An order for whatever is newest where one looks."""


def effective(want: Want | None, by_hand: ByHand | None) -> Want | None:
    """What is wanted, all in all."""
    if by_hand is None or (want is not None and want.generation > by_hand.generation):
        return want
    return replace(want or Want(0), firmware=by_hand.version)


def order(version: Version, want: Want | None) -> ByHand:
    """For this version, until the fleet speaks again."""
    return ByHand(version, want.generation if want else 0)


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
