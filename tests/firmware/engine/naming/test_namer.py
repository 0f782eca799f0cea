"""Which application a flow is, by the packets a namer is fed; without a library, which only adds to this."""

import dataclasses
import socket
from ipaddress import ip_address

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.naming import networks
from omamori.firmware.engine.naming.catalogue import Kind, catalogue
from omamori.firmware.engine.naming.namer import Limits, Namer
from tests.firmware.engine.conversation import PC, SITE, Tcp, datagram

NOW = 1_700_000_000.0


def client_hello(host: str) -> bytes:
    name = host.encode()
    entry = b"\0" + len(name).to_bytes(2, "big") + name
    listed = len(entry).to_bytes(2, "big") + entry
    extensions = b"\0\0" + len(listed).to_bytes(2, "big") + listed
    body = (
        b"\3\3"
        + bytes(32)
        + b"\0"
        + b"\0\2\x13\1"
        + b"\1\0"
        + len(extensions).to_bytes(2, "big")
        + extensions
    )
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + len(message).to_bytes(2, "big") + message


def dns_exchange(name: str, address: str, port: int = 5353) -> list[bytes]:
    asked = dpkt.dns.DNS(id=7, qd=[dpkt.dns.DNS.Q(name=name)])
    told = dpkt.dns.DNS(id=7, op=0x8180, qd=[dpkt.dns.DNS.Q(name=name)])
    told.an = [
        dpkt.dns.DNS.RR(
            name=name, type=1, ttl=60, rdata=socket.inet_aton(address), ip=socket.inet_aton(address)
        )
    ]
    return [
        datagram(PC, "192.168.1.1", port, 53, bytes(asked)),
        datagram("192.168.1.1", PC, 53, port, bytes(told)),
    ]


def last_names(namer: Namer, packets: list[bytes]) -> dict[str, str]:
    """Of every server address: the last name told, after all flows ended."""
    found = [namer.packet(data, now=NOW + number / 1000) for number, data in enumerate(packets)]
    named = [each for each in found if each] + namer.flush()
    return {
        str(ip_address(_server(each.key))): each.application.name if each.application else ""
        for each in named
    }


def _server(key) -> bytes:
    return key.high if key.low == socket.inet_aton(PC) else key.low


@pytest.mark.parametrize(
    ("host", "name", "kind"),
    [
        ("rr3---sn-ab.googlevideo.com", "YouTube", Kind.VIDEO),
        ("obs.line-scdn.net", "LINE", Kind.MESSENGER),
        ("www.instagram.com", "Instagram", Kind.SOCIAL_MEDIA),
        ("instagram.fkix1-2.fna.fbcdn.net", "Instagram", Kind.SOCIAL_MEDIA),
        ("scontent.fkix1-2.fna.fbcdn.net", "Facebook", Kind.SOCIAL_MEDIA),
        ("dl.dropboxusercontent.com", "Dropbox", Kind.FILE_SHARING),
        ("store.steampowered.com", "Steam", Kind.GAMES),
    ],
)
def test_a_tls_flow_is_named_by_the_server_the_client_asks_for(host, name, kind):
    flow = Tcp(server_port=443)
    packets = [*flow.handshake(), *flow.say(client_hello(host), to_server=True)]
    assert last_names(Namer(), packets) == {SITE: name}
    assert catalogue().by_name[name].kind is kind


def test_a_hello_in_small_segments_and_an_http_head_are_read_too():
    hello, head = Tcp(server_port=443), Tcp(server="203.0.113.10")
    packets = [
        *hello.handshake(),
        *hello.say(client_hello("www.tiktok.com"), to_server=True, size=40),
        *head.say(
            b"GET / HTTP/1.1\r\nUser-Agent: x\r\nHost: www.nicovideo.jp:80\r\n\r\n", to_server=True, size=20
        ),
    ]
    assert last_names(Namer(), packets) == {SITE: "TikTok", "203.0.113.10": "Niconico"}


def test_an_unlisted_site_has_a_host_and_no_application():
    flow = Tcp(server_port=443)
    namer = Namer()
    told = [namer.packet(data, now=NOW) for data in flow.say(client_hello("notyoutube.com"), to_server=True)]
    assert [(each.host, each.application) for each in told if each] == [("notyoutube.com", None)]


def test_a_look_up_names_an_encrypted_flow_to_the_address_it_gave():
    silent = Tcp(server="198.51.100.7", server_port=443)
    packets = [*dns_exchange("voice.discord.media", "198.51.100.7"), *silent.handshake()]
    packets += silent.say(b"\x99" * 900, to_server=True)
    namer = Namer()
    told = [each for each in (namer.packet(data, now=NOW) for data in packets) if each] + namer.flush()
    names = {
        each.key.protocol: (each.application.name, each.lookup, each.guessed)
        for each in told
        if each.application
    }
    assert names == {17: ("Discord", True, False), 6: ("Discord", False, True)}


@pytest.mark.parametrize(
    ("server", "name"), [("149.154.167.51", "Telegram"), ("2a03:2880:f10c::1", "Facebook"), ("192.0.2.1", "")]
)
def test_a_flow_that_says_nothing_may_have_its_name_from_the_servers_network(server, name):
    silent = Tcp(client="2001:db8::20" if ":" in server else PC, server=server, server_port=443)
    packets = [*silent.handshake(), *silent.say(bytes(range(200, 256)) * 4, to_server=True)]
    namer = Namer()
    told = [each for each in (namer.packet(data, now=NOW) for data in packets) if each] + namer.flush()
    found = [(each.application.name, each.guessed) for each in told if each.application]
    assert found == ([(name, False)] if name else [])


