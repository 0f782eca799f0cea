"""Malware signatures as published: lines `name:target:offset:hex` (ClamAV's `.ndb`) and `name=hex` (its `.db`).

What a line asks beyond bytes anywhere in a file (an offset, a file type) is refused with its reason, never ignored.
"""

from dataclasses import dataclass, field

from omamori.firmware.engine.antivirus import Pattern, hexadecimal
from omamori.firmware.engine.errors import SignatureError

MAX_LINE = 64 * 1024
_ANY_FILE = "0"


@dataclass(frozen=True, slots=True)
class Malware:
    """One signature in source form."""

    name: str
    body: str
    """Hexadecimal, ClamAV style."""

    def pattern(self) -> Pattern:
        """Raises SignatureError."""
        return hexadecimal(self.name, self.name, self.body)


@dataclass(slots=True)
class MalwareList:
    signatures: list[Malware] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    """(line, reason)"""


def eicar() -> Malware:
    """The industry's harmless test file; put together here so that no file of ours holds it whole."""
    text = b"X5O!P%@AP[4\\PZX54(P^)" + b"7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE" + b"!$H+H*"
    return Malware("Eicar-Test-Signature", text.hex())


def parse_malware(text: str) -> MalwareList:
    """Never raises for content."""
    found = MalwareList()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            found.signatures.append(_signature(stripped))
        except SignatureError as error:
            found.refused.append((number, str(error)))
    return found


def _signature(line: str) -> Malware:
    if len(line) > MAX_LINE:
        raise SignatureError(f"a line of {len(line)} characters")
    if ":" in line:
        name, target, offset, body, *_ = [*line.split(":"), "", "", ""]
        if target != _ANY_FILE:
            raise SignatureError(f"{name[:60]}: file type {target[:10]!r} cannot be told in flight, only 0")
        if offset != "*":
            raise SignatureError(f"{name[:60]}: offset {offset[:20]!r}; only * is possible")
    else:
        name, _, body = line.partition("=")
    signature = Malware(name.strip(), body.strip())
    if not signature.name or not signature.body:
        raise SignatureError("not a signature: name:0:*:hex or name=hex")
    signature.pattern()
    return signature
