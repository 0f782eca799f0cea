"""Options about the packet, the flow and what is remembered: flow, flags, ttl, flowbits, threshold, ..."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from omamori.firmware.engine.ips.rule import (
    ApplicationIs,
    BitOp,
    BitsCheck,
    Comparison,
    EventRaised,
    FieldCheck,
    FlowBits,
    FlowCount,
    FlowInt,
    IpOption,
    Operator,
    ReputationIs,
    SameAddress,
    StreamSize,
    XBits,
)
from omamori.firmware.engine.ips.thresholds import DetectionFilter, Threshold, ThresholdKind, Track
from omamori.firmware.signatures.suricata.draft import Draft
from omamori.firmware.signatures.suricata.errors import RuleSyntaxError, Unsupported
from omamori.firmware.signatures.suricata.lexer import Option
from omamori.firmware.signatures.suricata.recognised import APPLICATIONS, EVENTS, FOREIGN
from omamori.firmware.signatures.suricata.values import (
    comparison,
    integer,
    names,
    number,
    refuse_value,
    required,
)

_NO_APPLICATION = frozenset(("failed", "unknown"))
_FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "2": 64, "C": 128, "1": 128, "0": 0}
_FLAG_TEST = re.compile(r"([+*!-]?)([FSRPAUEC120]+)([+*!-]?)\Z", re.IGNORECASE)
_FRAGMENT_BITS = {"M": 1, "D": 2, "R": 4}
_FRAGMENT_TEST = re.compile(r"([+*!-]?)([MDR]+)([+*!-]?)\Z")
_IP_OPTIONS = {
    "rr": 7,
    "eol": 0,
    "nop": 1,
    "ts": 68,
    "sec": 130,
    "esec": 133,
    "lsrr": 131,
    "ssrr": 137,
    "satid": 136,
    "any": None,
}
_PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "rdp": 27, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50,
    "ah": 51, "icmpv6": 58, "eigrp": 88, "ospf": 89, "ipip-encap": 94, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132,
}  # fmt: skip
_FLOW_WORDS: dict[str, dict[str, bool]] = {
    "established": {"established": True},
    "not_established": {"established": False},
    "stateless": {},
    "to_server": {"to_server": True},
    "from_client": {"to_server": True},
    "to_client": {"to_server": False},
    "from_server": {"to_server": False},
    "only_stream": {"only_stream": True},
    "no_stream": {"no_stream": True},
    "only_frag": {"fragment": True},
    "no_frag": {"fragment": False},
}
_FIELDS = {"icmpv6.mtu": "icmpv6_mtu", "itype": "icmp_type", "icode": "icmp_code", "icmp_seq": "icmp_sequence", "tcp.mss": "tcp_mss", "id": "fragment_id",
           "ack": "acknowledgement", "seq": "sequence", "tcp.seq": "sequence", "tcp.ack": "acknowledgement", "tcp.window": "window",
           "fragoffset": "fragment_offset", "ip_proto": "protocol"}  # fmt: skip


def flow(draft: Draft, option: Option) -> None:
    for word in names(option):
        if word.lower() not in _FLOW_WORDS:
            raise RuleSyntaxError(f"flow: not a word of it: {word[:40]!r}", option.value_column)
        draft.flow = replace(draft.flow, **_FLOW_WORDS[word.lower()])


def field(draft: Draft, option: Option) -> None:
    """A number of the packet."""
    draft.checks.append(FieldCheck(_FIELDS.get(option.name, option.name), comparison(option)))


def ip_proto(draft: Draft, option: Option) -> None:
    value = required(option).lower()
    prefix = value[: len(value) - len(value.lstrip("!<>"))]
    name = value.lstrip("!<>").strip()
    digits = str(_PROTOCOLS[name]) if name in _PROTOCOLS else name
    draft.checks.append(FieldCheck("protocol", comparison(option, prefix + digits)))


def l3_proto(draft: Draft, option: Option) -> None:
    value = required(option).lower()
    if value not in ("ipv4", "ipv6"):
        raise RuleSyntaxError(f"l3_proto: ipv4 or ipv6, not {value[:20]!r}", option.value_column)
    draft.checks.append(FieldCheck("version", Comparison(Operator.EQUAL, int(value[3]))))


def flags(draft: Draft, option: Option) -> None:
    test, *ignored = names(option)
    draft.checks.append(_bits("flags", test, _FLAG_TEST, _FLAGS, option, ignored[0] if ignored else ""))


def fragbits(draft: Draft, option: Option) -> None:
    draft.checks.append(
        _bits("fragment_bits", required(option).upper(), _FRAGMENT_TEST, _FRAGMENT_BITS, option, "")
    )


def _bits(
    name: str, test: str, grammar: re.Pattern[str], letters: dict[str, int], option: Option, ignored: str
) -> BitsCheck:
    found = grammar.match(test)
    if not found or (found[1] and found[3]):
        raise RuleSyntaxError(f"{option.name}: not a test of bits: {test[:40]!r}", option.value_column)
    unknown = set(ignored.upper()) - letters.keys()
    if unknown:
        raise RuleSyntaxError(f"{option.name}: no bit {min(unknown)!r}", option.value_column)
    return BitsCheck(name, _sum(found[2], letters), found[1] or found[3], _sum(ignored, letters))


def _sum(text: str, letters: dict[str, int]) -> int:
    bits = 0
    for letter in text.upper():
        bits |= letters[letter]
    return bits


def ipopts(draft: Draft, option: Option) -> None:
    name = required(option).lower()
    if name not in _IP_OPTIONS:
        raise RuleSyntaxError(f"ipopts: no option {name[:20]!r}", option.value_column)
    draft.checks.append(IpOption(_IP_OPTIONS[name]))


def sameip(draft: Draft, option: Option) -> None:
    refuse_value(option)
    draft.checks.append(SameAddress())


def stream_size(draft: Draft, option: Option) -> None:
    words = names(option)
    if len(words) != 3 or words[0] not in ("server", "client", "both", "either"):
        raise RuleSyntaxError("stream_size needs side, operator and number", option.value_column)
    draft.checks.append(StreamSize(words[0], comparison(option, words[1] + words[2])))


def app_layer_protocol(draft: Draft, option: Option) -> None:
    value = names(option)[0]
    name = value.lstrip("!").strip()
    if name in FOREIGN:
        raise Unsupported(f"{option.name} {name}", "this protocol is not recognised", option.value_column)
    if name not in APPLICATIONS | _NO_APPLICATION:
        raise RuleSyntaxError(f"{option.name}: not a protocol: {name[:40]!r}", option.value_column)
    draft.checks.append(ApplicationIs("" if name == "unknown" else name, value.startswith("!")))


def iprep(draft: Draft, option: Option) -> None:
    """`side,category,operator,score`; as in Suricata 7 without `isset`."""
    words = names(option)
    if (
        len(words) != 4
        or words[0] not in ("src", "dst", "any", "both")
        or words[2] not in ("<", "<=", ">", ">=", "=")
    ):
        raise RuleSyntaxError("iprep needs side, category, operator and score", option.value_column)
    draft.checks.append(ReputationIs(words[0], words[1], comparison(option, words[2] + words[3])))


def event(draft: Draft, option: Option) -> None:
    name = required(option)
    if name not in EVENTS:
        raise Unsupported(f"{option.name} {name[:60]}", "no such event is raised", option.value_column)
    draft.checks.append(EventRaised(name))


def flow_count(draft: Draft, option: Option) -> None:
    draft.checks.append(FlowCount(option.name.removeprefix("flow."), comparison(option)))


def flow_direction_count(draft: Draft, option: Option) -> None:
    """`flow.pkts:toserver,>3` and its kin."""
    side, _, rest = required(option).partition(",")
    if side not in ("toserver", "toclient", "both", "either"):
        raise RuleSyntaxError(f"{option.name}: not a side: {side[:20]!r}", option.value_column)
    draft.checks.append(FlowCount(f"{option.name.removeprefix('flow.')}_{side}", comparison(option, rest)))


def flowbits(draft: Draft, option: Option) -> None:
    word, *rest = names(option)
    if word == "noalert":
        draft.silent = True
        return
    if word not in BitOp.__members__.values() or len(rest) != 1 or not rest[0]:
        raise RuleSyntaxError(
            f"flowbits: not an operation: {(option.value or '')[:40]!r}", option.value_column
        )
    bits = tuple(name.strip() for name in rest[0].split("|"))
    if len(bits) > 1 and word not in ("isset", "isnotset"):
        raise RuleSyntaxError("flowbits: only isset and isnotset take several names", option.value_column)
    draft.state.append(FlowBits(BitOp(word), bits))


def xbits(draft: Draft, option: Option) -> None:
    word, *rest = names(option)
    if word == "noalert":
        draft.silent = True
        return
    words = dict(part.split(None, 1) for part in rest[1:] if " " in part)
    track = words.get("track", "")
    if word not in BitOp.__members__.values() or track not in ("ip_src", "ip_dst", "ip_pair", "tx"):
        raise RuleSyntaxError(f"xbits: not an operation: {(option.value or '')[:60]!r}", option.value_column)
    expire = integer(words.get("expire", "30"), option, low=1)
    draft.state.append(XBits(BitOp(word), rest[0], track, expire))


def hostbits(draft: Draft, option: Option) -> None:
    words = names(option)
    if words[0] not in BitOp.__members__.values() or len(words) < 2:
        raise RuleSyntaxError(
            f"hostbits: not an operation: {(option.value or '')[:60]!r}", option.value_column
        )
    side = words[2] if len(words) > 2 else "src"
    track = {"src": "ip_src", "dst": "ip_dst", "both": "ip_pair"}.get(side)
    if track is None:
        raise RuleSyntaxError(f"hostbits: not a side: {side[:20]!r}", option.value_column)
    draft.state.append(XBits(BitOp(words[0]), words[1], track, 300))


def flowint(draft: Draft, option: Option) -> None:
    words = names(option)
    unary = len(words) == 2 and words[1] in ("isset", "notset", "isnotset")
    binary = len(words) == 3 and words[1] in ("=", "+", "-", "<", ">", "<=", ">=", "==", "!=", "!")
    if not unary and not binary:
        raise RuleSyntaxError(
            f"flowint: not an operation: {(option.value or '')[:40]!r}", option.value_column
        )
    draft.state.append(FlowInt(words[0], words[1], number(words[2], option) if binary else 0))


def threshold(draft: Draft, option: Option) -> None:
    words = _pairs(option, {"type", "track", "count", "seconds"})
    kinds = {kind.name.lower(): kind for kind in ThresholdKind}
    if words["type"] not in kinds:
        raise RuleSyntaxError(f"threshold: no type {words['type'][:20]!r}", option.value_column)
    draft.threshold = Threshold(kinds[words["type"]], _track(words, option), *_counts(words, option))


def detection_filter(draft: Draft, option: Option) -> None:
    words = _pairs(option, {"track", "count", "seconds"})
    draft.detection_filter = DetectionFilter(_track(words, option), *_counts(words, option))


def _pairs(option: Option, keys: set[str]) -> dict[str, str]:
    words = dict(part.split(None, 1) for part in names(option) if len(part.split(None, 1)) == 2)
    missing = keys - words.keys()
    if missing:
        raise RuleSyntaxError(f"{option.name}: {min(missing)} is missing", option.value_column)
    return {key: value.strip() for key, value in words.items()}


def _track(words: dict[str, str], option: Option) -> Track:
    try:
        return Track(words["track"])
    except ValueError:
        raise RuleSyntaxError(
            f"{option.name}: cannot track {words['track'][:20]!r}", option.value_column
        ) from None


def _counts(words: dict[str, str], option: Option) -> tuple[int, int]:
    return integer(words["count"], option, low=1), integer(words["seconds"], option, low=0)


HANDLERS: Mapping[str, Callable[[Draft, Option], None]] = {
    "flow": flow,
    "ip_proto": ip_proto,
    "l3_proto": l3_proto,
    "flags": flags,
    "tcp.flags": flags,
    "fragbits": fragbits,
    "ipopts": ipopts,
    "sameip": sameip,
    "stream_size": stream_size,
    "iprep": iprep,
    "app-layer-protocol": app_layer_protocol,
    "app-layer-event": event,
    "decode-event": event,
    "stream-event": event,
    "flowbits": flowbits,
    "xbits": xbits,
    "hostbits": hostbits,
    "flowint": flowint,
    "threshold": threshold,
    "detection_filter": detection_filter,
    **dict.fromkeys(
        (
            "itype", "icode", "icmp_id", "icmp_seq", "ttl", "tos", "id", "seq", "ack", "window", "tcp.seq", "tcp.ack",
            "tcp.window", "tcp.mss", "dsize", "fragoffset", "icmpv6.mtu",
        ),
        field,
    ),
    **dict.fromkeys(
        ("flow.age", "flow.pkts_toserver", "flow.pkts_toclient", "flow.bytes_toserver", "flow.bytes_toclient"), flow_count
    ),
    **dict.fromkeys(("flow.pkts", "flow.bytes"), flow_direction_count),
}  # fmt: skip