def test_a_tunnel_in_the_clear_is_looked_into():
    inner = Tcp(client="10.9.0.2", server_port=443)
    ethernet = bytes(12) + b"\x08\x00"
    said = [*inner.handshake(), *inner.say(client_hello("www.netflix.com"), to_server=True)]
    vxlan = b"\x08\0\0\0\0\0\x07\0"
    namer = Namer()
    found = [
        namer.packet(datagram(PC, "192.168.1.2", 5000, 4789, vxlan + ethernet + data), now=NOW)
        for data in said
    ]
    assert [each.application.name for each in found if each and each.application] == ["Netflix"]


def test_networks_do_not_overlap_and_name_applications_of_the_table():
    for width in (4, 16):
        starts, ends = networks._ranges(width)
        assert all(end < start for (end, _), start in zip(ends, starts[1:], strict=False))
        assert {name for _, name in ends} <= set(catalogue().by_name)


def test_calls_from_one_port_belong_to_the_application_that_said_its_name_there():
    magic = b"\x21\x12\xa4\x42" + b"t" * 12
    realm = b"\0\x14\0\x0asignal.org\0\0"
    bare = b"\0\1\0\0" + magic
    named = b"\1\x13" + len(realm).to_bytes(2, "big") + magic + realm
    packets = [
        datagram(PC, "198.51.100.1", 47_000, 19_302, bare),
        datagram(PC, "198.51.100.2", 47_000, 3478, bare),
        datagram("198.51.100.2", PC, 3478, 47_000, named),
    ]
    assert last_names(Namer(), packets) == {"198.51.100.1": "Signal", "198.51.100.2": "Signal"}


@pytest.mark.parametrize(
    ("name", "port", "payload"),
    [
        ("Discord", 50_004, b"\x13\x37\xca\xfe\1\0\0\0"),
        ("Source engine", 27_015, b"\xff\xff\xff\xffTSource Engine Query\0"),
        ("BitTorrent", 6881, b"d1:ad2:id20:" + bytes(range(65, 85)) + b"e1:q4:ping1:t2:aa1:y1:qe"),
        ("HoYoverse", 22_101, bytes.fromhex("000000ff0000000000000000499602d2ffffffff")),
        ("Mumble", 64_738, bytes(4) + b"12345678"),
        ("MPEG-TS stream", 1234, (b"\x47" + bytes(187)) * 7),
        ("", 9999, b"anything at all"),
        ("", 443, b"\xff\xff\xff\xffA1234"),
    ],
)
def test_datagrams_are_named_by_what_they_begin_with(name, port, payload):
    assert last_names(Namer(), [datagram(PC, SITE, 40_001, port, payload)]) == {SITE: name}


@pytest.mark.parametrize(
    ("name", "port", "payload"),
    [
        ("BitTorrent", 51_413, b"\x13BitTorrent protocol" + bytes(48)),
        ("Gnutella", 6346, b"GNUTELLA CONNECT/0.6\r\n"),
        ("WhatsApp", 5222, b"ED\0\1"),
        ("Jabber", 5222, b"<?xml version='1.0'?><stream:stream to='x' xmlns='jabber:client'>"),
        ("IRC", 6667, b"NICK somebody\r\nUSER a 0 * :b\r\n"),
        ("RTSP stream", 554, b"DESCRIBE rtsp://camera/ RTSP/1.0\r\n\r\n"),
        ("", 25, b"EHLO mail.example\r\n"),
        ("", 22, b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
)
def test_streams_are_named_by_what_they_begin_with(name, port, payload):
    flow = Tcp(server_port=port)
    assert last_names(Namer(), [*flow.handshake(), *flow.say(payload, to_server=True)]) == {SITE: name}


def test_each_flow_costs_a_bounded_number_of_packets_and_each_namer_a_bounded_number_of_flows():
    asked: list[bytes] = []
    dissector = Counting(asked)
    namer = Namer(dissector, limits=Limits(flows=10, packets=5))
    flow = Tcp(server_port=9)
    for data in flow.say(b"x" * 1000, to_server=True, size=10):
        namer.packet(data, now=NOW)
    assert len(asked) == 5
    for port in range(1000, 1100):
        namer.packet(datagram(PC, SITE, port, 9, b"x"), now=NOW)
    assert dissector.open_now == 10
    namer.tick(NOW + 1000)
    assert dissector.open_now == 0


@dataclasses.dataclass
class Counting:
    """A dissector that knows nothing."""

    asked: list[bytes]
    open_now: int = 0

    def open(self):
        self.open_now += 1
        return object()

    def packet(self, _handle, data, _milliseconds):
        self.asked.append(data)
        return ""

    def host(self, _handle):
        return b""

    def close(self, _handle):
        self.open_now -= 1
        return ""


def test_the_table_has_each_name_and_domain_once():
    table = catalogue()
    listed = [domain for row in table.by_name.values() for domain in row.domains]
    assert len(listed) == len(set(listed)) == len(table.by_domain)
    assert {row.kind for row in table.by_name.values()} == set(Kind)


payload = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda head, rest: head + rest,
        st.sampled_from([b"\x16\3\1\0\x80\1", b"GET ", b"\0\1\0\0\x21\x12\xa4\x42", b"\xe3"]),
        st.binary(max_size=200),
    ),
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 65_535), payload), max_size=12))
def test_no_bytes_make_it_fail(pieces):
    namer = Namer(limits=Limits(flows=4, packets=6))
    for udp, port, data in pieces:
        packet = (
            datagram(PC, SITE, 4000, port, data)
            if udp
            else Tcp(server_port=port).packet(to_server=port % 2 == 0, payload=data)
        )
        namer.packet(packet, now=NOW)
        namer.packet(packet[: len(data)], now=NOW)
    namer.flush()
