"""`ftpbounce` of rules: a client tells an FTP server to connect to a third host (RFC 2577)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PORT = re.compile(rb"^PORT +(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FtpBounce:
    """A PORT command names another address than its sender's."""


def bounces(payloads: Iterable[bytes], sender: bytes) -> bool:
    """IPv4 only, as the command."""
    return any(
        bytes(int(digits) & 0xFF for digits in found.groups()) != sender
        for data in payloads
        for found in _PORT.finditer(data)
    )
