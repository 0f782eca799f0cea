"""Hostile input out of honest input: bits turned, parts cut, doubled, moved, mixed, and numbers at their limits put in."""

import random

_NUMBERS = [
    bytes(4),
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\0\0\1",
    b"\xff\xff",
    b"\0",
    b"\r\n",
    b"\n\n",
]
_LONGEST = 64 << 10


class Mutation:
    """An endless source from some seeds; the same seed of chance gives the same inputs."""

    def __init__(self, seeds: list[bytes], chance: int) -> None:
        self._seeds = seeds
        self._random = random.Random(chance)  # noqa: S311 - repeatable

    def next(self) -> bytes:
        data = bytearray(self._random.choice(self._seeds))
        for _ in range(self._random.choice((1, 1, 2, 3, 5, 12, 40))):
            self._change(data)
        return bytes(data[:_LONGEST])

    def _change(self, data: bytearray) -> None:
        pick, at = self._random, self._random.randrange(len(data) + 1)
        size = min(pick.choice((1, 2, 4, 16, 100, 2000)), len(data) - at)
        match pick.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << pick.randrange(8)
            case 1 if at < len(data):
                data[at] = pick.randrange(256)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size] * pick.choice((1, 1, 1, 8))
            case 4:
                number = pick.choice(_NUMBERS)
                data[at : at + len(number)] = number
            case 5:
                other = pick.choice(self._seeds)
                begin = pick.randrange(len(other) + 1)
                data[at : at + size] = other[begin : begin + size]
            case _:
                data[at:at] = pick.randbytes(pick.choice((1, 4, 30)))
