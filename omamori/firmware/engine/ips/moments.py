"""At which moments a rule is looked at, as Suricata sorts them (`SigConsolidateTcpBuffer` and what calls it)."""

from dataclasses import dataclass

from omamori.firmware.engine.ips.rule import (
    BitsCheck,
    Content,
    EventRaised,
    FieldCheck,
    FlowBits,
    FlowInt,
    IpOption,
    Rule,
    StreamSize,
    XBits,
)

PAYLOAD = "payload"
TRANSPORTS = frozenset(
    (
        "ip",
        "ipv4",
        "ipv6",
        "tcp",
        "tcp-pkt",
        "tcp-stream",
        "udp",
        "icmp",
        "icmpv4",
        "icmpv6",
        "sctp",
        "pkthdr",
    )
)
HEADER_BUFFERS = frozenset(("tcp.hdr", "udp.hdr", "ipv4.hdr", "ipv6.hdr", "icmpv4.hdr", "icmpv6.hdr"))
_DATAGRAMS = frozenset(("udp", "icmp", "icmpv4", "icmpv6", "sctp"))
_STREAMS = frozenset(
    (
        "http", "http1", "http2", "tls", "ssh", "smtp", "ftp", "ftp-data", "imap", "pop3", "smb", "rdp", "rfb", "mqtt", "telnet", "pgsql",
    )
)  # fmt: skip
"""Applications that run over TCP only."""
_EXCHANGES = frozenset(("dhcp", "tftp", "ntp", "quic", "snmp", "ike", "bittorrent-dht"))
"""Applications that run over UDP only."""


_ALIKE = {"http": frozenset(("http", "http1", "http2")), "http1": frozenset(("http", "http1"))}


def applications(name: str) -> frozenset[str]:
    """The protocols that a rule means by one name."""
    return _ALIKE.get(name, frozenset((name,)))


@dataclass(frozen=True, slots=True)
class Moments:
    """Which of them; `packet` and `stream` may both be true of a TCP rule, which then needs only one of them."""

    packet: bool = False
    """On TCP packets."""
    stream: bool = False
    datagram: bool = False
    """On packets that are not TCP."""
    transaction: bool = False
    event: bool = False
    headers: bool = False
    """It has buffers, but only of packet headers."""


def moments(rule: Rule) -> Moments:
    buffers = {section.buffer for section in rule.sections}
    headers = bool(buffers & HEADER_BUFFERS)
    if any(isinstance(check, EventRaised) for check in rule.checks):
        return Moments(event=True, headers=headers)
    if buffers - HEADER_BUFFERS - {PAYLOAD}:
        return Moments(transaction=True)
    application = rule.header.protocol not in TRANSPORTS
    if PAYLOAD not in buffers:
        return Moments(transaction=True) if application and not headers else _packets(rule, headers=headers)
    if rule.header.protocol in _DATAGRAMS | _EXCHANGES:
        return Moments(datagram=True, headers=headers)
    only_packet = rule.header.protocol == "tcp-pkt" or headers or rule.flow.no_stream or _asks_packet(rule)
    only_stream = rule.header.protocol == "tcp-stream" or rule.flow.only_stream
    positioned = _positioned(rule) or any(isinstance(check, StreamSize) for check in rule.checks)
    return Moments(
        packet=only_packet or (positioned and not only_stream),
        stream=only_stream or not only_packet,
        datagram=not rule.header.protocol.startswith("tcp") and rule.header.protocol not in _STREAMS,
        headers=headers,
    )


def _packets(rule: Rule, *, headers: bool) -> Moments:
    tcp = rule.header.protocol not in _DATAGRAMS
    return Moments(packet=tcp, datagram=not rule.header.protocol.startswith("tcp"), headers=headers)


def _asks_packet(rule: Rule) -> bool:
    return any(isinstance(check, FieldCheck | BitsCheck | IpOption) for check in rule.checks)


def _positioned(rule: Rule) -> bool:
    return any(
        isinstance(step, Content) and (step.offset is not None or step.depth is not None or step.startswith)
        for section in rule.sections
        if section.buffer == PAYLOAD
        for step in section.steps
    )


def address_only(rule: Rule) -> bool:
    """Suricata's IP-only rules: asked once for each direction of a flow."""
    header = rule.header
    return (
        header.protocol in ("ip", "ipv4", "ipv6", "tcp", "udp", "icmp", "sctp")
        and not header.source_ports.items
        and not header.destination_ports.items
        and not rule.sections
        and rule.flow.established is None
        and rule.flow.fragment is None
        and all(isinstance(check, FieldCheck) and check.field == "protocol" for check in rule.checks)
        and not any(_reads(op) for op in rule.state)
    )


def _reads(op: FlowBits | XBits | FlowInt) -> bool:
    return isinstance(op, FlowInt) or op.op in ("isset", "isnotset")
