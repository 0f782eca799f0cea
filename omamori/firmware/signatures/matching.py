"""The filter language of suricata-verify: which events a `match` means."""

import re
from collections.abc import Mapping
from typing import Any

_INDEX = re.compile(r"(.+?)\[(\d+)\]\Z")
_UNWRITTEN = (
    "payload", "payload_printable", "payload_length", "packet", "packet_info", "pcap_cnt", "pcap_filename", "stream", "pkt_src", "flow",
    "tx_id", "traffic", "files", "email", "smtp", "metadata", "vlan", "tunnel", "ip_v", "verdict", "direction", "tx_guessed", "icmp_type",
    "icmp_code", "ether", "community_id", "host", "capture_file", "log_level", "frame", "ssh", "smb", "quic", "fileinfo", "ftp",
    "has-key", "not-has-key", "xff", "parent_id", "response_icmp_type", "response_icmp_code", "in_iface", "app_proto_tc",
    "app_proto_ts", "app_proto_orig", "app_proto_expected",
)  # fmt: skip
"""Fields that only logging has: a check on them says nothing about what was detected."""
_UNWRITTEN_IN = {
    "alert": ("category", "source", "target", "tx_id", "tx_guessed"),
    "http": ("length", "status", "http_content_type"),
}
"""Within others: texts of a configuration file, and what is known only after the alert."""


def compared(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The part of this filter that speaks of what we write."""
    kept = {}
    for key, value in wanted.items():
        name, _, rest = str(key).partition(".")
        name = name.split("[")[0]
        if name in _UNWRITTEN or rest.split(".")[0].split("[")[0] in _UNWRITTEN_IN.get(name, ()):
            continue
        if isinstance(value, Mapping) and not rest:
            value = {part: each for part, each in value.items() if part not in _UNWRITTEN_IN.get(name, ())}  # noqa: PLW2901 - without what is not compared
        kept[key] = value
    return kept


def matches(event: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(_holds(event, str(key), value) for key, value in wanted.items())


def _holds(event: Mapping[str, Any], key: str, wanted: object) -> bool:
    """`path` is equal, or stands in a relation that the key's end names."""
    path, _, relation = key.partition("__")
    found = _value(event, path)
    match relation:
        case "len":
            return isinstance(found, list | str) and len(found) == wanted
        case "contains" | "find":
            return wanted in found if isinstance(found, list) else str(wanted) in str(found or "")
        case "startswith":
            return str(found or "").startswith(str(wanted))
        case "endswith":
            return str(found or "").endswith(str(wanted))
        case _:
            return _equal(found, wanted)


def _equal(found: object, wanted: object) -> bool:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(_equal(found.get(key), value) for key, value in wanted.items())
    return found == wanted or (found is not None and str(found) == str(wanted))


def _value(event: Mapping[str, Any], path: str) -> object:
    value: object = event
    for part in path.split("."):
        indexed = _INDEX.match(part)
        name = indexed[1] if indexed else part
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
        if indexed:
            index = int(indexed[2])
            value = value[index] if isinstance(value, list) and index < len(value) else None
    return value
