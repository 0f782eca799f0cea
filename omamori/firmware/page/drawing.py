"""A scene as inline SVG: no scripts, no styles of its own, signs as well as colours. Pure."""

from typing import Final

from omamori.firmware.page.markup import Html, joined, tag
from omamori.firmware.page.scenes import Box, Scene, State, Wire
from omamori.firmware.page.words import Words

_WIDTH: Final = 364
_BOX: Final = (150, 48)
_ROW: Final = 86
_COLUMNS: Final = (80, 276)
"""Where the middles of the two columns are."""
_TOP: Final = 13
_UNITS: Final = {Box.UNIT: ("WAN", "LAN"), Box.SWAPPED_UNIT: ("LAN", "WAN")}
_SIGNS: Final = {State.BAD: "!", State.CUT: "✕"}


def drawing(scene: Scene, words: Words, *, caption: str) -> Html:
    """The picture with its caption as its name for those who do not see it."""
    height = _TOP * 2 + _BOX[1] + _ROW * max(row for _, row in scene.places.values())
    return tag(
        "svg",
        tag("title", caption),
        *(_wire(scene, wire) for wire in scene.wires),
        *(_box(scene, box, words) for box in scene.places),
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_label=caption,
    )


def _middle(scene: Scene, box: Box) -> tuple[int, int]:
    column, row = scene.places[box]
    alone = all(each == 0 for each, _ in scene.places.values())
    return _WIDTH // 2 if alone else _COLUMNS[column], _TOP + _BOX[1] // 2 + row * _ROW


def _box(scene: Scene, box: Box, words: Words) -> Html:
    x, y = _middle(scene, box)
    kind = "unit" if box in _UNITS else "box"
    marked = " marked" if box in scene.marked else ""
    left, top = x - _BOX[0] // 2, y - _BOX[1] // 2
    shape = tag("rect", x=left, y=top, width=_BOX[0], height=_BOX[1], rx=8, class_=kind + marked)
    name = tag("text", words.boxes[box], x=x, y=y + 5, class_=f"{kind}-name")
    ports = _ports(*_UNITS[box], x, top) if box in _UNITS else None
    badge = _badge("!", x + _BOX[0] // 2 - 2, top + 2) if box in scene.marked else None
    return tag("g", shape, name, ports, badge)


def _ports(above: str, below: str, x: int, top: int) -> Html:
    return joined(
        tag("text", above, x=x, y=top + 13, class_="port"),
        tag("text", below, x=x, y=top + _BOX[1] - 4, class_="port"),
    )


def _wire(scene: Scene, wire: Wire) -> Html:
    path, (x, y) = _path(_middle(scene, wire.one), _middle(scene, wire.other), wire.shift)
    sign = _badge(_SIGNS[wire.state], x, y) if wire.state in _SIGNS else None
    return tag("g", tag("path", d=path, class_=f"wire {wire.state}"), sign)


def _path(one: tuple[int, int], other: tuple[int, int], shift: int) -> tuple[str, tuple[int, int]]:
    """The path, and where its sign stands: straight within a column or row, else round one corner."""
    (x1, y1), (x2, y2) = one, other
    if x1 == x2:
        return f"M{x1 + shift} {y1}V{y2}", (x1 + shift, (y1 + y2) // 2)
    if y1 == y2:
        return f"M{x1} {y1 + shift}H{x2}", ((x1 + x2) // 2, y1 + shift)
    corner = (x2, y1) if y1 < y2 and x2 > x1 else (x1, y2)
    middle = (corner[0], (y1 + y2) // 2)
    if corner == (x2, y1):
        return f"M{x1} {y1}H{x2}V{y2}", middle
    return f"M{x1} {y1}V{y2}H{x2}", middle


def _badge(sign: str, x: int, y: int) -> Html:
    return tag(
        "g",
        tag("circle", cx=x, cy=y, r=10, class_="badge"),
        tag("text", sign, x=x, y=y + 5, class_="sign"),
    )
