"""Applications told by the first bytes they send, where the library of dissectors knows them not or not any more.

Each entry is a fact about a protocol as seen in captures or its public description. A test here must be narrow: a wrong
name is worse than none, since a policy may block by it.
"""

import re
from collections.abc import Callable

from omamori.firmware.engine.packet import TCP, UDP

_COOKIE = b"\x21\x12\xa4\x42"
"""STUN's magic cookie, RFC 8489."""
_SOURCE_QUERIES = re.compile(rb"\xff\xff\xff\xff(?:TSource Engine Query\0|[UVWi]|[IADEmj][\x00-\xff]{4})")
_GAIJIN = re.compile(rb"[a-z_.]{3,60},env=[a-z-]+,circuit=")
_MAGNET = re.compile(rb"d1:[aeqrv](?:d2:id20:|l|1:)|d2:ip[46]:")
_XMPP = re.compile(
    rb"<\?xml[^>]{0,60}>\s*<stream:stream|<stream:stream |</stream:stream>|<(?:iq|presence|message) [^>]{0,300}?(?:xmlns|to=|from=|type=)"
)
_IRC = re.compile(rb"(?:(?:NICK|USER|PASS|JOIN|PRIVMSG|CAP) [^\r\n]{1,400}\r?\n.*|:[^ \r\n]{1,80} (?:NOTICE|PRIVMSG|[0-9]{3}) )", re.DOTALL)  # fmt: skip
_BITTORRENT_HTTP = re.compile(rb"GET [^ ]{0,80}/(?:announce|scrape)[^ ]{0,20}\?[^ \r\n]{0,600}info_hash=")


def of_datagram(data: bytes, ports: tuple[int, int]) -> str | None:
    """The application of a UDP payload; None where nothing here fits."""
    told = _stun(data) if is_call(data) else None
    return told or next((name for name, fits in _DATAGRAMS if fits(data, ports)), None)


def of_stream(data: bytes, ports: tuple[int, int]) -> str | None:
    """The same for the first bytes that one side of a TCP connection sends."""
    told = _stun(data) if is_call(data) else None
    return told or next((name for name, fits in _STREAMS if fits(data, ports)), None)


def by_port(protocol: int, ports: tuple[int, int]) -> str | None:
    """The last resort, for ports that one application has for itself."""
    return next((name for port in ports if (name := _PORTS.get((protocol, port)))), None)


def is_call(data: bytes) -> bool:
    """STUN, which many applications speak before a call: which one it is, the endpoint's other flows tell."""
    return len(data) >= 20 and data[4:8] == _COOKIE and data[0] < 0x40


def _stun(data: bytes) -> str | None:
    if data[:2] == b"\x08\x01" and len(data) == 20:
        return "WhatsApp"
    attributes = _stun_attributes(data)
    if any(0x4000 <= kind <= 0x4007 for kind in attributes):
        return "WhatsApp"
    told = (
        attributes.get(0x0014, b"") + b" " + attributes.get(0x8022, b"") + b" " + attributes.get(0x0006, b"")
    )
    return next((name for text, name in _STUN_TEXTS if text in told), None)


_STUN_TEXTS = (
    (b"signal.org", "Signal"),
    (b"viber", "Viber"),
    (b"telegram.org", "Telegram"),
    (b"facebook.com", "Facebook Messenger"),
    (b"discord", "Discord"),
    (b"zoom.us", "Zoom"),
    (b"line-apps", "LINE"),
    (b"kakao", "KakaoTalk"),
    (b"l.google.com", "Google Meet"),
)


def _stun_attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 20
    while at + 4 <= len(data) and len(found) < 32:
        kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        found.setdefault(kind, data[at + 4 : at + 4 + size].lower())
        at += 4 + (size + 3 & ~3)
    return found


def _discord(data: bytes, _: tuple[int, int]) -> bool:
    """The keep-alive of its voice servers, and the request that finds out one's own address (Discord, voice UDP)."""
    return data[:4] == b"\x13\x37\xca\xfe" or (len(data) == 74 and data[:4] in (b"\0\1\0\x46", b"\0\2\0\x46"))


def _source_engine(data: bytes, ports: tuple[int, int]) -> bool:
    return data[4:25] == b"TSource Engine Query\0" or (
        any(27000 <= port <= 27100 for port in ports) and _SOURCE_QUERIES.match(data) is not None
    )


def _steam(data: bytes, _: tuple[int, int]) -> bool:
    return data[:4] == b"VS01" or data[:8] == b"\xff\xff\xff\xff\x21\x4c\x5f\xa0"


