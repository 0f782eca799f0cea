"""Which boxes and cables stand for each wiring code: the one table behind the picture of what is plugged where. Pure data.

A place is (column, row): the column on the left is the way to the internet from top to bottom, the one on the right whatever
stands beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final

from omamori.protocol.messages import Finding
from omamori.protocol.vocabulary import WiringCode


class Box(StrEnum):
    """What can stand in a picture; its words are in `words`."""

    INTERNET = "internet"
    FLEET = "fleet"
    FIRST_ROUTER = "first-router"
    ROUTER = "router"
    UNIT = "unit"
    SWAPPED_UNIT = "swapped-unit"
    HUB = "hub"
    HIDING_ROUTER = "hiding-router"
    SECOND_ROUTER = "second-router"
    DEVICES = "devices"
    ASTRAY = "astray"
    TWINS = "twins"
    OTHER_WAY = "other-way"
    PUBLIC = "public"


class State(StrEnum):
    """Of a cable: as it ought to be, wrong, not connected, or not judged."""

    GOOD = "good"
    BAD = "bad"
    CUT = "cut"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Wire:
    """A cable between two boxes. `shift` keeps two cables between the same boxes apart."""

    one: Box
    other: Box
    state: State = State.GOOD
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture."""

    places: Mapping[Box, tuple[int, int]]
    wires: tuple[Wire, ...]
    marked: frozenset[Box] = frozenset()
    """Boxes that are the matter themselves."""
    moves: bool = False
    """Cables have to be moved: the picture of how it should be is shown beside."""


def scene(finding: Finding | None) -> Scene:
    """The picture for a finding; without one nothing is judged."""
    if finding is None:
        return _RIGHT_UNJUDGED
    if finding.code is WiringCode.SLOW_LINK:
        return _slow(finding)
    return SCENES[finding.code]


def _column(*boxes: Box) -> dict[Box, tuple[int, int]]:
    return {box: (0, row) for row, box in enumerate(boxes)}


def _chain(*boxes: Box, **states: State) -> tuple[Wire, ...]:
    """Cables from box to box; a state is given by the name of the cable's upper box."""
    pairs = pairwise(boxes)
    return tuple(
        Wire(one, other, states.get(one.value.replace("-", "_"), State.GOOD)) for one, other in pairs
    )


_USUAL: Final = (Box.INTERNET, Box.ROUTER, Box.UNIT, Box.HUB, Box.DEVICES)


def _usual(*marked: Box, moves: bool = False, **states: State) -> Scene:
    return Scene(_column(*_USUAL), _chain(*_USUAL, **states), frozenset(marked), moves)


def _beside(below: Scene, box: Box, row: int, *wires: Wire, moves: bool = False) -> Scene:
    """The usual picture with one more box on the right, which is the matter."""
    places = {**below.places, box: (1, row)}
    return Scene(places, (*below.wires, *wires), below.marked | {box}, moves)


RIGHT: Final = _usual()
_RIGHT_UNJUDGED: Final = Scene(RIGHT.places, tuple(replace(wire, state=State.PLAIN) for wire in RIGHT.wires))
_SWAPPED: Final = (Box.INTERNET, Box.ROUTER, Box.SWAPPED_UNIT, Box.HUB, Box.DEVICES)
_DIALLING: Final = (Box.INTERNET, Box.UNIT, Box.ROUTER, Box.HUB, Box.DEVICES)
_HIDING: Final = (Box.INTERNET, Box.ROUTER, Box.UNIT, Box.HIDING_ROUTER, Box.DEVICES)
_DOUBLE: Final = (Box.INTERNET, Box.FIRST_ROUTER, Box.ROUTER, Box.UNIT, Box.HUB, Box.DEVICES)
_ROUND: Final = (Box.INTERNET, Box.ROUTER, Box.HUB, Box.DEVICES)


