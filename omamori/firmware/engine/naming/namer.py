"""Names the application of each flow from copies of its first packets.

Three sources, the surest first: the name of the server that the client asks for (DNS, HTTP, TLS), the table of payloads,
and a library of dissectors. What none of them knows takes the name of the address that a look-up just gave, or of what
the same inside port does elsewhere. Everything is bounded: flows, packets of a flow, bytes kept, memories. Copies may be
missing, cut or out of order; nothing here raises for any bytes.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeVar

from omamori.firmware.engine import tunnel
from omamori.firmware.engine.applications import dns
from omamori.firmware.engine.domains import listable
from omamori.firmware.engine.errors import PacketError
from omamori.firmware.engine.naming import networks, payloads
from omamori.firmware.engine.naming.asked import asked_host
from omamori.firmware.engine.naming.catalogue import Application, Catalogue, catalogue
from omamori.firmware.engine.packet import SYN, TCP, UDP, Packet, parse

_HELLO: Final = 16 << 10
"""Bytes of a stream's start kept while a hello is incomplete."""
_CERTIFIED: Final = re.compile(rb"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,4}\.[a-z]{2,12}")


class FlowKey(NamedTuple):
    """Both ends in canonical order, so that either direction gives the same key. Addresses are packed."""

    protocol: int
    low: bytes
    low_port: int
    high: bytes
    high_port: int


@dataclass(frozen=True, slots=True)
class Named:
    """What is known of a flow now; a later one of the same flow replaces it."""

    key: FlowKey
    application: Application | None = None
    host: str = ""
    """The server's name as the client asked for it; empty where it did not say."""
    lookup: bool = False
    """It is a DNS exchange about `host`, no use of the application itself."""
    guessed: bool = False
    """The application is concluded from an address that others may share, or from a port: never block by it."""


class Dissector(Protocol):
    """A library that names flows; `host/ndpi.py` is one."""

    def open(self) -> object:
        """A handle for one flow."""
        ...

    def packet(self, handle: object, data: bytes, milliseconds: int) -> str:
        """The name so far, by the library's own vocabulary; empty while unknown."""
        ...

    def host(self, handle: object) -> bytes:
        """The server's name that the library read, as in QUIC, which it decrypts; empty where there is none."""
        ...

    def close(self, handle: object) -> str:
        """The last word; the handle is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the namer."""

    flows: int = 8_192
    packets: int = 24
    """Of each flow; later ones are not looked at."""
    idle: float = 120.0
    remembered: int = 8_192
    """Addresses from look-ups, and inside ports, each."""


@dataclass(slots=True)
class _Flow:
    key: FlowKey
    client: bytes
    handle: object | None
    last: float
    packets: int = 0
    start: bytes = b""
    """What the client sent so far, while a hello or head is incomplete."""
    next: int | None = None
    seen: set[int] = field(default_factory=set)
    """Which sides have sent payload: 0 the client, 1 the server."""
    application: Application | None = None
    host: str = ""
    lookup: bool = False
    sure: bool = False
    certifying: bool = False
    call: bool = False
    """It began with STUN, which says little about who calls."""
    weak: bool = False
    """The name is the library's for a call: what the same port does elsewhere is surer."""
    guessed: bool = False
    told: tuple[Application | None, str] = (None, "")


Key = TypeVar("Key")
Value = TypeVar("Value")


