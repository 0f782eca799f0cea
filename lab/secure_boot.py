"""A machine's firmware with our Secure Boot keys enrolled: OVMF's variable store, written directly.

What a factory does in the set-up menu of a box, done to the file that QEMU maps as flash. Layout: UEFI PI 1.8 volume 3,
section 3.2 (firmware volume); EDK2 `MdeModulePkg/Include/Guid/VariableFormat.h` (store, authenticated variables);
UEFI 2.10, section 32.4.1 (signature lists).
"""

import ssl
import struct
from pathlib import Path
from uuid import UUID

_GLOBAL = UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
_SECURITY = UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
_SWITCH = UUID("f0a30bc7-af08-4556-99c4-001009c93a44")
_X509 = UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
_STORE = UUID("aaf32c78-947b-439a-a180-2e144ec37792")
_OWNER = UUID("6f6d616d-6f72-4969-8000-000000000003")
_AUTHENTICATED = 0x27  # non-volatile, at boot and run time, changed only by a signed later version
_AT_BOOT = 0x03
_MADE = struct.pack("<HBBBBBBIhBB", 2026, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
_START = 0x55AA


def enrolled(variables: bytes, keys: Path) -> bytes:
    """An empty variable store with the certificates PK, KEK and db of a folder, Secure Boot on. Raises ValueError."""
    place, end = _free(variables)
    entries = b"".join(
        [
            _variable("PK", _GLOBAL, _list(keys / "PK.crt")),
            _variable("KEK", _GLOBAL, _list(keys / "KEK.crt")),
            _variable("db", _SECURITY, _list(keys / "db.crt")),
            _variable("SecureBootEnable", _SWITCH, b"\1", attributes=_AT_BOOT),
        ]
    )
    if place + len(entries) > end:
        raise ValueError("the variable store has no room for the keys")
    return variables[:place] + entries + variables[place + len(entries) :]


def _free(variables: bytes) -> tuple[int, int]:
    """Where the next variable goes, and where the store ends."""
    (header,) = struct.unpack_from("<H", variables, 48)
    kind, size = struct.unpack_from("<16sI", variables, header)
    if variables[40:44] != b"_FVH" or UUID(bytes_le=kind) != _STORE:
        raise ValueError("this is no variable store of OVMF")
    at = header + 28
    while struct.unpack_from("<H", variables, at)[0] == _START:
        names, data = struct.unpack_from("<II", variables, at + 36)
        at += _padded(60 + names + data)
    return at, header + size


def _variable(name: str, vendor: UUID, data: bytes, *, attributes: int = _AUTHENTICATED) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    made = _MADE if attributes == _AUTHENTICATED else bytes(16)
    head = struct.pack("<HBBIQ16sIII", _START, 0x3F, 0, attributes, 0, made, 0, len(text), len(data))
    whole = head + vendor.bytes_le + text + data
    return whole.ljust(_padded(len(whole)), b"\xff")


def _list(certificate: Path) -> bytes:
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    entry = _OWNER.bytes_le + der
    return _X509.bytes_le + struct.pack("<III", 28 + len(entry), 0, len(entry)) + entry


def _padded(length: int) -> int:
    return (length + 3) & ~3
