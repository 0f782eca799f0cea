"""Messages made to fit the wire: a long list is sent in parts, a long text is cut, and the cut is marked."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from omamori.protocol import TooLarge
from omamori.protocol.ids import BootId, UnitId
from omamori.protocol.messages import Hosts, UpBody, Upward, Usage, encode_up

CUT: Final = "…(cut)"
_LONGEST: Final = 2**63 - 1
"""The sequence number with most digits."""


def fitted(body: UpBody, unit: UnitId, boot: BootId) -> Iterator[UpBody]:
    """The body, or its parts, each of which `encode_up` takes. Raises TooLarge where nothing helps."""
    try:
        encode_up(Upward(unit, boot, _LONGEST, body))
        yield body
    except TooLarge:
        for part in smaller(body):
            yield from fitted(part, unit, boot)


def smaller(body: UpBody) -> tuple[UpBody, ...]:
    """The same in smaller messages. Raises TooLarge."""
    if isinstance(body, Hosts) and len(body.hosts) > 1:
        half = len(body.hosts) // 2
        return replace(body, hosts=body.hosts[:half]), replace(body, hosts=body.hosts[half:])
    if isinstance(body, Usage) and len(body.rows) > 1:
        half = len(body.rows) // 2
        return _of_rows(body, 0, half), _of_rows(replace(body, folded=0, missed=0), half, None)
    if not is_dataclass(body) or not (texts := _texts(body)):
        raise TooLarge("a message that cannot be made smaller")
    name, text = max(texts, key=lambda item: len(item[1]))
    if len(text) <= 2 * len(CUT):
        raise TooLarge("a message that cannot be made smaller")
    changed: dict[str, Any] = {name: text[: len(text) // 2] + CUT}
    return (replace(body, **changed),)


def _of_rows(body: Usage, first: int, last: int | None) -> Usage:
    """Some of its rows, with the hosts and subjects of these only."""
    rows = body.rows[first:last]
    hosts = sorted({row[0] for row in rows})
    subjects = sorted({row[1] for row in rows})
    return replace(
        body,
        hosts=tuple(body.hosts[number] for number in hosts),
        subjects=tuple(body.subjects[number] for number in subjects),
        rows=tuple((hosts.index(row[0]), subjects.index(row[1]), *row[2:]) for row in rows),
    )


def _texts(body: UpBody) -> list[tuple[str, str]]:
    values = ((field.name, getattr(body, field.name)) for field in fields(body))
    return [(name, value) for name, value in values if type(value) is str]
