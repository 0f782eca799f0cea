"""Rules asked the way the engine asks them: one moment after another of one flow."""

import inspect
from ipaddress import ip_address

import pytest

from omamori.firmware.engine import packet as packets
from omamori.firmware.engine.inspection import FlowFacts, Inspection, Moment
from omamori.firmware.engine.ips import RuleSet, Variables
from omamori.firmware.signatures.suricata import parse_rule

_KNOWN_AT_FIRST = frozenset(inspect.signature(FlowFacts).parameters)


class Asking:
    """A rule set and one flow; each method gives the ids of the rules that hit and say so."""

    def __init__(self, *rules: str, variables: Variables | None = None, **facts) -> None:
        self.rules = RuleSet.build([parse_rule(rule) for rule in rules], variables)
        self.flow = flow(**facts)
        self.now = 1000.0
        self._transaction = 0

    def message(self, *, to_server: bool = True, transaction: int | None = None, **buffers) -> list[int]:
        """A transaction: `http__uri=b"/x"` is buffer http.uri."""
        self._transaction += 1
        named = {
            name.replace("__", "."): [value] if isinstance(value, bytes) else value
            for name, value in buffers.items()
        }
        number = self._transaction if transaction is None else transaction
        return self._ask(Moment.TRANSACTION, named, to_server=to_server, transaction=number)

    def stream(self, data: bytes, *, fresh: int = 0, at: int = 0, to_server: bool = True) -> list[int]:
        return self._ask(Moment.STREAM, {"stream": [data]}, to_server=to_server, fresh=fresh, stream_at=at)

    def payload(self, data: bytes, *, to_server: bool = True) -> list[int]:
        return self._ask(Moment.PACKET, {"payload": [data]} if data else {}, to_server=to_server)

    def packet(self, raw: bytes, *, to_server: bool = True) -> list[int]:
        packet = packets.parse(raw)
        buffers = {"payload": [packet.payload]} if packet.payload else {}
        return self._ask(Moment.PACKET, buffers, to_server=to_server, packet=packet)

    def _ask(self, moment, buffers, *, to_server, packet=None, **more) -> list[int]:
        inspection = Inspection(moment, self.now, self.flow, to_server, packet, buffers, **more)
        return sorted(hit.sid for hit in self.rules.evaluate(inspection) if hit.told)


def flow(**facts) -> FlowFacts:
    usual = {
        "protocol": "tcp",
        "client": "192.168.1.5",
        "server": "203.0.113.9",
        "client_port": 40000,
        "server_port": 80,
        "client_inside": True,
        "established": True,
        "application": "http",
    }
    told = usual | facts
    for end in ("client", "server"):
        told[end] = ip_address(told[end]).packed
    later = {name: told.pop(name) for name in list(told) if name not in _KNOWN_AT_FIRST}
    made = FlowFacts(**told)
    for name, value in later.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def asking():
    return Asking
