"""What programs say when they open connections: real clients through the kernel's filter, and any bytes at all."""

import contextlib
import json
import socket
import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dpkt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab.namespaces import wait_until
from omamori.firmware.lan import overhearing
from omamori.firmware.lan.capture import Captured
from omamori.firmware.lan.client import MOST_BEGUN, ClientReader
from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.internet import Packet, parse
from omamori.firmware.lan.sighting import Port
from omamori.firmware.lan.software import Software, families, named, offering
from tests.firmware.lan import frames
from tests.firmware.lan.frames import PC, START, at
from tests.firmware.lan.panel import GATEWAY, mac, site

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36"
CHROMIUM = "8daaf6152771"
"""Of its suites, as others publish it; OpenSSL's are many more and depend on its version."""

SERVER = """
import socket, sys, threading
def serve(listening):
    while True:
        connection, _ = listening.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 204 No Content\\r\\nConnection: close\\r\\n\\r\\n")
        connection.close()
for port in sys.argv[1:]:
    listening = socket.create_server(("", int(port)))
    threading.Thread(target=serve, args=(listening,)).start()
print("ready", flush=True)
"""
LISTENER = """
import json, sys
from datetime import UTC, datetime
from omamori.firmware.lan.overhearing import Overhearing
from omamori.firmware.lan.sighting import Port
with Overhearing({Port.LAN: "lan0", Port.WAN: "wan0"}) as overhearing:
    print("ready", flush=True)
    while sys.stdin.readline():
        heard = overhearing.sightings(datetime.now(UTC))
        print(json.dumps([[s.port, s.source, s.said.software, s.said.ja4] for s in heard]), flush=True)
"""


@contextlib.contextmanager
def speaking(inside, script, *words):
    """A process of ours in a namespace, once it says that it is ready; it is ended at the end."""
    command = inside.command(sys.executable, "-c", script, *words)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def net(tmp_path):
    with site(tmp_path) as built:
        built.office.run("ip", "address", "add", "192.168.78.20/24", "dev", "eth0")
        with speaking(built.router, SERVER, "80", "443", "8443"):
            yield built


def heard(net, *commands):
    """What the unit's ports overhear while these run one after the other."""
    with speaking(net.unit, LISTENER) as listener:
        for command in commands:
            net.office.run(*command, check=False)
        listener.stdin.write("\n")
        listener.stdin.flush()
        return json.loads(listener.stdout.readline())


def chromium(state, *pages):
    return (
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        f"--user-data-dir={state}/profile",
        "--timeout=5000",
        "--dump-dom",
        *pages,
    )


# --- real clients ---------------------------------------------------------------------------------------------------


@pytest.mark.root
def test_requests_and_hellos_come_up_whatever_their_port_and_nothing_else(net):
    curl = ("curl", "-sk", "--max-time", "10", "-o", "/dev/null")
    found = heard(
        net,
        (*curl, "-A", WINDOWS, f"http://{GATEWAY}/"),
        (*curl, "-A", "", f"http://{GATEWAY}/"),
        (*curl, f"http://{GATEWAY}/"),
        (*curl, "-A", ANDROID, "-d", "a=b", f"http://{GATEWAY}:8443/"),
        (*curl, f"https://{GATEWAY}:8443/"),
        (*curl, "--tlsv1.2", "--tls-max", "1.2", f"https://{GATEWAY}/"),
    )
    assert {(port, source) for port, source, _, _ in found} == {("lan", mac(net.office))}
    assert [software for _, _, software, _ in found] == ["windows", "android phone", None, None]
    newer, older = (ja4 for _, _, _, ja4 in found[2:])
    assert (newer[:4], newer[8:10], older[:4], older[8:10]) == ("t13i", "h2", "t12i", "h2")


@pytest.mark.root
@pytest.mark.parametrize("whole", [True, False])
def test_a_hello_longer_than_a_segment_is_put_together(net, whole):
    if not whole:
        for inside in (net.office, net.panel, net.unit):
            for link in json.loads(inside.run("ip", "-json", "link", "show", "type", "veth").stdout):
                inside.run("ethtool", "-K", link["ifname"], "tso", "off", "gso", "off", "gro", "off")
    protocols = ",".join(f"protocol-{number:03}" for number in range(120))
    hello = ("openssl", "s_client", "-connect", f"{GATEWAY}:443", "-alpn", protocols)
    ((port, _, software, ja4),) = heard(net, hello)
    assert (port, software, ja4[:4], ja4[8:10]) == ("lan", None, "t13i", "p0")


