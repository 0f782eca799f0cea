"""Lines of a mail protocol's commands and replies, bounded: a line that is too long is cut, never kept."""

_MAX_LINE = 8 << 10


class Lines:
    """One direction's unfinished line."""

    def __init__(self) -> None:
        self._kept = b""

    def take(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        """The line that ends at or after index `at`, without its end, and the index behind it; None while it is not whole."""
        end = data.find(b"\n", at)
        if end < 0:
            self._kept = (self._kept + data[at:])[:_MAX_LINE]
            return None, len(data)
        line, self._kept = (self._kept + data[at:end])[:_MAX_LINE], b""
        return line.rstrip(b"\r"), end + 1