def _mumble(data: bytes, ports: tuple[int, int]) -> bool:
    """Its ping: four zero bytes and a number of eight; the answer has 24 bytes (Mumble protocol, UDP ping)."""
    return 64738 in ports and (
        (len(data) == 12 and data[:4] == bytes(4)) or (len(data) == 24 and data[:2] == b"\0\1")
    )


def _photon(data: bytes, ports: tuple[int, int]) -> bool:
    """Photon, a game server's protocol over UDP 5055 to 5058."""
    if not any(5055 <= port <= 5058 for port in ports) or len(data) < 12:
        return False
    return data[:12] == b"}" * 12 or (data[2] in (0, 1) and data[3] < 32 and data[12:13] in _PHOTON_COMMANDS)


_PHOTON_COMMANDS = tuple(bytes([kind]) for kind in range(1, 17))


def _gaijin(data: bytes, ports: tuple[int, int]) -> bool:
    """Its statistics in clear, and its games' reliable UDP (ENet) on 20000 to 20099."""
    return _GAIJIN.match(data) is not None or (
        any(20000 <= port < 20100 for port in ports)
        and len(data) in (48, 52)
        and b"\0\0\x04\xb0\0\1\0\0\0\0\0" in data[12:32]
    )


def _genshin(data: bytes, _: tuple[int, int]) -> bool:
    """KCP's handshake with this maker's magic numbers."""
    return (
        len(data) == 20 and data[:4] in (b"\0\0\0\xff", b"\0\0\1\x45") and data[12:16] == b"\x49\x96\x02\xd2"
    )


def _heroes(data: bytes, ports: tuple[int, int]) -> bool:
    return (
        any(port in (1119, 3724) for port in ports)
        and len(data) >= 20
        and data[14:16] in (b"\x40\0", b"\x40\x10")
    )


def _wild_rift(data: bytes, ports: tuple[int, int]) -> bool:
    near = any(15000 <= port <= 18100 for port in ports)
    return near and ((len(data) == 69 and data[:4] == b"\4\0\0\0") or data[:4] == b"\1\2\xc8\x41")


def _call_of_duty(data: bytes, ports: tuple[int, int]) -> bool:
    if len(data) == 12 and data[7:] == b"\3ping":
        return any(7000 <= port < 8100 for port in ports)
    return data[8:14] == b"\x0d\1\x40\x2a\x7c\1"


def _edonkey_datagram(data: bytes, _: tuple[int, int]) -> bool:
    """Source and server queries of eMule (extended protocol) and of Kademlia, by length."""
    if len(data) < 3 or data[0] not in (0xE3, 0xC5, 0xE4):
        return False
    return (data[0], data[1], len(data)) in _EMULE_SIZES


_EMULE_SIZES = frozenset(
    ((0xE3, 0x96, 6), (0xE3, 0x97, 14), (0xC5, 0x90, 18), (0xC5, 0x90, 22), (0xC5, 0x91, 2), (0xE4, 0x21, 35), (0xE4, 0x20, 35), (0xE4, 0x60, 2), (0xE4, 0x61, 4))
)  # fmt: skip


def _magnet(data: bytes, _: tuple[int, int]) -> bool:
    """BitTorrent's distributed hash table (BEP 5), a bencoded dictionary."""
    return _MAGNET.match(data) is not None and data.rstrip(b"\0").endswith(b"e")


def _utp_tracker(data: bytes, _: tuple[int, int]) -> bool:
    """The connection request to a UDP tracker (BEP 15), and peers' handshake in a datagram."""
    return data[:8] == b"\0\0\x04\x17\x27\x10\x19\x80" or b"\x13BitTorrent protocol" in data[:64]


def _local_discovery(data: bytes, _: tuple[int, int]) -> bool:
    return data[:20] == b"BT-SEARCH * HTTP/1.1"


def _dropbox(data: bytes, ports: tuple[int, int]) -> bool:
    return ports == (17500, 17500) and data[:1] == b"{" and b'"host_int"' in data


def _nintendo(data: bytes, _: tuple[int, int]) -> bool:
    """The header of its peer-to-peer library."""
    return len(data) > 16 and data[:4] == b"\x32\xab\x98\x64"


def _teamspeak(data: bytes, _: tuple[int, int]) -> bool:
    return data[:8] == b"TS3INIT1" or data[:4] == b"\xf4\xbe\x03\0"


def _syncthing(data: bytes, ports: tuple[int, int]) -> bool:
    """Its local announcements (BEP of Syncthing, magic 0x2EA7D90B)."""
    return 21027 in ports and data[:4] == b"\x2e\xa7\xd9\x0b"


