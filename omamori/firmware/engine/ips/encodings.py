"""Transforms: what a rule asks to be done to a buffer before it looks. Each is linear in the size of the buffer."""

import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from omamori.firmware.engine.ips import pcre2

_STEPS = 30_000
_WHITE = b" \t\n\x0b\x0c\r"
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*")
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
_PSEUDO = re.compile(rb"(?m)^:[^\n]*\n?")
_NAME = re.compile(rb"(?m)^[^:\r\n]*")


def base64_prefix(data: bytes) -> bytes:
    """What the longest valid beginning decodes to (RFC 4648, padding optional); line ends are skipped."""
    text = _BASE64.match(data.replace(b"\r", b"").replace(b"\n", b""))
    usable = text.group() if text else b""
    if len(usable) % 4 == 1:
        usable = usable[:-1]
    return binascii.a2b_base64(usable + b"=" * (-len(usable) % 4))


def _xor(data: bytes, key: str) -> bytes:
    secret = bytes.fromhex(key)
    repeated = (secret * (len(data) // len(secret) + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(data), "big")


def _url_decode(data: bytes) -> bytes:
    return _PERCENT.sub(lambda found: bytes.fromhex(found[1].decode()), data.replace(b"+", b" "))


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> pcre2.Pattern:
    return pcre2.Pattern(bytes.fromhex(pattern))


def _captured(data: bytes, pattern: str) -> bytes:
    """The first group's text; where the expression (in hexadecimal) does not match, the data as they are."""
    found = _expression(pattern).first_group(data, budget=_STEPS)
    return data if found is None else found


def _domain(data: bytes) -> bytes:
    """The last two labels: without a public suffix list that is as near as it gets."""
    return b".".join(data.split(b".")[-2:])


TRANSFORMS: Mapping[str, Callable[[bytes, str], bytes]] = {
    "dotprefix": lambda data, _: b"." + data,
    "to_lowercase": lambda data, _: data.lower(),
    "to_uppercase": lambda data, _: data.upper(),
    "to_md5": lambda data, _: hashlib.md5(data, usedforsecurity=False).digest(),
    "to_sha1": lambda data, _: hashlib.sha1(data, usedforsecurity=False).digest(),
    "to_sha256": lambda data, _: hashlib.sha256(data).digest(),
    "strip_whitespace": lambda data, _: data.translate(None, _WHITE),
    "compress_whitespace": lambda data, _: re.sub(rb"[ \t\n\x0b\x0c\r]+", b" ", data),
    "url_decode": lambda data, _: _url_decode(data),
    "header_lowercase": lambda data, _: _NAME.sub(lambda found: found.group().lower(), data),
    "strip_pseudo_headers": lambda data, _: _PSEUDO.sub(b"", data),
    "xor": _xor,
    "pcrexform": _captured,
    "domain": lambda data, _: _domain(data),
    "tld": lambda data, _: data.rsplit(b".", 1)[-1],
    "from_base64": lambda data, _: base64_prefix(data),
}


def transformed(data: bytes, transforms: tuple[tuple[str, str], ...]) -> bytes:
    for name, argument in transforms:
        data = TRANSFORMS[name](data, argument)
    return data
