"""Hostile frames of a company's own network: every protocol that the hosts' process listens to, and what it makes of them."""

import itertools
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from lab.chaos.fuzz import Target
from omamori.firmware.lan import probe
from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.inventory import Inventory
from omamori.firmware.lan.observations import Link
from omamori.firmware.lan.outreach import redirected
from omamori.firmware.lan.picture import Picture
from omamori.firmware.lan.sighting import Port, dissect
from omamori.firmware.lan.vendors import Vendors
from omamori.firmware.lan.wire import Wire
from omamori.protocol.ids import Mac

_PC, _ROUTER, _UNIT = (bytes.fromhex(f"00163e0000{last:02x}") for last in (0x10, 1, 0xEE))
_HERE, _GATEWAY, _ALL = (
    socket.inet_aton(text) for text in ("192.168.1.10", "192.168.1.1", "255.255.255.255")
)
_BEGAN = datetime(2026, 4, 6, tzinfo=UTC)
_STEP = timedelta(milliseconds=50)
_PORTAL = b"HTTP/1.1 302 Found\r\nLocation: http://[2001:db8::1]:80/login?to=fleet.example\r\nConnection: close\r\n\r\n"
"""How a network with a sign-in page answers in the fleet's place."""
_LOOK_EVERY = 200
"""Frames between two diagnoses."""


def targets() -> list[Target]:
    """One for each family of protocols, and one for all of them together."""
    everything = lambda: [frame for seeds in _SEEDS.values() for frame in seeds()]  # noqa: E731 - short
    named = [Target(f"lan-{name}", seeds, _listener, (BadFrame,)) for name, seeds in _SEEDS.items()]
    loops = Target(
        "lan-loop", lambda: [probe.frame(_text(_UNIT), bytes(8))[14:]], lambda: probe.parse, (BadFrame,)
    )
    portals = Target(
        "lan-portal",
        lambda: [_PORTAL],
        lambda: lambda data: redirected(data.decode("latin-1"), "fleet.example"),
    )
    return [*named, portals, Target("lan-all", everything, _listener, (BadFrame,)), loops]


def _listener() -> Callable[[bytes], object]:
    """One process' pictures over all inputs, so that what it remembers must stay within bounds."""
    links = {port: Link(port.value, up=True, since=_BEGAN) for port in Port}
    wire = Wire(own=frozenset({_text(_UNIT)}), links=links)
    picture = Picture(wire, Inventory(), vendors=Vendors(), began=_BEGAN)
    numbers = itertools.count(1)

    def take(data: bytes) -> None:
        number = next(numbers)
        now = _BEGAN + number * _STEP
        if number % _LOOK_EVERY == 0:
            picture.news(picture.wiring(now))
        sighting = dissect(data, port=Port.WAN if number % 3 == 0 else Port.LAN, time=now)
        if sighting is not None:
            picture.note(sighting)

    return take


# --- honest frames ----------------------------------------------------------------------------------------------------


def _text(mac: bytes) -> Mac:
    return Mac(mac.hex(":"))


def _frame(source: bytes, kind: int, payload: bytes) -> bytes:
    return b"\xff" * 6 + source + struct.pack("!H", kind) + payload


def _udp(
    ports: tuple[int, int], body: bytes, *, source: bytes = _HERE, to: bytes = _ALL, mac: bytes = _PC
) -> bytes:
    datagram = struct.pack("!HHHH", *ports, 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17, 0) + source + to
    return _frame(mac, 0x0800, head + datagram)


def _ip6(protocol: int, body: bytes) -> bytes:
    ends = socket.inet_pton(socket.AF_INET6, "fe80::10") + socket.inet_pton(socket.AF_INET6, "ff02::1")
    return _frame(_PC, 0x86DD, struct.pack("!IHBB", 6 << 28, len(body), protocol, 255) + ends + body)


def _dns(*, flags: int = 0x8400, answers: Sequence[bytes] = (), questions: Sequence[bytes] = ()) -> bytes:
    head = struct.pack("!6H", 0, flags, len(questions), len(answers), 0, 0)
    return head + b"".join(questions) + b"".join(answers)


def _record(kind: int, body: bytes, name: bytes = b"\x08keiri-pc\x05local\0") -> bytes:
    return name + struct.pack("!HHIH", kind, 0x8001, 120, len(body)) + body


def _dhcp(operation: int, kind: int, options: bytes) -> bytes:
    fixed = struct.pack("!BBBBIHH", operation, 1, 6, 0, 0x3903F326, 0, 0x8000) + bytes(4) + _HERE + bytes(8)
    return fixed + _PC + bytes(10 + 64 + 128) + b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + options + b"\xff"


def _netbios(name: bytes, suffix: int) -> bytes:
    raw = name.ljust(15) + bytes([suffix])
    return b"\x20" + bytes(0x41 + half for octet in raw for half in (octet >> 4, octet & 15)) + b"\0"


def _arp(operation: int) -> bytes:
    return _frame(
        _PC, 0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + _PC + _HERE + _ROUTER + _GATEWAY
    )


def _arp_seeds() -> Sequence[bytes]:
    plain = _arp(1)
    return [plain, _arp(2), plain[:12] + b"\x81\0\0\x0a" + plain[12:]]


