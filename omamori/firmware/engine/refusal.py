"""What the two ends of a blocked flow are told, so that nothing waits for a time-out.

| what was blocked | the client | the server |
| --- | --- | --- |
| HTTP of an inside client | a page that says why (`block_page.py`), then the end | TCP reset |
| DNS of an inside client | "no such name" at once, over UDP or TCP | nothing, or TCP reset |
| any other TCP, and everything that was opened from outside | TCP reset | TCP reset |
| any other UDP of an inside client | ICMP port unreachable | nothing |

A blocked name is answered NXDOMAIN, not REFUSED: after REFUSED or SERVFAIL resolvers ask the next server and try again, so
a program hangs for the sum of all tries, while NXDOMAIN is believed at once. Without an SOA record it is not cached
(RFC 2308, 5), so that an exception holds from the next question on. Where the question had EDNS, the answer says
"Blocked" (RFC 8914, code 15).
"""

from dataclasses import dataclass

from omamori.firmware.engine import crafting
from omamori.firmware.engine.applications.dns_refusal import refused
from omamori.firmware.engine.block_page import Notice, Refusal, response
from omamori.firmware.engine.packet import ACK, FIN, PSH, RST, TCP, UDP, Packet
from omamori.firmware.engine.verdict import Reply

_PIECE = 1200
"""Payload of one of our segments: fits every path, PPPoE and IPv6 included."""
_STATUS = b"HTTP/"


@dataclass(frozen=True, slots=True)
class Case:
    """A packet that is stopped, and what is known of its flow."""

    packet: Packet
    application: str
    client_inside: bool
    to_server: bool
    opposite: int | None = None
    """TCP: the sequence number that the packet's receiver would send next, as far as it was seen."""
    in_order: bool = True
    """TCP: nothing before this segment is missing."""


def tell(case: Case, refusal: Refusal, notice: Notice) -> tuple[Reply, ...]:
    """The flow ends with this packet."""
    packet = case.packet
    if packet.is_fragment:
        return ()
    if packet.protocol == UDP:
        return _datagram(case)
    if packet.protocol != TCP or packet.flags & RST:
        return ()
    if not case.client_inside or not packet.payload:
        return resets(case)
    if case.application == "http":
        return _page(case, refusal, notice)
    if case.application == "dns":
        return _framed_dns(case)
    return resets(case)


def resets(case: Case) -> tuple[Reply, ...]:
    """A reset for both ends of a TCP flow; nothing for other protocols."""
    packet = case.packet
    if packet.protocol != TCP or packet.is_fragment or packet.flags & RST:
        return ()
    numbers = [packet.acknowledgement]
    if case.opposite is not None and case.opposite != packet.acknowledgement:
        numbers.append(case.opposite)
    back = tuple(Reply(crafting.reset_sender(packet, number)) for number in numbers)
    return (*back, Reply(crafting.reset_receiver(packet), onward=True))


def question(case: Case) -> tuple[Reply, ...]:
    """One message of a DNS exchange over UDP is dropped; the exchange goes on."""
    packet = case.packet
    if not case.client_inside or packet.protocol != UDP or packet.is_fragment:
        return ()
    message = refused(packet.payload)
    if message is None:
        return ()
    if case.to_server:
        return (Reply(crafting.datagram_back(packet, message)),)
    return (Reply(crafting.datagram_onward(packet, message), onward=True),)


def _datagram(case: Case) -> tuple[Reply, ...]:
    if case.application == "dns":
        return question(case)
    if case.client_inside and case.to_server:
        return (Reply(crafting.unreachable(case.packet)),)
    return ()


def _page(case: Case, refusal: Refusal, notice: Notice) -> tuple[Reply, ...]:
    payload = case.packet.payload
    if case.to_server:
        return _said(case, response(refusal, notice, head_only=payload.startswith(b"HEAD ")))
    if not case.in_order or not payload.startswith(_STATUS):
        return resets(case)
    return _said(case, response(refusal, notice, head_only=False))


def _framed_dns(case: Case) -> tuple[Reply, ...]:
    """Over TCP a message has its length before it; one that came in pieces is answered by a reset."""
    payload = case.packet.payload
    whole = len(payload) >= 2 and len(payload) - 2 >= int.from_bytes(payload[:2], "big")
    message = refused(payload[2 : 2 + int.from_bytes(payload[:2], "big")]) if whole else None
    if message is None:
        return resets(case)
    return _said(case, len(message).to_bytes(2, "big") + message)


def _said(case: Case, text: bytes) -> tuple[Reply, ...]:
    """`text` to the client as if the server said it, with the end behind it; a reset to the server."""
    packet = case.packet
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
    replies, sequence = [], packet.acknowledgement if case.to_server else packet.sequence
    for number, piece in enumerate(pieces, 1):
        flags = ACK | PSH | (FIN if number == len(pieces) else 0)
        craft = crafting.answer if case.to_server else crafting.segment_onward
        replies.append(Reply(craft(packet, piece, sequence, flags), onward=not case.to_server))
        sequence += len(piece)
    server = crafting.reset_receiver if case.to_server else crafting.reset_sender
    return (*replies, Reply(server(packet), onward=case.to_server))