def _roblox(data: bytes, ports: tuple[int, int]) -> bool:
    """RakNet's first request on the ports of its servers."""
    return data[:1] == b"\x7b" and len(data) > 400 and any(49152 <= port <= 65535 for port in ports) and b"Roblox" in data  # fmt: skip


def _minecraft(data: bytes, ports: tuple[int, int]) -> bool:
    """RakNet's unconnected ping with its magic, on Bedrock's port."""
    return any(port in (19132, 19133) for port in ports) and _RAKNET in data[:60]


_RAKNET = bytes.fromhex("00ffff00fefefefefdfdfdfd12345678")


def _viber(data: bytes, ports: tuple[int, int]) -> bool:
    if any(port in (7985, 7987, 5243, 9785) for port in ports):
        return data[2:4] in (b"\1\0", b"\x19\0", b"\x1b\0", b"\3\0", b"\2\0")
    return False


def _transport_stream(data: bytes, _: tuple[int, int]) -> bool:
    """Whole packets of an MPEG transport stream, each begun by its sync byte."""
    return len(data) >= 376 and len(data) % 188 == 0 and data[0] == data[188] == 0x47


def _zoom(data: bytes, ports: tuple[int, int]) -> bool:
    """The ports of its media servers."""
    return any(8801 <= port <= 8810 for port in ports) and len(data) > 8 and (data[0] in (1, 2, 3, 5, 7) or data[4:8] == _COOKIE)  # fmt: skip


def _starting(*heads: bytes) -> Callable[[bytes, tuple[int, int]], bool]:
    return lambda data, _: data.startswith(heads)


def _whatsapp(data: bytes, ports: tuple[int, int]) -> bool:
    """The Noise handshake's prologue, or the older binary XML."""
    if data[:4] == b"ED\0\1" or (data[:2] == b"WA" and data[2:3] < b"\x07"):
        return True
    return data[:3] == b"\0\0\4" and b"WA" in data[4:12] and any(port in (443, 5222, 5228) for port in ports)


def _dingtalk(data: bytes, _: tuple[int, int]) -> bool:
    return data[4:13] == b"\1\0\1\0\2\0\2dk"


def _tencent(data: bytes, _: tuple[int, int]) -> bool:
    """Heads of the connectors that its games share."""
    return (
        data[:6] in (b"\x33\x66\0\x0b\0\x0b", b"\x33\x66\0\x0a\0\x0a", b"\x33\x66\0\x09\0\x09")
        or data[:4] == b"Cf\xaa\0"
        or (data[:2] == b"\x42\x15" and data[4:6] == b"\3\xe9")
        or (int.from_bytes(data[:4], "big") == len(data) - 4 and data[4:6] == b"\x78\1")
    )  # fmt: skip


def _genshin_stream(data: bytes, _: tuple[int, int]) -> bool:
    return len(data) in (42, 50) and data[:4] == b"\1\0\0\0" and data[4] == len(data)


def _path_of_exile(data: bytes, ports: tuple[int, int]) -> bool:
    return (
        any(port in (6112, 20481) for port in ports)
        and data[:2] in (b"\0\3", b"\0\2")
        and 8 < len(data) < 120
    )


def _viber_stream(data: bytes, ports: tuple[int, int]) -> bool:
    """Length first, then the client's version block."""
    if not any(port in (4244, 5242, 443, 80) for port in ports) or len(data) < 11:
        return False
    return int.from_bytes(data[:2], "little") == len(data) and data[6:8] == b"\xfc\xff"


def _jabber(data: bytes, ports: tuple[int, int]) -> bool:
    if any(port in (5222, 5223, 5269) for port in ports) and data[:5] in (b"<?xml", b" ", b"<r xm"):
        return True
    return _XMPP.match(data) is not None


def _push_jabber(data: bytes, ports: tuple[int, int]) -> bool:
    """A binary form on Jabber's TLS port: type, length of two bytes, then as much."""
    return 5223 in ports and data[:2] == b"\x25\0" and data[2] == len(data)


def _irc(data: bytes, ports: tuple[int, int]) -> bool:
    return (any(6660 <= port <= 7000 or port in (194, 9999) for port in ports)) and _IRC.match(
        data
    ) is not None


def _edonkey(data: bytes, _: tuple[int, int]) -> bool:
    """Protocol byte, length of the rest, and an opcode of the login or hello."""
    return (
        data[:1] in (b"\xe3", b"\xc5", b"\xd4")
        and len(data) > 6
        and int.from_bytes(data[1:5], "little") in range(1, 0x10000)
        and (int.from_bytes(data[1:5], "little") == len(data) - 5 or data[5:6] in (b"\1", b"\x4c"))
    ) or (data[:1] == b"\xe3" and len(data) > 8 and int.from_bytes(data[1:2]) == len(data) - 5 and data[2:5] == bytes(3))  # fmt: skip