def _dhcp_seeds() -> Sequence[bytes]:
    named = (
        b"\x0c\x08keiri-pc\x37\x03\x01\x03\x06\x3c\x08MSFT 5.0\x3d\x07\x01" + _PC + b"\x51\x08\0\0\0till.x"
    )
    lease = b"\x36\x04" + _GATEWAY + b"\x03\x04" + _GATEWAY + b"\x33\x04\0\0\x0e\x10\x01\x04\xff\xff\xff\0"
    version6 = (
        b"\x01abc" + struct.pack("!HH", 1, 10) + b"\0\3\0\1" + _PC + struct.pack("!HHB", 39, 6, 0) + b"\4till"
    )
    return [
        _udp((68, 67), _dhcp(1, 3, named), source=bytes(4)),
        _udp((67, 68), _dhcp(2, 5, lease), source=_GATEWAY, mac=_ROUTER),
        _udp((67, 68), _dhcp(2, 2, lease + b"\x34\1\3"), source=_GATEWAY, mac=_ROUTER),
        _ip6(17, struct.pack("!HHHH", 546, 547, 8 + len(version6), 0) + version6),
    ]


def _name_seeds() -> Sequence[bytes]:
    service, instance = b"\x04_ipp\x04_tcp\x05local\0", b"\x02HP\x04_ipp\x04_tcp\x05local\0"
    answers = [
        _record(1, _HERE),
        _record(12, instance, service),
        _record(16, b"\x0emodel=MacBook1"),
        _record(28, bytes(16)),
    ]
    question = b"\x08keiri-pc\0" + struct.pack("!HH", 1, 1)
    registration = (
        struct.pack("!6H", 7, 0x2910, 1, 0, 0, 1) + _netbios(b"KEIRI-PC", 0) + struct.pack("!HH", 0x20, 1)
    )
    registration += b"\xc0\x0c" + struct.pack("!HHIHH", 0x20, 1, 300_000, 6, 0) + _HERE
    browse = (
        b"\1\0"
        + struct.pack("<I", 60_000)
        + b"KEIRI-PC".ljust(16, b"\0")
        + b"\x0a\0"
        + struct.pack("<IBBH", 0x9003, 15, 1, 0xAA55)
    )
    smb = b"\xffSMB%" + bytes(60) + b"\\MAILSLOT\\BROWSE\0" + browse + b"accounts\0"
    mailslot = struct.pack("!BBH4sHHH", 0x11, 2, 7, _HERE, 138, len(smb), 0)
    return [
        _udp((5353, 5353), _dns(answers=answers)),
        _udp((5355, 50_000), _dns(flags=0x8000, questions=[question], answers=[_record(1, _HERE, b"\xc0\x0c")])),
        _udp((137, 137), registration),
        _udp((138, 138), mailslot + _netbios(b"KEIRI-PC", 0) + _netbios(b"OFFICE", 0x1D) + smb),
        _udp((50_000, 53), _dns(flags=0x0100, questions=[question])),
    ]  # fmt: skip


def _service_seeds() -> Sequence[bytes]:
    notify = "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nSERVER: Linux/5 UPnP/1.0 x/1\r\nNT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
    time = bytes([0x24, 2, 6, 0xEC]) + bytes(36) + struct.pack("!II", 3_984_000_000, 0)
    return [_udp((50_000, 1900), notify.encode()), _udp((123, 40_000), time, source=_GATEWAY, mac=_ROUTER)]  # fmt: skip


def _neighbour_seeds() -> Sequence[bytes]:
    target = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    prefix = bytes([3, 4, 64, 0xC0]) + bytes(12) + target
    return [
        _ip6(58, bytes([135, 0, 0, 0]) + bytes(4) + target + b"\1\1" + _PC),
        _ip6(58, bytes([136, 0, 0, 0, 0x60, 0, 0, 0]) + target + b"\2\1" + _PC),
        _ip6(58, bytes([134, 0, 0, 0, 64, 0, 7, 8]) + bytes(8) + prefix + b"\1\1" + _PC),
    ]


def _opening_seeds() -> Sequence[bytes]:
    options = bytes.fromhex("020405b40402080a000000010000000001030307")
    segment = struct.pack("!HHIIBBHHH", 50_000, 443, 7, 0, 10 << 4, 2, 64_240, 0, 0) + options
    head = (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 63, 6, 0)
        + _HERE
        + socket.inet_aton("203.0.113.9")
    )
    tags = b"\x01\x01\0\0\x01\x02\0\x06BAS-01"
    return [
        _frame(_PC, 0x0800, head + segment),
        _ip6(0, b"\x06\0\1\4\0\0\0\0" + segment),
        _frame(_ROUTER, 0x8863, struct.pack("!BBHH", 0x11, 7, 0, len(tags)) + tags),
        _frame(_ROUTER, 0x8864, bytes.fromhex("11000077000ac0210901000812345678")),
    ]


_SEEDS: Mapping[str, Callable[[], Sequence[bytes]]] = {
    "arp": _arp_seeds,
    "dhcp": _dhcp_seeds,
    "names": _name_seeds,
    "services": _service_seeds,
    "neighbours": _neighbour_seeds,
    "openings": _opening_seeds,
}
