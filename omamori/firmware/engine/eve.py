"""Detections as EVE JSON, the event format of Suricata: one `alert` object, one line each.

Rule matches keep the rule's own numbers; the other guards have none, so they carry group id 0 and a number made of
their signature id. Field names and values follow Suricata 7's documentation of `eve.json`.
"""

import json
from zlib import crc32

from omamori.firmware.engine.journal import Sighting
from omamori.protocol.vocabulary import Action

_PROTOCOLS = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "icmpv6": "IPv6-ICMP", "sctp": "SCTP"}


def record(sighting: Sighting) -> dict[str, object]:
    """One alert event."""
    detection = sighting.detection
    event: dict[str, object] = {
        "timestamp": detection.time.strftime("%Y-%m-%dT%H:%M:%S.%f+0000"),
        "flow_id": sighting.flow,
        "event_type": "alert",
        "src_ip": detection.source.address,
        "dest_ip": detection.destination.address,
        "proto": _PROTOCOLS.get(detection.protocol, detection.protocol.upper()),
    }
    if detection.source.port is not None:
        event |= {"src_port": detection.source.port, "dest_port": detection.destination.port}
    if sighting.application:
        event["app_proto"] = sighting.application
    event["alert"] = _alert(sighting)
    context = sighting.context
    for name, facts in (("http", context.http), ("tls", context.tls), ("dns", context.dns)):
        if facts:
            event[name] = facts
    event["omamori"] = {
        "id": detection.id,
        "guard": detection.guard,
        "direction": detection.direction,
        "reason": detection.reason,
    }
    return event


def line(sighting: Sighting) -> str:
    """The same as one line of JSON, without a line end."""
    return json.dumps(record(sighting), ensure_ascii=False, separators=(",", ":"))


def _alert(sighting: Sighting) -> dict[str, object]:
    detection, hit = sighting.detection, sighting.hit
    action = "allowed" if detection.action is Action.LOGGED else "blocked"
    if hit is None:
        number = crc32(detection.signature_id.encode())
        alert: dict[str, object] = {"action": action, "gid": 0, "signature_id": number, "rev": 1}
        return alert | {
            "signature": detection.signature,
            "category": detection.category,
            "severity": 4 - detection.severity,
        }
    alert = {
        "action": action,
        "gid": hit.gid,
        "signature_id": hit.sid,
        "rev": hit.rev,
        "signature": hit.message,
    }
    alert |= {"category": hit.classtype, "severity": hit.priority}
    if hit.metadata:
        alert["metadata"] = {key: list(values) for key, values in hit.metadata.items()}
    return alert
