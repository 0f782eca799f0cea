"""Frames for the tests of this room, built by dpkt and struct, never by the code under test."""

import re
import socket
import struct
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import dpkt

from omamori.protocol.codes.facts import in_japanese

ENGLISH = re.compile(r"\b(the|a|of|on|is|has|have|hosts?|frames?|side|last|for|at|by|not|and|than|ago)\b")
"""What no Japanese sentence has."""
SILENCE = "fleet.example (203.0.113.7) port 8443 does not answer (timed out)"
NAMELESS = "no name server answers for fleet.example"
FOREIGN = "fleet.example (203.0.113.7) port 8443 shows a certificate that is not the fleet's: self-signed"
"""How tries to reach the fleet end, in their words."""
START = datetime(2026, 4, 6, 0, 0, tzinfo=UTC)
ROUTER, SERVER, PC, PHONE, UNIT = (f"00:16:3e:00:00:{n:02x}" for n in (1, 2, 0x10, 0x11, 0xEE))
EVERYBODY = "ff:ff:ff:ff:ff:ff"
NOBODY = str(IPv4Address(0))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(
    source: str, kind: int, payload: bytes, *, target: str = EVERYBODY, vlans: tuple[int, ...] = ()
) -> bytes:
    tags = b"".join(struct.pack("!HH", 0x8100, vlan) for vlan in vlans)
    return octets(target) + octets(source) + tags + struct.pack("!H", kind) + payload


def arp(source: str, address: str, target: str, *, reply_to: str = "", **rest) -> bytes:
    packet = dpkt.arp.ARP(
        op=dpkt.arp.ARP_OP_REPLY if reply_to else dpkt.arp.ARP_OP_REQUEST,
        sha=octets(source),
        spa=socket.inet_aton(address),
        tha=octets(reply_to) if reply_to else bytes(6),
        tpa=socket.inet_aton(target),
    )
    return ethernet(source, 0x0806, bytes(packet), **rest)


def dhcp_client(
    source: str,
    kind: int,
    *,
    name: str = "",
    options: bytes = b"",
    client: str = "",
    relay: str = NOBODY,
    **rest,
) -> bytes:
    extra = b"\x0c" + bytes([len(name.encode())]) + name.encode() if name else b""
    body = _bootp(1, client or source, NOBODY, relay) + bytes([53, 1, kind]) + extra + options + b"\xff"
    return ethernet(source, 0x0800, _udp(NOBODY, 68, "255.255.255.255", 67, body), **rest)


def dhcp_server(
    source: str,
    kind: int,
    *,
    client: str,
    offered: str,
    server: str,
    routers: tuple[str, ...] = (),
    relay: str = NOBODY,
    **rest,
) -> bytes:
    gateways = b"".join(map(socket.inet_aton, routers))
    options = bytes([53, 1, kind, 54, 4]) + socket.inet_aton(server)
    options += bytes([3, len(gateways)]) + gateways if gateways else b""
    body = _bootp(2, client, offered, relay) + options + b"\xff"
    return ethernet(source, 0x0800, _udp(server, 67, "255.255.255.255", 68, body), **rest)


def pppoe(
    source: str, code: int, *, session: int = 0, tags: bytes = b"", target: str = EVERYBODY, **rest
) -> bytes:
    kind = 0x8863 if code else 0x8864
    payload = tags if code else b"\xc0\x21\x09\x01\x00\x08\x12\x34\x56\x78"
    return ethernet(
        source, kind, struct.pack("!BBHH", 0x11, code, session, len(payload)) + payload, target=target, **rest
    )


def _bootp(operation: int, client: str, offered: str, relay: str) -> bytes:
    fixed = struct.pack("!BBBBIHH", operation, 1, 6, 0, 0x3903F326, 0, 0x8000)
    addresses = bytes(4) + socket.inet_aton(offered) + bytes(4) + socket.inet_aton(relay)
    return fixed + addresses + octets(client) + bytes(10) + bytes(64) + bytes(128) + b"\x63\x82\x53\x63"


def _udp(source: str, source_port: int, target: str, target_port: int, body: bytes) -> bytes:
    datagram = dpkt.udp.UDP(sport=source_port, dport=target_port, data=body, ulen=8 + len(body))
    packet = dpkt.ip.IP(src=socket.inet_aton(source), dst=socket.inet_aton(target), p=17, data=datagram)
    packet.len = 28 + len(body)
    return bytes(packet)


# --- IP beyond DHCP ---------------------------------------------------------------------------------------------------

LINUX = bytes.fromhex("020405b40402080a0000000100000000010303070000")[:20]
"""TCP options as Linux orders them: mss, sok, ts, nop, ws."""
WINDOWS = bytes.fromhex("020405b40103030801010402")


def worded(findings):
    """The findings, once each of their facts was found to have its Japanese."""
    for fact in [fact for finding in findings for fact in finding.evidence]:
        japanese = in_japanese(fact)
        assert japanese, f"no Japanese for: {fact}"
        assert not ENGLISH.search(japanese), japanese
    return findings


def opening(
    source: str,
    address: str,
    target: str,
    *,
    hops: int = 64,
    options: bytes = LINUX,
    answers: bool = False,
    port: int = 443,
    to: str = "",
    **rest,
) -> bytes:
    """A SYN to a server's port, or the server's answer; by way of the router or to a PC where `to` names nobody."""
    ports = {"sport": port, "dport": 50_000} if answers else {"sport": 50_000, "dport": port}
    segment = dpkt.tcp.TCP(**ports, flags=dpkt.tcp.TH_SYN | (dpkt.tcp.TH_ACK if answers else 0), opts=options)
    packet = dpkt.ip.IP(
        src=socket.inet_aton(address), dst=socket.inet_aton(target), p=6, ttl=hops, data=segment
    )
    packet.len = len(bytes(packet))
    return ethernet(source, 0x0800, bytes(packet), target=to or (PC if answers else ROUTER), **rest)


def datagram(
    source: str, address: str, target: str, payload: bytes, *, sport: int, dport: int, **rest
) -> bytes:
    return ethernet(source, 0x0800, _udp(address, sport, target, dport, payload), **rest)


def time_answer(source: str, address: str, time: datetime) -> bytes:
    """An NTP server's answer with this time."""
    seconds = int((time - datetime(1900, 1, 1, tzinfo=UTC)).total_seconds())
    body = bytes([0x24, 2, 6, 0xEC]) + bytes(36) + struct.pack("!II", seconds & 0xFFFFFFFF, 0)
    return datagram(source, address, "192.168.1.10", body, sport=123, dport=40_000)


def ip6(source: str, address: str, target: str, protocol: int, payload: bytes, *, hops: int = 255) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops)
    ends = socket.inet_pton(socket.AF_INET6, address) + socket.inet_pton(socket.AF_INET6, target)
    return ethernet(source, 0x86DD, head + ends + payload)


def solicitation(source: str, address: str, target: str) -> bytes:
    body = bytes([135, 0, 0, 0]) + bytes(4) + socket.inet_pton(socket.AF_INET6, target)
    return ip6(source, address, "ff02::1:ff00:1", 58, body)


def router_advertisement(source: str, *, lifetime: int = 1800) -> bytes:
    prefix = bytes([3, 4, 64, 0xC0]) + bytes(12) + socket.inet_pton(socket.AF_INET6, "2001:db8:7::")
    return ip6(
        source,
        "fe80::1",
        "ff02::1",
        58,
        bytes([134, 0, 0, 0, 64, 0]) + struct.pack("!H", lifetime) + bytes(8) + prefix,
    )
