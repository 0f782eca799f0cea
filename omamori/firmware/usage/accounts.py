"""From names of flows and the kernel's counters to sums: pure.

A flow's bytes are added as its counters grow, so a download of hours shows in each of them. Counted is what crossed the
bridge: flows that naming saw, and those the inspection has marked; the unit's own are neither.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from omamori.firmware.engine.naming.namer import FlowKey
from omamori.firmware.engine.usage import NAMELESS, Amount, Subject, Tally
from omamori.firmware.host.conntrack import Entry, Tuple
from omamori.firmware.usage.records import Learned

_KNOWN_MASK: Final = 0xFF
_BLOCKED: Final = 3


@dataclass(slots=True)
class _Flow:
    inside: bytes = b""
    subject: Subject = NAMELESS
    identity: int | None = None
    forth: int = 0
    back: int = 0
    blocked: bool = False


@dataclass(slots=True)
class Accounts:
    """Every flow that was seen lately, the longest unheard-of forgotten first."""

    tally: Tally = field(default_factory=Tally)
    most: int = 50_000
    _flows: OrderedDict[FlowKey, _Flow] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._flows)

    def learned(self, record: Learned) -> None:
        """A name counts for what the flow carries from now on, and for all of it where that is not counted yet."""
        flow = self._known(record.key)
        flow.inside = record.inside or flow.inside
        flow.subject = Subject(record.application, record.category)

    def counted(self, entry: Entry) -> None:
        """What the kernel says of a flow, alive or ended."""
        key = key_of(entry.flow)
        flow = self._flows.get(key)
        if flow is None and not entry.mark:
            return
        flow = flow or self._known(key)
        self._add(flow, entry)
        if entry.ended:
            self._flows.pop(key, None)

    def _known(self, key: FlowKey) -> _Flow:
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= self.most:
                self._flows.popitem(last=False)
            flow = self._flows[key] = _Flow()
        self._flows.move_to_end(key)
        return flow

    def _add(self, flow: _Flow, entry: Entry) -> None:
        new = flow.identity != entry.identity
        if new:
            flow.identity, flow.forth, flow.back, flow.blocked = entry.identity, 0, 0, False
        forth, back = max(0, entry.forth - flow.forth), max(0, entry.back - flow.back)
        flow.forth, flow.back = max(flow.forth, entry.forth), max(flow.back, entry.back)
        blocked = entry.mark & _KNOWN_MASK == _BLOCKED and not flow.blocked
        flow.blocked = flow.blocked or blocked
        if not (new or forth or back or blocked):
            return
        inside = flow.inside or inside_of(entry.flow)
        sent, received = (forth, back) if inside == entry.flow.source else (back, forth)
        host = str(ip_address(inside)) if inside else ""
        self.tally.add(host, flow.subject, Amount(int(new), sent, received, int(blocked)))


def key_of(flow: Tuple) -> FlowKey:
    """The namer's key of a flow."""
    one, other = (flow.source, flow.source_port), (flow.destination, flow.destination_port)
    low, high = (one, other) if one <= other else (other, one)
    return FlowKey(flow.protocol, *low, *high)


def inside_of(flow: Tuple) -> bytes:
    """A guess for a flow that naming missed: the end with a private address, else who opened it."""
    for end in (flow.source, flow.destination):
        if ip_address(end).is_private:
            return end
    return flow.source