@pytest.mark.root
@pytest.mark.browser
@pytest.mark.slow
def test_a_real_browser_shows_its_system_by_name_and_its_library_by_suites(net):
    pages = chromium(net.state, f"http://{GATEWAY}/"), chromium(net.state, f"https://{GATEWAY}/")
    found = heard(net, *pages)
    assert Software.DESKTOP in {software for _, _, software, _ in found}
    assert {ja4.split("_")[1] for _, _, _, ja4 in found if ja4} == {CHROMIUM}


@pytest.mark.root
def test_the_process_tells_kind_and_system_and_remembers_them(net):
    def told():
        host = net.hosts().get(mac(net.office), {})
        return host.get("kind"), host.get("system")

    def ask():
        net.office.run("ip", "neigh", "flush", "dev", "eth0")
        net.office.run("curl", "-s", "--max-time", "10", "-A", WINDOWS, f"http://{GATEWAY}/", check=False)
        return told() == ("pc", "Windows")

    with net.lan_process():
        wait_until(ask, seconds=30, what="what the program called itself")
    (net.state / "run/omamori/lan/hosts.json").unlink()
    (net.state / "run/omamori/lan/wiring.json").unlink()
    net.unplug("lan0")
    with net.lan_process():
        assert told() == ("pc", "Windows")


# --- the tables -----------------------------------------------------------------------------------------------------


def hello(suites, *, extensions=b"", protocol=0x0303):
    """A hello by the book (RFC 8446 4.1.2)."""
    offered = b"".join(struct.pack("!H", suite) for suite in suites)
    body = struct.pack("!H32xB", protocol, 0) + struct.pack("!H", len(offered)) + offered + b"\x01\x00"
    body += struct.pack("!H", len(extensions)) + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


ECDHE = (0xC02C, 0xC02B, 0xC030, 0xC02F)
SCHANNEL = (*ECDHE, 0xC024, 0xC023, 0xC028, 0xC027, 0xC00A, 0xC009, 0xC014, 0xC013)
PLAIN = (0x9D, 0x9C, 0x3D, 0x3C, 0x35, 0x2F)
DHE = (0x9F, 0x9E)
APPLE = (
    0x1301,
    0x1302,
    0x1303,
    *ECDHE,
    0xCCA9,
    0xCCA8,
    0xC00A,
    0xC009,
    0xC014,
    0xC013,
    0x9D,
    0x9C,
    0x35,
    0x2F,
)


@pytest.mark.parametrize(
    ("suites", "software"),
    [
        ((*SCHANNEL, *PLAIN, 0x0A), Software.WINDOWS_TLS),
        ((*SCHANNEL, *DHE, *PLAIN, 0x0A), Software.WINDOWS_TLS),
        ((0x1302, 0x1301, *SCHANNEL, *PLAIN), Software.WINDOWS_TLS),
        ((0x1302, 0x1301, *SCHANNEL, *DHE, *PLAIN), Software.WINDOWS_TLS),
        ((0x0A0A, *APPLE, 0xC008, 0xC012, 0x0A), Software.APPLE_TLS),
        (APPLE, None),
        ((0x1301,), None),
    ],
)
def test_a_systems_own_library_is_known_by_its_suites_in_any_order(suites, software):
    for order in (suites, suites[::-1]):
        said = overheard(segment(hello(order))).said
        assert (said.software, offering(said.ja4)) == (software, software)


@pytest.mark.parametrize(
    ("agent", "software"),
    [
        (WINDOWS, Software.WINDOWS),
        ("Microsoft NCSI", Software.WINDOWS),
        ("Microsoft-CryptoAPI/10.0", Software.WINDOWS),
        (ANDROID, Software.ANDROID_PHONE),
        ("Dalvik/2.1.0 (Linux; U; Android 14; SM-X200 Build/UP1A)", Software.ANDROID),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15", Software.IPHONE),
        ("Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X)", Software.IPAD),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", Software.MACINTOSH),
        ("CaptiveNetworkSupport-481.100.9 wispr", Software.APPLE),
        ("trustd (unknown version) CFNetwork/1568.300.101 Darwin/24.2.0", Software.APPLE),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)", Software.CHROME_OS),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", Software.DESKTOP),
        ("Debian APT-HTTP/1.3 (2.6.1)", Software.LINUX),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox Series X)", Software.MEDIA),
        ("Mozilla/5.0 (Linux; Android 12; BRAVIA 4K)", Software.MEDIA),
        ("curl/8.9.1", None),
        ("a program about windows", None),
    ],
)
def test_programs_name_their_system(agent, software):
    assert named(agent) is software


