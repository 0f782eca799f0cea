"""The inventory on the data partition: one JSON file, replaced at once, read with every doubt.

A file that is no inventory of ours is set aside under another name, never deleted and never fatal.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.lan.errors import BadInventory
from omamori.firmware.lan.inventory import MOST_ADDRESSES, MOST_HOSTS, Inventory, Record, Span
from omamori.firmware.lan.vendors import Vendors
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.messages import Host

CAP: Final = 4 * 1024 * 1024
"""Bytes; a thousand hosts with sixteen addresses each take half of it."""


@dataclass(frozen=True, slots=True)
class _Stored:
    hosts: tuple[Host, ...]
    format: int = 1


def encode(inventory: Inventory) -> bytes:
    """The stored form. Vendors are left out: they are looked up anew."""
    hosts = tuple(record.host(Vendors()) for record in inventory.records())
    body = wire.to_wire(_Stored(hosts))
    assert isinstance(body, dict)  # noqa: S101 - a dataclass always is
    return wire.dump(body, cap=CAP)


def decode(raw: bytes) -> Inventory:
    """Raises BadInventory."""
    try:
        stored = wire.from_wire(_Stored, wire.load(raw, cap=CAP))
    except ProtocolError as error:
        raise BadInventory(f"the stored inventory cannot be read: {error}") from error
    return Inventory([_record(host) for host in stored.hosts[:MOST_HOSTS]])


def load(path: Path) -> Inventory:
    """The stored inventory; an empty one where there is none yet. Raises BadInventory, and then the file is set aside."""
    try:
        return decode(files.read_capped(path, cap=CAP))
    except FileNotFoundError:
        return Inventory()
    except (BadInventory, OSError) as error:
        with contextlib.suppress(OSError):
            path.replace(path.with_suffix(".bad"))
        raise BadInventory(str(error)) from error


def save(path: Path, inventory: Inventory) -> None:
    """Raises OSError, and then the older file stays."""
    files.write_atomic(path, encode(inventory), durable=True)


def _record(host: Host) -> Record:
    seen = _span(host.first_seen, host.last_seen)
    addresses = {
        held.address: _span(held.first_seen, held.last_seen) for held in host.addresses[:MOST_ADDRESSES]
    }
    return Record(host.mac, host.side, seen, addresses, host.name, host.name_source)


def _span(first: datetime, last: datetime) -> Span:
    return Span(min(first, last), max(first, last))
