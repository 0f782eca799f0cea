"""Multicast DNS and LLMNR: a device's own name, its services and its model (RFC 6762, 6763, 4795). Pure."""

import re
from collections.abc import Iterable
from typing import Final

from omamori.firmware.lan import dnsmessage
from omamori.firmware.lan.dnsmessage import AAAA, PTR, SRV, TXT, A, Message
from omamori.firmware.lan.hint import Hint, Source, means_something, text
from omamori.firmware.lan.internet import Address

PORT: Final = 5353
LLMNR_PORT: Final = 5355
_SERVICE: Final = re.compile(r"(_[a-z0-9-]{1,40}\._(?:tcp|udp))\.local", re.IGNORECASE)
_INSTANCE: Final = re.compile(r".*?(_[a-z0-9-]{1,40}\._(?:tcp|udp))\.local", re.IGNORECASE)
_MODEL_KEYS: Final = (b"model", b"md", b"ty", b"am", b"product")
_MOST_SERVICES: Final = 16


def parse(sender: Address, datagram: bytes) -> Hint | None:
    """What an answer or announcement says of its sender; None for questions. Raises BadFrame."""
    message = dnsmessage.parse(datagram)
    if not message.answers:
        return None
    named = _named(message, sender)
    hint = Hint(
        Source.MDNS,
        sender=sender,
        name=named[0],
        addresses=named[1],
        services=tuple(_services(message)),
        model=_model(message),
    )
    return hint if hint.name or hint.services or hint.model else None


def parse_llmnr(sender: Address, datagram: bytes) -> Hint | None:
    """A device answers only for its own name; None for questions. Raises BadFrame."""
    message = dnsmessage.parse(datagram)
    answers = [record for record in message.records if record.address is not None]
    if not message.answers or not answers:
        return None
    name = text(answers[0].name)
    addresses = tuple(record.address for record in answers if record.address is not None)
    return (
        Hint(Source.LLMNR, sender=sender, name=name, addresses=addresses) if means_something(name) else None
    )


def _named(message: Message, sender: Address) -> tuple[str, tuple[Address, ...]]:
    """The name whose address is the sender's; else the only name there is."""
    names: dict[str, list[Address]] = {}
    for record in message.records:
        if record.type in {A, AAAA} and record.address is not None and record.name.lower().endswith(".local"):
            names.setdefault(text(record.name[: -len(".local")]), []).append(record.address)
    own = [name for name, addresses in names.items() if sender in addresses]
    targets = {text(r.target[: -len(".local")]) for r in message.records if r.type == SRV and r.target}
    candidates = (
        own
        or ([*names] if len(names) == 1 else [])
        or ([*targets] if len(targets) == 1 and not names else [])
    )
    name = candidates[0] if candidates else ""
    return (name if means_something(name) else "", tuple(names.get(name, ())))


def _services(message: Message) -> Iterable[str]:
    found: dict[str, None] = {}
    for record in message.records:
        texts = (record.name, record.target) if record.type == PTR else (record.name,)
        for each in texts if record.type in {PTR, SRV, TXT} else ():
            if match := _INSTANCE.fullmatch(each):
                found[match[1].lower()] = None
    return (service for service in list(found)[:_MOST_SERVICES] if service != "_dns-sd._udp")


def _model(message: Message) -> str:
    values = {
        key.lower(): value
        for record in message.records
        if record.type == TXT
        for key, _, value in (entry.partition(b"=") for entry in record.texts)
    }
    return next((found for key in _MODEL_KEYS if (found := text(values.get(key, b"")))), "")
