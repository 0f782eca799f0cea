"""Traffic in disguise through the data path as it ships: real sockets, real kernels, what arrives and what is told."""

import subprocess
from datetime import UTC, datetime

import pytest

from lab.bridge import BridgeProcess
from lab.namespaces import PYTHON, guarded_line, wait_until
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.lists import DomainList
from omamori.firmware.signatures.suricata.files import parse_rules
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Action, Guard
from tests.firmware.engine.applications.quic_client import crypto, hello, initial

pytestmark = pytest.mark.root

RULES = b"""
drop http any any -> any any (msg:"TEST injection"; flow:established,to_server; http.uri; content:"union-select"; \
classtype:web-application-attack; sid:1000001; rev:1;)
"""
RECEIVER = """
import socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((sys.argv[1], 443))
tcp = socket.create_server((sys.argv[1], 8080))
print("ready", flush=True)
import selectors
chosen = selectors.DefaultSelector()
chosen.register(udp, selectors.EVENT_READ)
chosen.register(tcp, selectors.EVENT_READ)
while True:
    for key, _ in chosen.select():
        if key.fileobj is udp:
            data = udp.recv(65536)
            print("udp", data[:1].hex(), len(data), flush=True)
        elif key.fileobj is tcp:
            chosen.register(tcp.accept()[0], selectors.EVENT_READ)
        else:
            try:
                data = key.fileobj.recv(65536)
            except ConnectionError:
                data = b""
            print("tcp", data.decode("latin-1").replace("\\r\\n", "|"), flush=True)
            if not data:
                chosen.unregister(key.fileobj)
"""
DATAGRAMS = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect((sys.argv[1], 443))
for data in sys.argv[2:]:
    client.send(bytes.fromhex(data))
"""
RECEIVED = """
import fcntl, socket, struct, sys, time
def received(client):
    # the other side's kernel has acknowledged all (SIOCOUTQ); twenty seconds at most, as what is blocked never arrives
    until = time.monotonic() + 20
    while struct.unpack("i", fcntl.ioctl(client, 0x5411, bytes(4)))[0] and time.monotonic() < until: time.sleep(0.01)
"""
URGENT = (
    RECEIVED
    + """