class _Recent(OrderedDict[Key, Value]):
    """A mapping that forgets its oldest entries."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def put(self, key: Key, value: Value) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)


class Namer:
    """Feed it IP packets in about the order they came."""

    def __init__(
        self,
        dissector: Dissector | None = None,
        *,
        limits: Limits | None = None,
        table: Catalogue | None = None,
    ) -> None:
        self._dissector = dissector
        self._limits = limits or Limits()
        self._table = table or catalogue()
        self._flows: OrderedDict[FlowKey, _Flow] = OrderedDict()
        self._looked_up: _Recent[bytes, Application] = _Recent(self._limits.remembered)
        self._servers: _Recent[bytes, Application] = _Recent(self._limits.remembered)
        self._endpoints: _Recent[tuple[bytes, int], Application] = _Recent(self._limits.remembered)

    def packet(self, data: bytes, *, now: float) -> Named | None:
        """What is newly known of the packet's flow; None where nothing is. A flow's first packet always tells."""
        try:
            packet = _innermost(parse(data))
        except PacketError:
            return None
        if packet.protocol not in (TCP, UDP) or packet.is_fragment:
            return None
        key, new = key_of(packet), False
        flow = self._flows.get(key)
        if flow is None:
            flow, new = self._opened(key, packet, now), True
        flow.last = now
        self._flows.move_to_end(key)
        if flow.packets < self._limits.packets:
            flow.packets += 1
            self._look(flow, packet, now)
        return self._news(flow, new=new)

    def tick(self, now: float) -> list[Named]:
        """End flows that were silent for long; the library's last word may name some."""
        found = []
        while self._flows:
            flow = next(iter(self._flows.values()))
            if now - flow.last < self._limits.idle:
                break
            found += self._ended(flow)
        return found

    def flush(self) -> list[Named]:
        """End all flows."""
        return [named for flow in list(self._flows.values()) for named in self._ended(flow)]

    # --- one flow -----------------------------------------------------------------------------------------------

    def _opened(self, key: FlowKey, packet: Packet, now: float) -> _Flow:
        if len(self._flows) >= self._limits.flows:
            self._ended(next(iter(self._flows.values())))
        client = packet.source if not _from_server(packet) else packet.destination
        handle = self._dissector.open() if self._dissector else None
        flow = self._flows[key] = _Flow(key, client, handle, now)
        return flow

    def _ended(self, flow: _Flow) -> list[Named]:
        del self._flows[flow.key]
        self._close(flow)
        self._guess(flow)
        news = self._news(flow, new=False)
        return [news] if news else []

    def _news(self, flow: _Flow, *, new: bool) -> Named | None:
        state = flow.application, flow.host
        if state == flow.told and not new:
            return None
        flow.told = state
        return Named(flow.key, flow.application, flow.host, flow.lookup, flow.guessed)

    def _look(self, flow: _Flow, packet: Packet, now: float) -> None:
        if packet.payload and (flow.lookup or not flow.sure):
            self._ask_tables(flow, packet)
        if flow.handle is not None:
            self._ask_dissector(flow, packet.data, now)
        if flow.packets == self._limits.packets or flow.sure:
            self._close(flow)
            self._guess(flow)
        self._remember(flow, packet)

    def _ask_tables(self, flow: _Flow, packet: Packet) -> None:
        ports = packet.source_port, packet.destination_port
        if packet.protocol == UDP:
            self._datagram(flow, packet, ports)
            return
        side = int(packet.source != flow.client)
        if side not in flow.seen:
            flow.seen.add(side)
            self._take(flow, payloads.of_stream(packet.payload, ports))
        if side == 0:
            self._client_bytes(flow, packet)
        elif not flow.host:
            self._certified(flow, packet.payload)

    def _certified(self, flow: _Flow, payload: bytes) -> None:
        """A server that was not asked by name shows its own in a certificate, until TLS 1.3."""
        flow.certifying = flow.certifying or payload[:2] in (b"\x16\x03", b"\x16\xfe")
        if not flow.certifying or flow.application is not None:
            return
        named = (self._table.of_host(name.decode()) for name in _CERTIFIED.findall(payload[:6000]))
        flow.application = next(filter(None, named), None)

    def _datagram(self, flow: _Flow, packet: Packet, ports: tuple[int, int]) -> None:
        if 53 in ports:
            self._dns(flow, packet.payload)
            return
        flow.call = flow.call or payloads.is_call(packet.payload)
        self._take(flow, payloads.of_datagram(packet.payload, ports))
        if packet.payload[:2] == b"\x16\xfe":
            self._certified(flow, packet.payload)

    def _take(self, flow: _Flow, name: str | None) -> None:
        """A name by the payload; the server's name, which comes later, is surer."""
        if name is not None and (flow.application is None or flow.weak):
            flow.application, flow.weak = self._table.by_name[name], False

    def _client_bytes(self, flow: _Flow, packet: Packet) -> None:
        """Gather the start in order; a hole or too much ends the attempt."""
        if flow.next is not None and packet.sequence != flow.next:
            return
        if len(flow.start) + len(packet.payload) > _HELLO:
            flow.start, flow.next = b"", -1
            return
        flow.start += packet.payload
        flow.next = (packet.sequence + len(packet.payload)) & 0xFFFFFFFF
        found = asked_host(flow.start)
        if found:
            flow.start, flow.next = b"", -1
            self._host(flow, found)

    def _host(self, flow: _Flow, raw: bytes) -> None:
        host = listable(raw)
        if host is None:
            return
        flow.host = host
        found = self._table.of_host(host)
        if found is not None:
            flow.application, flow.sure = found, True

    def _dns(self, flow: _Flow, payload: bytes) -> None:
        try:
            message = dns.parse(payload)
        except dns.NotDns:
            return
        flow.lookup = True
        if message.questions and not flow.sure:
            self._host(flow, message.questions[0].name)
        if flow.application is not None:
            for answer in message.answers[:16]:
                if len(answer.data) in (4, 16):
                    self._looked_up.put(answer.data, flow.application)

    def _ask_dissector(self, flow: _Flow, data: bytes, now: float) -> None:
        assert self._dissector is not None  # noqa: S101 - a handle comes from one
        name = self._dissector.packet(flow.handle, data, int(now * 1000))
        if not flow.host and flow.key.protocol == UDP and not flow.lookup and not flow.call:
            found = self._dissector.host(flow.handle)
            if found:
                self._host(flow, found)
        self._dissected(flow, name)

    def _close(self, flow: _Flow) -> None:
        if flow.handle is not None and self._dissector is not None:
            handle, flow.handle = flow.handle, None
            self._dissected(flow, self._dissector.close(handle))

    def _dissected(self, flow: _Flow, name: str) -> None:
        found = self._table.by_dissected.get(name.casefold()) if name else None
        if found is not None and flow.application is None and not _is_multicast(flow.key):
            flow.application, flow.weak = found, flow.call

    def _guess(self, flow: _Flow) -> None:
        """From other flows: the same inside port, or an address that a look-up or another flow gave for a name."""
        if flow.lookup or flow.host or (flow.application is not None and not flow.weak):
            return
        key = flow.key
        ends = ((key.low, key.low_port), (key.high, key.high_port))
        same = [self._endpoints.get(end) for end in ends] if key.protocol == UDP else []
        shared = [] if flow.application else self._by_address(key)
        found = next(filter(None, same), None) or next(filter(None, shared), None)
        if found is not None:
            flow.guessed = found not in same and found.name not in map(
                networks.of_address, (key.low, key.high)
            )
            flow.application = found

    def _by_address(self, key: FlowKey) -> list[Application | None]:
        """What the addresses were said to be, the best first; then their networks and ports."""
        addresses = (key.low, key.high)
        found = [self._looked_up.get(address) for address in addresses]
        found += [self._servers.get(address) for address in addresses] if key.protocol == UDP else []
        names = [networks.of_address(address) for address in addresses]
        names.append(payloads.by_port(key.protocol, (key.low_port, key.high_port)))
        return found + [self._table.by_name[name] if name else None for name in names]

    def _remember(self, flow: _Flow, packet: Packet) -> None:
        if flow.application is None or flow.weak or flow.lookup or flow.guessed:
            return
        from_client = packet.source == flow.client
        if flow.sure:
            self._servers.put(packet.destination if from_client else packet.source, flow.application)
        port = packet.source_port if from_client else packet.destination_port
        if packet.protocol == UDP and port > 1024:
            self._endpoints.put((flow.client, port), flow.application)


def _innermost(packet: Packet) -> Packet:
    """What a tunnel in the clear carries. Raises PacketError."""
    for _ in range(tunnel.DEPTH):
        carried = tunnel.inside(packet) if not packet.is_fragment else None
        if carried is None:
            break
        packet = parse(carried)
    return packet


def key_of(packet: Packet) -> FlowKey:
    one, other = (packet.source, packet.source_port), (packet.destination, packet.destination_port)
    low, high = (one, other) if one <= other else (other, one)
    return FlowKey(packet.protocol, *low, *high)


def _is_multicast(key: FlowKey) -> bool:
    """Local chatter, which the library is too quick to name."""
    return any(
        address[0] >= 0xE0 if len(address) == 4 else address[0] == 0xFF for address in (key.low, key.high)
    )


def _from_server(packet: Packet) -> bool:
    """A guess, for a flow whose beginning was not seen."""
    if packet.has_tcp and packet.flags & SYN:
        return bool(packet.flags & ~SYN & 0x10)
    return packet.source_port < packet.destination_port and packet.source_port < 10_000
