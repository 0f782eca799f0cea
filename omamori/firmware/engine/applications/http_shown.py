"""A body as far as rules see it: a window from its beginning, shown again when it has grown enough."""

_FIRST_LOOK = 8 << 10


class Shown:
    """Of one body. Looking costs a few times its length in all, for it is shown when it has grown by half."""

    __slots__ = ("_looked_at", "_room", "_window")

    def __init__(self, room: int) -> None:
        self._window = bytearray()
        self._room = room
        """How many more bytes of it rules want."""
        self._looked_at = 0

    def add(self, data: bytes) -> None:
        """The next decoded bytes."""
        if self._room > 0:
            self._window += data[: self._room]
            self._room -= len(data)

    @property
    def is_due(self) -> bool:
        """It is time to look."""
        fresh = len(self._window) - self._looked_at
        return bool(fresh) and (self._room <= 0 or fresh >= max(_FIRST_LOOK, self._looked_at // 2))

    def look(self) -> bytes:
        """All of it."""
        self._looked_at = len(self._window)
        return bytes(self._window)
