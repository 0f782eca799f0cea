"""Address lists: which list an IPv4 or IPv6 address is on, by single addresses and networks.

Networks are laid out as ranges without overlap, the most exact one on top: first and last address and a category's number,
10 bytes each for IPv4 and 34 for IPv6. As with hashes, the table is its bytes and nothing is unpacked at load.
"""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.hashed import MAX_CATEGORIES

_Network: TypeAlias = IPv4Network | IPv6Network
_Range: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class AddressHit:
    """`address` is the one looked up."""

    address: str
    category: str


class Ranges:
    """Addresses of one width in bytes (4 or 16); big-endian, so that their bytes compare as they do."""

    __slots__ = ("_count", "_ends", "_numbers", "_starts", "_width", "raw")

    def __init__(self, raw: "bytes | memoryview", width: int) -> None:
        """Raises SignatureError for what `build_addresses` did not make."""
        self.raw, self._width = raw, width
        self._count, rest = divmod(len(raw), 2 * width + 2)
        if rest:
            raise SignatureError(f"a table of {len(raw)} bytes is not whole")
        view, ends = memoryview(raw), self._count * width
        self._starts, self._ends, self._numbers = view[:ends], view[ends : 2 * ends], view[2 * ends :]

    def __len__(self) -> int:
        return self._count

    def number(self, address: bytes) -> int | None:
        """Of the category of this address, which has this width."""
        at = bisect_right(range(self._count), address, key=self._start) - 1
        if at < 0 or bytes(self._ends[at * self._width : (at + 1) * self._width]) < address:
            return None
        return int.from_bytes(self._numbers[2 * at : 2 * at + 2], "little")

    def highest_number(self) -> int:
        """-1 where there is none."""
        numbers = array("H")
        numbers.frombytes(self._numbers)
        if sys.byteorder == "big":
            numbers.byteswap()
        return max(numbers, default=-1)

    def _start(self, at: int) -> bytes:
        return bytes(self._starts[at * self._width : (at + 1) * self._width])


class AddressTable:
    """An immutable address -> category table."""

    __slots__ = ("categories", "four", "six")

    def __init__(self, four: Ranges, six: Ranges, categories: tuple[str, ...]) -> None:
        if max(four.highest_number(), six.highest_number()) >= len(categories):
            raise SignatureError("a table names a category that is not there")
        self.four, self.six, self.categories = four, six, categories

    def __len__(self) -> int:
        return len(self.four) + len(self.six)

    def lookup(self, address: bytes) -> AddressHit | None:
        """`address` packed: 4 or 16 bytes."""
        number = (self.four if len(address) == 4 else self.six).number(address)
        return None if number is None else AddressHit(str(ip_address(address)), self.categories[number])


def build_addresses(entries: Iterable[tuple[str, str]]) -> AddressTable:
    """From (address or network, category); of a network listed twice the first counts. Raises SignatureError."""
    numbers: dict[str, int] = {}
    found: dict[_Network, int] = {}
    for text, category in entries:
        number = numbers.setdefault(category, len(numbers))
        try:
            found.setdefault(ip_network(text, strict=False), number)
        except ValueError as error:
            raise SignatureError(f"not an address or network: {text[:80]!r}") from error
    if len(numbers) > MAX_CATEGORIES:
        raise SignatureError(f"{len(numbers)} categories in one list; {MAX_CATEGORIES} are possible")
    return AddressTable(_ranges(found, 4), _ranges(found, 6), tuple(numbers))


def _ranges(found: dict[_Network, int], version: int) -> Ranges:
    listed = [
        (int(network.network_address), int(network.broadcast_address), number)
        for network, number in found.items()
        if network.version == version
    ]
    flat, width = _flattened(sorted(listed, key=lambda each: (each[0], -each[1]))), 4 if version == 4 else 16
    starts = b"".join(first.to_bytes(width, "big") for first, _, _ in flat)
    ends = b"".join(last.to_bytes(width, "big") for _, last, _ in flat)
    return Ranges(starts + ends + b"".join(number.to_bytes(2, "little") for _, _, number in flat), width)


def _flattened(nested: Sequence[_Range]) -> list[_Range]:
    """Networks hold one another or have nothing in common; an inner one cuts its outer one in two."""
    flat: list[_Range] = []
    open_: list[_Range] = []
    """From the outermost; each with what is still to be laid out of it."""

    def lay_out(until: int) -> None:
        while open_ and open_[-1][0] <= until:
            first, last, number = open_.pop()
            flat.append((first, min(last, until), number))
            if last > until:
                open_.append((until + 1, last, number))
                return
            while open_ and open_[-1][1] <= last:
                open_.pop()
            if open_:
                _, outer_last, outer = open_.pop()
                open_.append((last + 1, outer_last, outer))

    for first, last, number in nested:
        lay_out(first - 1)
        open_.append((first, last, number))
    while open_:
        lay_out(open_[-1][1])
    return flat