client = socket.create_connection((sys.argv[1], 8080), timeout=5)
client.send(sys.argv[2].encode())
received(client)
client.send(b"!", socket.MSG_OOB)
received(client)
client.send(sys.argv[3].encode() + b" HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
try: received(client)
except OSError: pass
"""
)

SECOND_COPY = (
    RECEIVED
    + """
from omamori.firmware.engine.checksum import with_payload
from omamori.firmware.engine.packet import parse
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
sniffer.settimeout(5)
client = socket.create_connection((sys.argv[1], 8080), timeout=5)
client.send(b"first-copy-first-copy")
while True:
    packet = parse(sniffer.recv(65536))
    if packet.payload == b"first-copy-first-copy":
        break
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for _ in range(3):
    raw.sendto(with_payload(packet, b"other-copy-other-copy"), (sys.argv[1], 0))
client.send(b"-and-the-end")
received(client)
"""
)
WRONG_ORDER = """
import socket, sys
from omamori.firmware.engine.packet import parse
from tests.firmware.engine.conversation import Tcp
from tests.firmware.engine.evil import summed
REPAIR, WHICH, NUMBER = 19, 20, 21  # linux/tcp.h: TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ
client = socket.create_connection((sys.argv[1], 8080), timeout=5)
client.setsockopt(socket.IPPROTO_TCP, REPAIR, 1)
numbers = []
for queue in (1, 2):
    client.setsockopt(socket.IPPROTO_TCP, WHICH, queue)
    numbers.append(client.getsockopt(socket.IPPROTO_TCP, NUMBER) % 2**32)
client.setsockopt(socket.IPPROTO_TCP, REPAIR, -1)
(here, port), (there, _) = client.getsockname(), client.getpeername()
talk = Tcp(here, there, port, 8080, dict(enumerate(numbers)))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
text = f"GET /?q={sys.argv[2]} HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n".encode()
for at, piece in ((14, text[14:]), (0, text[:14]), (0, text[:14])):
    packet = summed(talk.packet(to_server=True, payload=piece, sequence=numbers[1] + at))
    raw.sendto(packet, (there, 0))
client.settimeout(2)
try: client.recv(100)
except OSError: pass
"""
WITNESS = """
import socket
from omamori.firmware.engine.packet import TCP, parse
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
print("ready", flush=True)
while True:
    packet = parse(sniffer.recv(65536))
    if packet.protocol == TCP and packet.destination_port == 8080 and packet.payload:
        print(packet.payload.decode("latin-1").strip(), flush=True)
"""


class Receiver:
    """What the site on the router's side got."""

    def __init__(self, log):
        self._log = log

    def lines(self):
        return self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unit")
    content = pack.Content(rules=parse_rules(RULES), lists=[DomainList("phishing", ["phish.example"])])
    pack.build(folder / "pack", Version.parse("1.0.0"), datetime(2026, 4, 1, tzinfo=UTC), content)
    with guarded_line("omadg") as line:
        unit = BridgeProcess(line, folder)
        unit.install((folder / "pack").read_bytes(), version="1.0.0")
        receiver = Receiver(folder / "receiver.log")
        command = (PYTHON, "-c", RECEIVER, line.wan_address)
        with line.wan.running(*command, log=folder / "receiver.log"), unit.running():
            unit.wait_for_pack("1.0.0")
            wait_until(receiver.lines, seconds=20, what="the receiver")
            yield line, unit, receiver


def client(line, script, *arguments):
    command = line.lan.command(PYTHON, "-c", script, line.wan_address, *arguments)
    subprocess.run(command, check=False, capture_output=True, timeout=30)


def detected(unit, guard):
    return [each for each in unit.detections() if each.guard is guard]


def test_quic_to_a_listed_site_does_not_arrive_and_to_another_it_does(place):
    line, unit, receiver = place
    whole = hello(b"www.phish.example", padding=1000)
    bad = [initial(crypto(at, whole[at : at + 700]), sequence=at) for at in (700, 0)]
    client(line, DATAGRAMS, *(data.hex() for data in bad), (b"\x41" + bytes(60)).hex())
    client(line, DATAGRAMS, initial(crypto(0, hello(b"good.example"))).hex(), (b"\x42" + bytes(70)).hex())
    wait_until(lambda: "udp 42 71" in receiver.lines(), seconds=10, what="the good site's datagrams")
    assert "udp 41 61" not in receiver.lines()
    assert sum(entry.startswith("udp") and entry.endswith(" 1200") for entry in receiver.lines()) == 2
    wait_until(lambda: detected(unit, Guard.WG), seconds=10, what="a detection")
    (told,) = detected(unit, Guard.WG)
    assert (told.action, told.detail) == (Action.BLOCKED, "www.phish.example")
    assert told.reason.startswith("QUIC server name")


def test_a_byte_that_the_kernel_takes_out_of_the_stream_hides_nothing(place):
    line, unit, receiver = place
    client(line, URGENT, "GET /?plain=un", "ion-of-all")
    wait_until(
        lambda: any("un" in entry and "plain" in entry for entry in receiver.lines()),
        seconds=10,
        what="a plain request",
    )
    client(line, URGENT, "GET /?q=un", "ion-select")
    wait_until(lambda: detected(unit, Guard.IPS), seconds=10, what="a detection")
    assert detected(unit, Guard.IPS)[0].signature == "TEST injection"
    assert not any("ion-select" in entry for entry in receiver.lines())


def test_other_data_for_bytes_already_sent_never_arrives(place, tmp_path):
    """A forged second copy goes on, for the kernel of the receiver may take either, but with the first one's content."""
    line, _, _ = place
    seen = Receiver(tmp_path / "witness.log")
    with line.wan.running(PYTHON, "-c", WITNESS, log=tmp_path / "witness.log"):
        wait_until(seen.lines, seconds=20, what="the witness")
        client(line, SECOND_COPY)
        wait_until(lambda: "-and-the-end" in seen.lines(), seconds=20, what="the end")
    assert seen.lines().count("first-copy-first-copy") == 4
    assert not any("other-copy" in entry for entry in seen.lines())


def test_a_request_whose_second_part_comes_first_is_inspected_from_its_beginning(place):
    line, _, receiver = place
    client(line, WRONG_ORDER, "an-ordinary-word")
    wait_until(
        lambda: any("an-ordinary-word" in entry for entry in receiver.lines()), seconds=10, what="the request"
    )
    client(line, WRONG_ORDER, "union-select")
    client(line, WRONG_ORDER, "the-last-word")
    wait_until(lambda: any("the-last-word" in entry for entry in receiver.lines()), seconds=10, what="it")
    assert not any("union-select" in entry for entry in receiver.lines())
