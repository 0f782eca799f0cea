"""What every protocol parser is to the engine, and the facts that it hands over.

A layer is told each direction's bytes once, in order. It never raises on them, whatever they are: what it cannot parse
makes it `lost`. What it keeps is bounded. Facts are not changed once made; the frequent ones have an `__init__` of their own, for
one made by `dataclass` is interpreted, also where this module is compiled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeAlias

from omamori.firmware.engine.inspection import Kept
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.rewriting import Filler

NO_EVENTS: frozenset[str] = frozenset()
Buffers: TypeAlias = Mapping[str, Sequence[bytes]]


class How(Enum):
    """By which protocol a site was asked for."""

    DNS = "DNS query"
    HTTP = "HTTP host"
    TLS = "TLS server name"
    QUIC = "QUIC server name"


@dataclass(slots=True, init=False)
class SiteAsked:
    """A client names the site it wants."""

    name: bytes
    how: How
    target: bytes
    """Of HTTP: what it wants there, as in the request."""
    authorization: bytes = field(repr=False)
    """Of HTTP: the header's value, which may hold a password. Never kept, told or logged."""

    def __init__(self, name: bytes, how: How, target: bytes = b"", authorization: bytes = b"") -> None:
        self.name, self.how, self.target, self.authorization = name, how, target, authorization


@dataclass(slots=True, init=False)
class Message:
    """A message of the protocol, or more of it: rules can look at its buffers."""

    transaction: int
    """Request and response share a number."""
    to_server: bool
    buffers: Buffers
    complete: bool
    """Nothing of it is to come."""
    events: frozenset[str]
    """What is odd about it, under Suricata's names (`app-layer-event`)."""
    kept: Kept | None
    """Those of `buffers` that other messages have as this very object."""

    def __init__(
        self,
        transaction: int,
        to_server: bool,  # noqa: FBT001 - a record
        buffers: Buffers,
        complete: bool = True,  # noqa: FBT001, FBT002 - as above
        events: frozenset[str] = NO_EVENTS,
        kept: Kept | None = None,
    ) -> None:
        self.transaction, self.to_server, self.buffers = transaction, to_server, buffers
        self.complete, self.events, self.kept = complete, events, kept


@dataclass(slots=True, init=False)
class Content:
    """A part of a file (a message body) on its way, as sent; empty with `last` when the end shows late."""

    transaction: int
    to_server: bool
    offset: int
    """Stream offset of the first byte."""
    length: int
    """Bytes as sent, from `offset`."""
    data: bytes
    """The same decoded."""
    plain: bool
    """`data` is as sent, byte for byte."""
    following: int
    """Bytes of this file known to follow in the stream without anything between."""
    first: bool
    last: bool
    filler: Filler
    """What its bytes become where they are overwritten."""
    name: str
    """Of the file, where it is told."""
    size: int | None
    """Of the whole file decoded, where that is known."""

    def __init__(
        self,
        transaction: int,
        to_server: bool,  # noqa: FBT001 - a record
        offset: int,
        length: int,
        data: bytes,
        plain: bool,  # noqa: FBT001 - as above
        following: int,
        first: bool,  # noqa: FBT001 - as above
        last: bool,  # noqa: FBT001 - as above
        filler: Filler = Filler.SPACES,
        name: str = "",
        size: int | None = None,
    ) -> None:
        self.transaction, self.to_server, self.offset, self.length = transaction, to_server, offset, length
        self.data, self.plain, self.following, self.first, self.last = data, plain, following, first, last
        self.filler, self.name, self.size = filler, name, size


@dataclass(slots=True)
class MailText:
    """More of a mail as a whole, nothing in it decoded; only where `MAIL_TEXT` is needed. Empty with `last` at its end."""

    transaction: int
    to_server: bool
    data: bytes
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class ConnectionExpected:
    """Another connection of the same two hosts will carry what was agreed here (FTP's data)."""

    at_server: bool
    """The side that listens is this flow's server."""
    port: int
    layer: "Layer"
    """Parser of that connection."""
    address: bytes = b""
    """Packed, where one was announced that may differ from this flow's own."""


@dataclass(frozen=True, slots=True)
class Unscanned:
    """What follows cannot be scanned, and why, in a few words."""

    to_server: bool
    why: str


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The server did not take the credentials that a request brought."""


Event: TypeAlias = SiteAsked | Message | Content | MailText | ConnectionExpected | Unscanned | LoginRefused


@dataclass(slots=True)
class Context:
    """What an event record tells about the conversation at this moment, in EVE's words."""

    http: dict[str, object] = field(default_factory=dict)
    tls: dict[str, object] = field(default_factory=dict)
    dns: dict[str, object] = field(default_factory=dict)
    subject: str = ""
    """The URL, domain or name that it is about, for people."""


class Layer(Protocol):
    """A parser for one flow."""

    name: str

    @property
    def finished(self) -> bool:
        """Nothing that follows can be read (it is encrypted)."""
        ...

    @property
    def lost(self) -> bool:
        """It is not, or no longer, what the parser can read."""
        ...

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        """The next bytes of one direction."""
        ...

    def end(self, needs: frozenset[str]) -> Sequence[Event]:
        """The flow is over: what was only waiting for more bytes."""
        ...

    def context(self, transaction: int | None) -> Context:
        """Of one transaction where it is still known, else of the newest."""
        ...


def told_again(message: Message, later: Sequence[Event]) -> bool:
    """The same packet brought more of the message: all that this one shows is looked at with the rest."""
    for event in later:
        if (
            isinstance(event, Message)
            and event.transaction == message.transaction
            and event.to_server is message.to_server
            and message.events <= event.events
            and message.buffers.items() <= event.buffers.items()
        ):
            return True
    return False
