"""Fingerprints of a client by how it opens: JA3 (Salesforce, 2017), JA4 (FoxIO, 2023) for TLS and QUIC, HASSH for SSH.

All leave out the reserved values that clients mix in at random (RFC 8701).
"""

from collections.abc import Iterable, Sequence
from hashlib import md5, sha256

_NAME, _PROTOCOLS = 0x0000, 0x0010
_VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
_NOTHING = "0" * 12


def ja3(
    version: int, ciphers: Iterable[int], extensions: Iterable[int], groups: Iterable[int], formats: bytes
) -> str:
    """The text whose MD5 is the fingerprint."""
    lists = (ciphers, extensions, groups)
    return ",".join(
        (str(version), *("-".join(map(str, _real(values))) for values in lists), "-".join(map(str, formats)))
    )


def ja4(
    transport: str,
    versions: Iterable[int],
    ciphers: Iterable[int],
    extensions: Iterable[int],
    signatures: Iterable[int],
    protocol: bytes,
) -> str:
    """`transport` is `t` or `q`; `protocol` the first that the client offers by ALPN."""
    suites, kinds = _real(ciphers), _real(extensions)
    head = (
        f"{transport}{_VERSIONS.get(max(_real(versions), default=0), '00')}"
        f"{'d' if _NAME in kinds else 'i'}{min(len(suites), 99):02}{min(len(kinds), 99):02}{_ends(protocol)}"
    )
    sorted_kinds = ",".join(sorted(f"{kind:04x}" for kind in kinds if kind not in (_NAME, _PROTOCOLS)))
    algorithms = ",".join(f"{value:04x}" for value in _real(signatures))
    told = f"{sorted_kinds}_{algorithms}" if algorithms else sorted_kinds
    return f"{head}_{_short(','.join(sorted(f'{suite:04x}' for suite in suites)))}_{_short(told)}"


def hashed(text: bytes) -> bytes:
    """MD5 in hexadecimal: JA3 and HASSH are defined so."""
    return md5(text, usedforsecurity=False).hexdigest().encode()


def _real(values: Iterable[int]) -> Sequence[int]:
    return [value for value in values if value & 0x0F0F != 0x0A0A or value >> 8 != value & 0xFF]


def _ends(protocol: bytes) -> str:
    """The first and last letter; of its hexadecimal form where they are none."""
    if not protocol:
        return "00"
    first, last = protocol[:1], protocol[-1:]
    if first.isalnum() and last.isalnum():
        return (first + last).decode("ascii")
    return protocol.hex()[0] + protocol.hex()[-1]


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12] if text else _NOTHING
