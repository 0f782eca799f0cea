"""Whether the credentials of an HTTP Basic header are weak: default ones, no password, or the user's own name.

Nothing here keeps, returns or shows a password: the answer is yes or no.
"""

import binascii
from typing import Final

from omamori.firmware.engine.hashed import HashTable

_LONGEST: Final = 1024
"""Bytes of a header's value; nobody's default is longer."""


def key(user: str, password: str) -> str:
    """How a table holds a pair; no user means everyone."""
    return f"{user.lower()}\0{password}"


def is_weak(authorization: bytes, known: HashTable | None) -> bool:
    """Of the value of an `Authorization` header; anything but Basic with a user name is not."""
    pair = _basic(authorization)
    if pair is None:
        return False
    user, password = pair
    if not password or password.lower() == user.lower():
        return True
    return known is not None and (
        known.get(key(user, password)) is not None or known.get(key("", password)) is not None
    )


def _basic(authorization: bytes) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.strip().partition(b" ")
    if scheme.lower() != b"basic" or len(encoded) > _LONGEST:
        return None
    encoded = encoded.strip().rstrip(b"=")
    try:
        plain = binascii.a2b_base64(encoded + b"=" * (-len(encoded) % 4))
    except binascii.Error:
        return None
    user, colon, password = plain.decode("utf-8", "surrogateescape").partition(":")
    return (user, password) if colon and user else None
