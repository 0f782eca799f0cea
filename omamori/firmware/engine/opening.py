"""Where a connection begins, and who may know it: what the engine asks of whoever sees handshakes (decision 0032)."""

from typing import NamedTuple, Protocol

Way = tuple[bytes, int, bytes, int, int]
"""Source and its port, destination and its port, protocol."""


class Opening(NamedTuple):
    """The sequence numbers of the first bytes of a connection."""

    client: int
    server: int


class Openings(Protocol):
    """Who knows where connections begin whose handshake the engine does not see."""

    def take(self, way: Way) -> Opening | None:
        """Of the connection that goes this way, to its server."""
        ...

    def listen(self) -> None:
        """Called about once a second."""
        ...
