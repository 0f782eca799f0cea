"""The support key: one signed document that opens one unit to one SSH key for some hours (decision 0029).

Written by `omamori sign support add`, published as the TUF target `support/<unit>.json`, read by the unit named in it. Both
sides parse it here, so what is signed and what is obeyed are bounded by the same rules: one Ed25519 key without options,
at most a day, and two lines in plain words that the customer will read. Nothing here knows the time or a file.
"""

import base64
import binascii
import re
import struct
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from omamori.protocol import wire
from omamori.protocol.errors import Malformed
from omamori.protocol.ids import UnitId

DOCUMENT_CAP: Final = 2048
"""Bytes of one document."""
LONGEST: Final = timedelta(hours=24)
"""From `since` to `until`."""
AHEAD: Final = timedelta(hours=24)
"""How long before `since` it may be signed: the metadata that name it do not live much longer."""
WHO_CAP: Final = 80
WHY_CAP: Final = 200
"""Characters."""

_KIND: Final = b"ssh-ed25519"
_KEY: Final = re.compile(r"ssh-ed25519 (?P<blob>[A-Za-z0-9+/]{68})")


@dataclass(frozen=True, slots=True)
class SupportKey:
    """Who may look at which unit, from when until when, and why. Raises Malformed for what it must not say."""

    unit: UnitId
    key: str
    """`ssh-ed25519 <base64>`: no options, no comment."""
    since: datetime
    until: datetime
    who: str
    why: str

    def __post_init__(self) -> None:
        check_key(self.key)
        if not timedelta(0) < self.until - self.since <= LONGEST:
            raise Malformed("until: more than 0 and at most 24 hours after since")
        for name, text, cap in (("who", self.who, WHO_CAP), ("why", self.why, WHY_CAP)):
            if not text.strip() or len(text) > cap:
                raise Malformed(f"{name}: 1 to {cap} characters")
            if any(unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cs"} for char in text):
                raise Malformed(f"{name}: one line of plain text")


def target_path(unit: UnitId) -> str:
    """Where the unit looks for its own, and for no other."""
    return f"support/{unit}.json"


def decode(raw: bytes) -> SupportKey:
    """Raises WireError; never anything else, whatever the bytes."""
    return wire.from_wire(SupportKey, wire.load(raw, cap=DOCUMENT_CAP))


def encode(document: SupportKey) -> bytes:
    """Raises TooLarge."""
    value = wire.to_wire(document)
    assert isinstance(value, dict)  # noqa: S101 - a dataclass always is
    return wire.dump(value, cap=DOCUMENT_CAP)


def check_key(key: str) -> None:
    """Raises Malformed for anything but one Ed25519 public key as OpenSSH writes it (RFC 8709), without a comment."""
    found = _KEY.fullmatch(key)
    try:
        blob = base64.b64decode(found["blob"], validate=True) if found else b""
    except binascii.Error:
        blob = b""
    if blob[:-32] != struct.pack(">I", len(_KIND)) + _KIND + struct.pack(">I", 32):
        raise Malformed("key: one Ed25519 public key, `ssh-ed25519 AAAA...`, without options or comment")


def fault(document: SupportKey, unit: UnitId, now: datetime) -> str:
    """Why this document opens nothing on that unit at that time; empty where it does."""
    if document.unit != unit:
        return f"for another unit, {document.unit}"
    if now < document.since:
        return f"not before {document.since.isoformat()}"
    if now >= document.until:
        return f"over since {document.until.isoformat()}"
    return ""
