"""What a rule asks of the packet or the flow as a whole."""

from collections.abc import Callable, Mapping, Sequence

from omamori.firmware.engine.inspection import FlowFacts, Inspection
from omamori.firmware.engine.ips.bounce import FtpBounce, bounces
from omamori.firmware.engine.ips.moments import applications
from omamori.firmware.engine.ips.numbers import compare
from omamori.firmware.engine.ips.reputation import Reputation
from omamori.firmware.engine.ips.rule import (
    ApplicationIs,
    BitsCheck,
    Check,
    EventRaised,
    FieldCheck,
    FlowCount,
    IpOption,
    ReputationIs,
    SameAddress,
    StreamSize,
)
from omamori.firmware.engine.packet import Packet

_TCP_ONLY = frozenset(("sequence", "acknowledgement", "window", "flags"))
_ICMP_ONLY = frozenset(("icmp_type", "icmp_code", "icmp_id", "icmp_sequence"))
_TOO_BIG = 2
_ECHO = {"icmp": (0, 8, 13, 14, 15, 16), "icmpv6": (128, 129)}


def hold(checks: Sequence[Check], inspection: Inspection, reputation: Reputation) -> bool:
    """All of them."""
    return all(_holds(check, inspection, reputation) for check in checks)


def _holds(check: Check, inspection: Inspection, reputation: Reputation) -> bool:
    match check:
        case FieldCheck():
            value = None if inspection.packet is None else _field(inspection.packet, check.field)
            return value is not None and compare(check.comparison, value)
        case BitsCheck():
            return inspection.packet is not None and _bits(check, inspection.packet)
        case StreamSize():
            return _stream_size(check, inspection.flow)
        case SameAddress():
            return inspection.flow.client == inspection.flow.server
        case FtpBounce():
            return _bounces(inspection)
        case ApplicationIs():
            return _application(check, inspection.flow)
        case EventRaised():
            return check.name in inspection.events
        case IpOption():
            return inspection.packet is not None and _ip_option(check, inspection.packet)
        case FlowCount():
            return _count(check, inspection)
        case ReputationIs():
            return _reputation(check, inspection, reputation)


def _application(check: ApplicationIs, flow: FlowFacts) -> bool:
    """As in Suricata, nothing is another protocol while it is still unknown which it is; datagrams tell with the first."""
    unknown = not flow.application and flow.protocol == "tcp"
    if check.negated and unknown and check.name:
        return False
    return (flow.application in applications(check.name)) is not check.negated


def _field(packet: Packet, name: str) -> int | None:
    """None where the packet has no such field."""
    if name in _TCP_ONLY and not packet.has_tcp:
        return None
    if name == "icmpv6_mtu":
        return _mtu(packet)
    if name in _ICMP_ONLY:
        return _icmp(packet, name)
    if name == "dsize":
        return len(packet.payload)
    if name in ("fragment_id", "fragment_offset") and packet.version == 6 and not packet.is_fragment:
        return None
    if name == "fragment_offset" and packet.version == 4:
        return packet.fragment_offset // 8
    value = getattr(packet, name)
    return None if value is None else int(value)


def _icmp(packet: Packet, name: str) -> int | None:
    if not packet.has_icmp:
        return None
    if name in ("icmp_id", "icmp_sequence") and packet.icmp_type not in _ECHO[packet.protocol_name]:
        return None
    return int(getattr(packet, name))


def _mtu(packet: Packet) -> int | None:
    """Of ICMPv6 "packet too big" (RFC 4443, 3.2)."""
    if not packet.has_icmp or packet.protocol_name != "icmpv6" or packet.icmp_type != _TOO_BIG:
        return None
    return int.from_bytes(packet.data[packet.transport_at + 4 : packet.transport_at + 8], "big")


def _bits(check: BitsCheck, packet: Packet) -> bool:
    if check.field == "flags" and not packet.has_tcp:
        return False
    value: int = getattr(packet, check.field) & ~check.ignored
    wanted = check.bits
    match check.modifier:
        case "+":
            return value & wanted == wanted
        case "*":
            return bool(value & wanted)
        case "!" | "-":
            return value & wanted != wanted
        case _:
            return value == wanted


def _stream_size(check: StreamSize, flow: FlowFacts) -> bool:
    if flow.protocol != "tcp":
        return False
    server = compare(check.comparison, flow.to_client_sequence)
    client = compare(check.comparison, flow.to_server_sequence)
    match check.side:
        case "server":
            return server
        case "client":
            return client
        case "both":
            return server and client
        case _:
            return server or client


def _ip_option(check: IpOption, packet: Packet) -> bool:
    options, at = packet.ip_options, 0
    if check.number is None:
        return bool(options)
    while at < len(options):
        if options[at] == check.number:
            return True
        if options[at] == 0:
            return False
        at += 1 if options[at] == 1 else max(options[at + 1] if at + 1 < len(options) else 40, 2)
    return False


def _bounces(inspection: Inspection) -> bool:
    flow, buffers = inspection.flow, inspection.buffers
    sender = flow.client if inspection.to_server else flow.server
    return bounces((*buffers.get("stream", ()), *buffers.get("payload", ())), sender)


def _reputation(check: ReputationIs, inspection: Inspection, reputation: Reputation) -> bool:
    flow = inspection.flow
    source, destination = (flow.client, flow.server) if inspection.to_server else (flow.server, flow.client)
    asked = {"src": (source,), "dst": (destination,)}.get(check.side, (source, destination))
    scores = [reputation.score(check.category, address) for address in asked]
    met = [score is not None and compare(check.comparison, score) for score in scores]
    return all(met) if check.side == "both" else any(met)


_COUNTS: Mapping[str, Callable[[FlowFacts], Sequence[int]]] = {
    "pkts_toserver": lambda flow: (flow.to_server_packets,),
    "pkts_toclient": lambda flow: (flow.to_client_packets,),
    "bytes_toserver": lambda flow: (flow.to_server_bytes,),
    "bytes_toclient": lambda flow: (flow.to_client_bytes,),
    "pkts_either": lambda flow: (flow.to_server_packets, flow.to_client_packets),
    "bytes_either": lambda flow: (flow.to_server_bytes, flow.to_client_bytes),
    "pkts_both": lambda flow: (flow.to_server_packets + flow.to_client_packets,),
    "bytes_both": lambda flow: (flow.to_server_bytes + flow.to_client_bytes,),
}


def _count(check: FlowCount, inspection: Inspection) -> bool:
    if check.field == "age":
        return compare(check.comparison, int(inspection.now - inspection.flow.begun))
    counts = _COUNTS.get(check.field)
    return counts is not None and any(compare(check.comparison, count) for count in counts(inspection.flow))