def test_within_a_family_a_device_may_pretend():
    assert families([Software.IPAD, Software.MACINTOSH, Software.APPLE_TLS, Software.MEDIA]) == ("Apple",)
    assert families([Software.DESKTOP, Software.ANDROID_PHONE]) == ("Linux",)
    assert families(Software) == ("Apple", "Linux", "Windows")


# --- any bytes ------------------------------------------------------------------------------------------------------


def segment(data, *, sequence=1, sport=50_000, dport=443, hops=64):
    inner = dpkt.tcp.TCP(sport=sport, dport=dport, seq=sequence, flags=dpkt.tcp.TH_ACK, data=data)
    packet = dpkt.ip.IP(
        src=socket.inet_aton("192.168.1.10"), dst=socket.inet_aton("203.0.113.1"), p=6, ttl=hops, data=inner
    )
    packet.len = len(bytes(packet))
    return frames.ethernet(PC, 0x0800, bytes(packet), target=frames.UNIT)


def overheard(*data, reader=None, vlan=None, step=0.1):
    reader, found = reader or ClientReader(), None
    for number, frame in enumerate(data):
        captured = Captured(frame, vlan)
        found = overhearing.read(captured, reader, port=Port.LAN, time=at(number * step))
    return found


def test_only_the_segment_that_follows_ends_a_hello():
    whole = hello(APPLE, extensions=bytes([0, 21]) + struct.pack("!H", 1600) + bytes(1600))
    first, rest = whole[:1400], whole[1400:]
    following = 1 + len(first)
    assert overheard(segment(first), segment(rest, sequence=following)).said.ja4.startswith("t12i17")
    assert overheard(segment(first), segment(rest, sequence=following + 1)) is None
    assert overheard(segment(first), segment(rest, sequence=following, sport=50_001)) is None
    assert overheard(segment(first), segment(rest, sequence=following), step=5) is None
    last = segment(first, sequence=0xFFFFFFFF - 500)
    assert overheard(last, segment(rest, sequence=len(first) - 501)).said.ja4.startswith("t12i17")


def test_hellos_that_never_end_are_bounded():
    reader, first = ClientReader(), hello(APPLE * 20)[:500]
    for port in range(1000, 1000 + 2 * MOST_BEGUN):
        assert overheard(segment(first, sport=port), reader=reader) is None
    assert len(reader._begun) == MOST_BEGUN
    assert overheard(segment(b"\x16\x03\x01\xff\xff\x01\x00\xff\xf0"), reader=ClientReader()) is None


def test_a_tagged_frame_keeps_its_tag():
    assert overheard(segment(hello(APPLE)), vlan=30).vlans == (30,)


def read_or_refused(data):
    try:
        ClientReader().read(parse(data), START)
    except BadFrame:
        return


@settings(max_examples=300)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nUser-Agent: ", hello(APPLE)]),
)
@example(b"\xff" * 9, b"\x16\x03\x01")
def test_any_segment_says_something_nothing_or_is_refused(noise, beginning):
    assert overheard(segment(beginning + noise)) is None or beginning
    packet = segment(beginning + noise)[14:]
    for cut in (len(packet), 20, 33, 45, 60):
        read_or_refused(packet[:cut])


@settings(max_examples=300)
@given(st.integers(0, 120), st.binary(min_size=1, max_size=4))
def test_a_damaged_hello_is_read_or_refused(place, octets):
    whole = bytearray(hello(APPLE, extensions=b"\x00\x10\x00\x05\x00\x03\x02h2\x00\x2b\x00\x03\x02\x03\x04"))
    whole[place : place + len(octets)] = octets
    read_or_refused(segment(bytes(whole))[14:])


@settings(max_examples=100)
@given(st.text(max_size=300))
def test_any_agent_is_one_of_ours_or_none(agent):
    assert named(agent) in {None, *Software}


def test_what_is_no_tcp_is_refused():
    with pytest.raises(BadFrame):
        ClientReader().read(
            Packet(*[parse(segment(b"")[14:]).source] * 2, 64, 17, bytes(40)),
            datetime.now(UTC) + timedelta(0),
        )