def _minecraft_stream(data: bytes, ports: tuple[int, int]) -> bool:
    return 25565 in ports and len(data) > 4 and data[1:2] == b"\0" and data[0] <= len(data)


def _rtmp(data: bytes, ports: tuple[int, int]) -> bool:
    """Version 3, then a time stamp and four zero bytes (RTMP, C0 and C1)."""
    return (
        data[:1] == b"\x03"
        and ((len(data) >= 9 and data[5:9] == bytes(4)) or len(data) == 1)
        and 1935 in ports
    )


def _dash(data: bytes, _: tuple[int, int]) -> bool:
    """A request for a manifest or segment of MPEG-DASH."""
    line = data[:600].partition(b"\r\n")[0]
    return line[:4] == b"GET " and _DASH.search(line) is not None


_DASH = re.compile(rb"/[^ ?]{1,300}\.(?:mpd|m4s)(?:[? ]|$)")
_HLS = re.compile(rb"/[^ ?]{1,300}\.m3u8(?:[? ]|$)")


def _hls(data: bytes, _: tuple[int, int]) -> bool:
    line = data[:600].partition(b"\r\n")[0]
    return line[:4] == b"GET " and _HLS.search(line) is not None


def _soulseek(data: bytes, ports: tuple[int, int]) -> bool:
    """Length, then code 1 (login), on the server's ports."""
    return any(port in (2234, 2242, 2271, 2416) for port in ports) and data[4:8] == b"\1\0\0\0"


_PORTS = {
    (TCP, 1119): "Blizzard",
    (UDP, 1119): "Blizzard",
    (TCP, 4244): "Viber",
    (TCP, 5242): "Viber",
    (UDP, 5243): "Viber",
    (UDP, 64738): "Mumble",
    (TCP, 64738): "Mumble",
    (UDP, 9987): "TeamSpeak",
    (TCP, 25565): "Minecraft",
    (UDP, 17500): "Dropbox",
}
_Test = Callable[[bytes, tuple[int, int]], bool]
_DATAGRAMS: tuple[tuple[str, _Test], ...] = (
    ("Discord", _discord),
    ("Source engine", _source_engine),
    ("Steam", _steam),
    ("Mumble", _mumble),
    ("Toca Boca", _photon),
    ("Gaijin", _gaijin),
    ("HoYoverse", _genshin),
    ("Blizzard", _heroes),
    ("Riot Games", _wild_rift),
    ("Activision", _call_of_duty),
    ("eDonkey", _edonkey_datagram),
    ("BitTorrent", _magnet),
    ("BitTorrent", _utp_tracker),
    ("BitTorrent", _local_discovery),
    ("Dropbox", _dropbox),
    ("Nintendo", _nintendo),
    ("TeamSpeak", _teamspeak),
    ("Syncthing", _syncthing),
    ("Roblox", _roblox),
    ("Minecraft", _minecraft),
    ("Viber", _viber),
    ("Zoom", _zoom),
    ("MPEG-TS stream", _transport_stream),
)
_STREAMS: tuple[tuple[str, _Test], ...] = (
    (
        "BitTorrent",
        _starting(b"\x13BitTorrent protocol", b"GET /announce?info_hash=", b"GET /scrape?info_hash="),
    ),
    ("BitTorrent", lambda data, _: _BITTORRENT_HTTP.match(data) is not None),
    ("Gnutella", _starting(b"GNUTELLA CONNECT/", b"GET /uri-res/N2R?urn:sha1:")),
    ("Direct Connect", _starting(b"$Lock ", b"$MyNick ", b"HSUP AD", b"CSUP AD")),
    ("eDonkey", _edonkey),
    ("Soulseek", _soulseek),
    ("WhatsApp", _whatsapp),
    ("DingTalk", _dingtalk),
    ("Viber", _viber_stream),
    ("Jabber", _jabber),
    ("Jabber", _push_jabber),
    ("IRC", _irc),
    ("Tencent Games", _tencent),
    ("HoYoverse", _genshin_stream),
    ("Grinding Gear Games", _path_of_exile),
    ("Minecraft", _minecraft_stream),
    ("RTMP stream", _rtmp),
    (
        "RTSP stream",
        _starting(b"OPTIONS rtsp://", b"DESCRIBE rtsp://", b"SETUP rtsp://", b"PLAY rtsp://", b"RTSP/1.0 "),
    ),
    ("DASH stream", _dash),
    ("HLS stream", _hls),
)
