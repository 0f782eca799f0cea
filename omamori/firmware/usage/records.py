"""What the naming child tells its parent: one record a datagram, over a socket pair that never blocks the child.

A record that does not fit is dropped and counted. The parent believes nothing: a record that is none of ours is skipped.
"""

import contextlib
import json
import socket
from dataclasses import dataclass
from typing import Final

from omamori.firmware.engine.naming.namer import FlowKey

CAP: Final = 4096


@dataclass(frozen=True, slots=True)
class Ready:
    """The child is at work."""

    library: str
    """The dissectors' version; empty where the tables name alone."""
    unconfined: tuple[str, ...]
    """What its sandbox could not take away."""


@dataclass(frozen=True, slots=True)
class Beat:
    """Alive."""

    flows: int
    missed: int
    """Copies that the kernel dropped, since the child began."""
    lost: int
    """Records that the parent did not take in time."""
    errors: int = 0
    """Packets that naming failed on."""


@dataclass(frozen=True, slots=True)
class Fell:
    """The child's last word."""

    why: str


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of a flow now."""

    key: FlowKey
    inside: bytes
    """The address of the inside host; empty where the port does not tell."""
    application: str = ""
    category: str = ""
    host: str = ""
    lookup: bool = False
    guessed: bool = False
    """As the namer says: good enough for a sum, not for a block."""


Record = Ready | Beat | Fell | Learned


def encode(record: Record) -> bytes:
    match record:
        case Ready():
            said: list[object] = ["ready", record.library, *record.unconfined]
        case Beat():
            said = ["beat", record.flows, record.missed, record.lost, record.errors]
        case Fell():
            said = ["fell", record.why]
        case Learned():
            key = record.key
            ends = [key.protocol, key.low.hex(), key.low_port, key.high.hex(), key.high_port]
            said = ["flow", *ends, record.inside.hex(), record.application, record.category, record.host]
            said += [record.lookup, record.guessed]
    return json.dumps(said, separators=(",", ":")).encode()


def decode(raw: bytes) -> Record | None:
    """None for what is no record."""
    with contextlib.suppress(ValueError, TypeError, IndexError, RecursionError):
        match json.loads(raw):
            case ["ready", str(library), *rest] if all(isinstance(each, str) for each in rest):
                return Ready(library[:80], tuple(rest[:8]))
            case ["beat", int(flows), int(missed), int(lost), int(errors)]:
                return Beat(flows, missed, lost, errors)
            case ["fell", str(why)]:
                return Fell(why[:300])
            case [
                "flow",
                *ends,
                str(inside),
                str(application),
                str(category),
                str(host),
                bool(lookup),
                bool(guessed),
            ]:
                texts = application[:60], category[:60], host[:253]
                return Learned(_key(ends), _address(inside), *texts, lookup=lookup, guessed=guessed)
    return None


def receive(channel: socket.socket) -> Record | None:
    """The next record, also skipping what is none; None when nothing waits. Raises EOFError when the child is gone."""
    while True:
        try:
            raw = channel.recv(CAP)
        except BlockingIOError:
            return None
        except ConnectionError as error:
            raise EOFError from error
        if not raw:
            raise EOFError
        record = decode(raw)
        if record is not None:
            return record


def _key(ends: list[object]) -> FlowKey:
    """Raises ValueError."""
    match ends:
        case [int(protocol), str(low), int(low_port), str(high), int(high_port)] if (
            0 <= protocol <= 255 and 0 <= low_port <= 65535 and 0 <= high_port <= 65535
        ):
            return FlowKey(protocol, _address(low), low_port, _address(high), high_port)
        case _:
            raise ValueError("no flow")


def _address(text: str) -> bytes:
    """Raises ValueError."""
    packed = bytes.fromhex(text)
    if len(packed) not in (0, 4, 16):
        raise ValueError("no address")
    return packed
