"""An engine's first packets, before it meets traffic: ordinary ones must pass, and what rules need for them is made ready.

Rules are compiled when they first become candidates. What a rehearsal compiles is there before the workers are forked, so it
is in memory once for all of them, and the first packets of real traffic need not wait for it.
"""

from collections.abc import Iterator
from typing import Final

from omamori.firmware.engine import crafting
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.errors import EngineError
from omamori.firmware.engine.packet import ACK, PSH, SYN, parse
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.engine.verdict import Decided, Pass

_QUESTION: Final = bytes.fromhex(
    "45000039000100004011"  # IPv4, UDP, 192.0.2.1 to 192.0.2.2 (RFC 5737)
    "f6afc0000201c0000202c0000035002500001234010000010000000000000377777707696e76616c69640000010001"
)
"""A DNS question for `www.invalid`."""
_OPENING: Final = bytes.fromhex(
    "4500002800010000400600 00c0000201c0000202c00000500000000000000000500210000000 0000".replace(" ", "")
)
"""The same hosts, TCP to port 80; its checksums are never looked at, the others' are made right."""
_REQUEST: Final = (
    b"GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: rehearsal\r\nAccept: */*\r\n\r\n"
)
_RESPONSE: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok"
_ISSUED: Final = 1000
"""The server's first sequence number."""


def rehearse(signatures: Signatures) -> None:
    """Raises EngineError when an engine with these signatures cannot even pass an ordinary packet."""
    engine = Engine(signatures)
    verdict = engine.packet(_QUESTION, now=0.0, from_inside=True)
    if not isinstance(verdict, Pass | Decided) or engine.statistics.malformed:
        raise EngineError("the self-test failed: an ordinary DNS question would not pass")
    for segment, from_inside in _page():
        engine.packet(segment, now=0.0, from_inside=from_inside)
    if engine.statistics.malformed:
        raise EngineError("the self-test failed: an ordinary page was not understood")


def _page() -> Iterator[tuple[bytes, bool]]:
    """A page asked for and answered: each segment, and whether the client sent it."""
    agreed = crafting.answer(parse(_OPENING), b"", _ISSUED, SYN | ACK)
    request = crafting.answer(parse(agreed), _REQUEST, 1, ACK | PSH)
    response = crafting.answer(parse(request), _RESPONSE, _ISSUED + 1, ACK | PSH)
    yield from ((agreed, False), (request, True), (response, False))
