"""Dropped packets as EVE `drop` events, as Suricata writes them: the first one of each direction of a flow, or every one."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address

from omamori.firmware.engine.packet import Packet
from omamori.firmware.signatures.replay import Dropped

_RULE = re.compile(r"(rate of )?rule (\d+):(\d+): (.*)", re.DOTALL)
_PORTED = ("tcp", "udp", "sctp")
_PROTOCOLS = {"icmp": "ICMP", "icmpv6": "IPv6-ICMP"}


def drop_events(drops: Sequence[Dropped], *, every_packet: bool) -> Iterator[dict[str, object]]:
    seen, ended = set(), set()
    for dropped in drops:
        packet = dropped.packet
        way = (
            packet.source,
            packet.source_port,
            packet.destination,
            packet.destination_port,
            packet.protocol,
        )
        flow = frozenset((way[:2], way[2:4])), packet.protocol
        follows = dropped.whole and flow in ended
        ended |= {flow} if dropped.whole else set()
        if every_packet or way not in seen:
            seen.add(way)
            yield _event(dropped, packet, follows=follows)


def _event(dropped: Dropped, packet: Packet, *, follows: bool) -> dict[str, object]:
    """`follows`: an earlier packet of its flow was the one that matched."""
    name = packet.protocol_name
    event: dict[str, object] = {
        "timestamp": datetime.fromtimestamp(dropped.time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000"),
        "event_type": "drop",
        "src_ip": str(ip_address(packet.source)),
        "dest_ip": str(ip_address(packet.destination)),
        "proto": _PROTOCOLS.get(name, name.upper()),
        "drop": {"len": packet.end, "ttl": packet.ttl, "reason": "flow drop"},
    }
    if name in _PORTED:
        event |= {"src_port": packet.source_port, "dest_port": packet.destination_port}
    if not follows and (rule := _RULE.match(dropped.reason)):
        why = "threshold detection_filter" if rule[1] else "rules"
        event["drop"] = {"len": packet.end, "ttl": packet.ttl, "reason": why}
        event["alert"] = {
            "action": "blocked",
            "gid": int(rule[2]),
            "signature_id": int(rule[3]),
            "signature": rule[4],
        }
    return event
