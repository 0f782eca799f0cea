"""The list of hosts that ought to be covered, as a customer types or uploads it: one a line, a name and, where known, a MAC address.

Pure: bytes in, declarations out, or every fault with its line. Nothing is taken from a list with a fault. UTF-8 and the
Shift_JIS of Japanese spreadsheets are read, with commas or tabs, with or without a heading.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from omamori.fleet.errors import Invalid

BYTES_CAP: Final = 64 * 1024
LINES_CAP: Final = 1000
FAULTS_CAP: Final = 20
"""Faults told at once: the first."""
NAME_CAP: Final = 120
_NAME_HEADINGS: Final = frozenset(
    {"name", "host", "device", "名前", "機器名", "端末名", "ホスト名", "コンピューター名"}
)
_MAC_HEADINGS: Final = frozenset({"mac", "mac address", "macアドレス", "物理アドレス"})
_MAC: Final = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Declaration:
    """A host that ought to be covered; without a MAC address it is known by its name."""

    name: str
    mac: str = ""


class Wrong(StrEnum):
    """What can be wrong with a list, or one line of it."""

    TOO_BIG = "the list is larger than 64 KB"
    TOO_LONG = "the list has more than 1000 lines"
    NO_TEXT = "this is no text: save the list as CSV (UTF-8)"
    EMPTY = "there is no host in the list"
    BAD_QUOTES = "the quotes do not end"
    NO_NAME = "there is no name"
    BAD_NAME = "the name is too long or cannot be shown"
    BAD_MAC = "this is no MAC address"
    TWICE = "this host is in the list already"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; line 0 is the whole list."""

    line: int
    wrong: Wrong
    text: str = ""

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return place + self.wrong.value + (f": {self.text!r}" if self.text else "")


class Unreadable(Invalid):
    """A list with faults; `faults` has the first of them."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)[:FAULTS_CAP]
        super().__init__("; ".join(map(str, self.faults)))


def read(raw: bytes) -> list[Declaration]:
    """Every host of the list. Raises Unreadable."""
    if len(raw) > BYTES_CAP:
        raise Unreadable([Fault(0, Wrong.TOO_BIG)])
    return judge(_without_heading(_rows(_text(raw))))


def judge(rows: Iterable[tuple[int, Mapping[str, str]]]) -> list[Declaration]:
    """Numbered rows with `name` and `mac` as hosts. Raises Unreadable."""
    found, faults = _judged(rows)
    if faults:
        raise Unreadable(faults)
    if not found:
        raise Unreadable([Fault(0, Wrong.EMPTY)])
    return found


def mac_of(text: str) -> str:
    """A MAC address as people and programs write it, in the form hosts have; empty where it is none."""
    digits = re.sub(r"[\s:.-]", "", text.lower())
    return ":".join(re.findall("..", digits)) if _MAC.fullmatch(digits) else ""


def _text(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "cp932"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise Unreadable([Fault(0, Wrong.NO_TEXT)])


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Lines with something in them, numbered as an editor numbers them."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > LINES_CAP + 2:
        raise Unreadable([Fault(0, Wrong.TOO_LONG)])
    reader = csv.reader((f"{line}\n" for line in lines), delimiter="\t" if "\t" in text else ",", strict=True)
    try:
        cells = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise Unreadable([Fault(reader.line_num, Wrong.BAD_QUOTES)]) from error
    return [(line, row) for line, row in cells if any(row)]


def _without_heading(rows: list[tuple[int, list[str]]]) -> list[tuple[int, Mapping[str, str]]]:
    """Rows by `name` and `mac`, in the order a heading gives; without one the name comes first."""
    columns = ["name", "mac"]
    if rows and (heading := [_heading(cell) for cell in rows[0][1]]) and "name" in heading:
        columns, rows = heading, rows[1:]
    return [(line, dict(zip(columns, row, strict=False))) for line, row in rows]


def _heading(cell: str) -> str:
    told = cell.casefold()
    if told in _NAME_HEADINGS:
        return "name"
    return "mac" if told in _MAC_HEADINGS else ""


def _judged(rows: Iterable[tuple[int, Mapping[str, str]]]) -> tuple[list[Declaration], list[Fault]]:
    found: dict[str, Declaration] = {}
    faults: list[Fault] = []
    for line, row in rows:
        made = Declaration(row.get("name", ""), mac_of(row.get("mac", "")))
        key = made.mac or made.name.casefold()
        wrong = _wrong(made, row.get("mac", "")) or (Wrong.TWICE if key in found else None)
        if wrong:
            text = row.get("mac", "") if wrong is Wrong.BAD_MAC else made.name
            faults.append(Fault(line, wrong, text[:40]))
        else:
            found[key] = made
    return list(found.values()), faults


def _wrong(made: Declaration, typed: str) -> Wrong | None:
    if not made.name:
        return Wrong.NO_NAME
    if len(made.name) > NAME_CAP or not made.name.isprintable():
        return Wrong.BAD_NAME
    return Wrong.BAD_MAC if typed and not made.mac else None
