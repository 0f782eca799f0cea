"""One rule, against one command, and the packets of a connection that says it: for tests of how it may be hidden."""

from omamori.firmware.engine.checksum import with_payload
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.packet import parse
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import RuleHit, Signatures
from tests.firmware.engine.conversation import Unit

EVIL = b"an-evil-command"
HIT = RuleHit(7, 1, 1, "TEST evil", "trojan-activity", 1, "drop", {})


class Evil:
    """One rule: EVIL in the stream or in a request's target."""

    needs = frozenset(("stream", "http.uri"))

    def __init__(self):
        self.events = set()

    def evaluate(self, inspection):
        self.events |= inspection.events
        seen = [*inspection.buffers.get("stream", ()), *inspection.buffers.get("http.uri", ())]
        return [HIT] if any(EVIL in value for value in seen) else []


def unit(**fields):
    rules = Evil()
    made = Unit(Engine(Signatures(rules), Settings(**fields)))
    made.events = rules.events
    return made


def told(guard):
    return {each.signature_id for each in guard.engine.take_detections()}


REQUEST = b"GET /" + EVIL + b" HTTP/1.1\r\nHost: h\r\n\r\n"
KIND = b"GET /my-kind-command HTTP/1.1\r\nHost: h\r\n\r\n"
assert len(REQUEST) == len(KIND)


def half_said(talk, sequence=None):
    """The first half of the evil request."""
    return talk.packet(to_server=True, payload=REQUEST[:10], sequence=sequence)


def summed(packet, off=0):
    """The packet with its checksum right, but for `off`."""
    made = parse(packet)
    out = bytearray(with_payload(made, made.payload))
    at = made.transport_at + 16
    out[at : at + 2] = ((int.from_bytes(out[at : at + 2], "big") + off) % 0x10000).to_bytes(2, "big")
    return bytes(out)
