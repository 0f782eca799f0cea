"""The inventory on the data partition: one JSON file, replaced at once, read with every doubt.

A file that is no inventory of ours is set aside under another name, never deleted and never fatal.
"""

import contextlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.lan.errors import BadInventory
from omamori.firmware.lan.hint import Source
from omamori.firmware.lan.inventory import MOST_ADDRESSES, MOST_HOSTS, Inventory, Record, Span
from omamori.firmware.lan.software import Software
from omamori.firmware.lan.vendors import Vendors
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.ids import Mac
from omamori.protocol.messages import Host

CAP: Final = 4 * 1024 * 1024
"""Bytes; a thousand hosts with sixteen addresses each take half of it."""


@dataclass(frozen=True, slots=True)
class _Traits:
    """What a host has said of itself; its kind is guessed anew."""

    mac: Mac
    names: dict[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    model: str = ""
    system: str = ""
    vendor_class: str = ""
    parameters: tuple[int, ...] = ()
    identity: str = ""
    software: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stored:
    hosts: tuple[Host, ...]
    traits: tuple[_Traits, ...] = ()
    """Of those hosts that said anything."""
    format: int = 1


def encode(inventory: Inventory) -> bytes:
    """The stored form. Vendors are left out: they are looked up anew."""
    records = inventory.records()
    hosts = tuple(record.host(Vendors()) for record in records)
    body = wire.to_wire(_Stored(hosts, tuple(_traits(record) for record in records)))
    assert isinstance(body, dict)  # noqa: S101 - a dataclass always is
    return wire.dump(body, cap=CAP)


def decode(raw: bytes) -> Inventory:
    """Raises BadInventory."""
    try:
        stored = wire.from_wire(_Stored, wire.load(raw, cap=CAP))
    except ProtocolError as error:
        raise BadInventory(f"the stored inventory cannot be read: {error}") from error
    traits = {each.mac: each for each in stored.traits}
    return Inventory([_record(host, traits.get(host.mac)) for host in stored.hosts[:MOST_HOSTS]])


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


def _traits(record: Record) -> _Traits:
    return _Traits(
        record.mac,
        {source.value: name for source, name in record.names.items()},
        tuple(record.services),
        record.model,
        record.system,
        record.vendor_class,
        record.parameters,
        record.identity,
        tuple(record.software),
    )


def _record(host: Host, traits: _Traits | None) -> Record:
    seen = _span(host.first_seen, host.last_seen)
    addresses = {
        held.address: _span(held.first_seen, held.last_seen) for held in host.addresses[:MOST_ADDRESSES]
    }
    record = Record(host.mac, host.side, seen, addresses)
    if traits is None:
        record.names = _names({host.name_source: host.name})
        return record
    record.names = _names(traits.names)
    record.services = dict.fromkeys(traits.services)
    record.model, record.system = traits.model, traits.system
    record.vendor_class, record.parameters = traits.vendor_class, traits.parameters
    record.identity = traits.identity
    record.software = dict.fromkeys(each for each in Software if each.value in traits.software)
    return record


def _names(stored: dict[str, str]) -> dict[Source, str]:
    """Sources of another version are left out."""
    known = {source.value: source for source in Source}
    return {known[source]: name for source, name in stored.items() if source in known and name}


def _span(first: datetime, last: datetime) -> Span:
    return Span(min(first, last), max(first, last))