def _slow(finding: Finding) -> Scene:
    """The evidence begins with the port's name."""
    ports = {fact.partition(":")[0] for fact in finding.evidence}
    wan = State.BAD if "wan0" in ports or "lan0" not in ports else State.GOOD
    lan = State.BAD if "lan0" in ports or "wan0" not in ports else State.GOOD
    return _usual(router=wan, unit=lan)


SCENES: Final[Mapping[WiringCode, Scene]] = {
    WiringCode.OK: RIGHT,
    WiringCode.WAN_CABLE_MISSING: _usual(router=State.CUT),
    WiringCode.LAN_CABLE_MISSING: _usual(unit=State.CUT),
    WiringCode.BOTH_PORTS_SAME_SWITCH: Scene(
        {**_column(*_ROUND), Box.UNIT: (1, 2)},
        (
            *_chain(*_ROUND),
            Wire(Box.HUB, Box.UNIT, State.BAD, shift=-11),
            Wire(Box.HUB, Box.UNIT, State.BAD, shift=11),
        ),
        frozenset({Box.UNIT}),
        moves=True,
    ),
    WiringCode.PPPOE_UPSTREAM: Scene(
        _column(*_DIALLING),
        _chain(*_DIALLING, internet=State.BAD, unit=State.BAD),
        frozenset({Box.UNIT}),
        moves=True,
    ),
    WiringCode.PORTS_SWAPPED: Scene(
        _column(*_SWAPPED),
        _chain(*_SWAPPED, router=State.BAD, swapped_unit=State.BAD),
        frozenset({Box.SWAPPED_UNIT}),
        moves=True,
    ),
    WiringCode.VLAN_ONLY: _usual(Box.UNIT, router=State.BAD, unit=State.BAD),
    WiringCode.ROGUE_DHCP: _beside(
        RIGHT, Box.SECOND_ROUTER, 3, Wire(Box.HUB, Box.SECOND_ROUTER, State.BAD), moves=True
    ),
    WiringCode.ADDRESS_CONFLICT: _beside(RIGHT, Box.TWINS, 3, Wire(Box.HUB, Box.TWINS, State.BAD)),
    WiringCode.NO_HOSTS_BEHIND: _beside(
        _usual(hub=State.CUT), Box.ASTRAY, 1, Wire(Box.ROUTER, Box.ASTRAY, State.BAD), moves=True
    ),
    WiringCode.HOSTS_BYPASS: _beside(
        RIGHT, Box.ASTRAY, 1, Wire(Box.ROUTER, Box.ASTRAY, State.BAD), moves=True
    ),
    WiringCode.NO_ADDRESS: _usual(Box.UNIT),
    WiringCode.CLOCK_WRONG: _usual(Box.UNIT),
    WiringCode.CAPTIVE_OR_PROXY: _usual(internet=State.BAD),
    WiringCode.NO_INTERNET: _usual(internet=State.CUT),
    WiringCode.FLEET_UNREACHABLE: _beside(RIGHT, Box.FLEET, 0, Wire(Box.INTERNET, Box.FLEET, State.CUT)),
    WiringCode.NAT_BEHIND: Scene(_column(*_HIDING), _chain(*_HIDING), frozenset({Box.HIDING_ROUTER})),
    WiringCode.SILENT: _beside(
        RIGHT,
        Box.OTHER_WAY,
        1,
        Wire(Box.OTHER_WAY, Box.HUB, State.BAD),
        Wire(Box.INTERNET, Box.OTHER_WAY, State.BAD),
        moves=True,
    ),
    WiringCode.PUBLIC_ADDRESS_INSIDE: _beside(RIGHT, Box.PUBLIC, 3, Wire(Box.HUB, Box.PUBLIC)),
    WiringCode.DOUBLE_NAT: Scene(_column(*_DOUBLE), _chain(*_DOUBLE), frozenset({Box.FIRST_ROUTER})),
    WiringCode.SLOW_LINK: _usual(router=State.BAD, unit=State.BAD),
}
