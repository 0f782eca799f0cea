"""What people and programs notice of a block: an answer at once, of the right kind, on IPv4 and IPv6, at both ends."""

import contextlib
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path

import dpkt
import pytest

from lab.bridge import BridgeProcess
from lab.namespaces import PYTHON, guarded_line, http_server, wait_until
from tests.firmware.bridge.test_guarding import packed

pytestmark = pytest.mark.root

AT_ONCE = 5
"""Seconds: far below every time-out of a resolver, browser or TCP, yet generous to a busy machine."""
PHISHING = "www.phish.example"
COULD_NOT_RESOLVE, NO_SUCH_PORT, TLS_RESET, RESET = 2, 7, 35, 56
BOTH = pytest.mark.parametrize("version", [4, 6])
ASK = """
import socket, sys
kind, where, message = sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3])
family = socket.AF_INET6 if ":" in where else socket.AF_INET
peer = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
peer.settimeout(9); peer.connect((where, 53)); peer.sendall(message)
answer = peer.recv(4096)
while kind == "tcp" and len(answer) - 2 < int.from_bytes(answer[:2], "big"): answer += peer.recv(4096)
print(answer.hex())
"""
LISTEN = """
import socket, sys
server = socket.create_server(("::", 9000), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
while True:
    peer, _ = server.accept()
    try:
        data = peer.recv(9999)
        print("data" if data else "end", flush=True)
    except ConnectionResetError: print("reset", flush=True)
"""

INFECTED = """
import socket
server = socket.create_server(("", 9001))
while True:
    peer, _ = server.accept()
    peer.recv(9999)
    peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 16\\r\\n\\r\\nTEST-EXPLOIT-KIT")
    peer.close()
"""


@pytest.fixture(scope="module")
def unit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unit")
    pack = packed(folder / "pack", "1.0.0", phishing=["phish.example"])
    (folder / "exploit-kit.html").write_text("TEST-EXPLOIT-KIT")
    with guarded_line("omarp") as line, contextlib.ExitStack() as stack:
        unit = BridgeProcess(line, folder / "root")
        unit.log.parent.mkdir()
        unit.paths.notice.parent.mkdir(parents=True)
        unit.paths.notice.write_text('{"ja": "内線<12>へ", "en": "Call extension <12>."}')
        unit.install(pack, version="1.0.0")
        for inside in (line.wan, line.lan):
            stack.enter_context(http_server(inside, folder, where="::", port=80))
        stack.enter_context(line.wan.running("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--user=root", "--pid-file=", "--address=/example/203.0.113.5", "--listen-address", f"{line.wan_address},{line.wan_address6}"))  # fmt: skip
        stack.enter_context(resolver(line.lan, line.wan_address))
        stack.enter_context(unit.running())
        unit.wait_for_pack("1.0.0")
        yield unit


@contextlib.contextmanager
def resolver(inside, server):
    settings = Path("/etc/netns") / inside.name
    settings.mkdir(parents=True)
    try:
        (settings / "resolv.conf").write_text(f"nameserver {server}\noptions timeout:3 attempts:3\n")
        yield
    finally:
        shutil.rmtree(settings)


def curl(inside, *words):
    """(exit code, status, body); it must not take long."""
    begun = time.monotonic()
    command = inside.command("curl", "-s", "-k", "-g", "-m", "20", "-w", "\n%{http_code}", *words)
    done = subprocess.run(command, capture_output=True, check=False)
    assert time.monotonic() - begun < AT_ONCE
    body, _, status = done.stdout.rpartition(b"\n")
    return done.returncode, int(status), body.decode()


def address(line, version):
    return line.wan_address if version == 4 else line.wan_address6


def at(line, version, port=80):
    where = f"[{line.wan_address6}]" if version == 6 else line.wan_address
    return "--resolve", f"{PHISHING}:{port}:{where}"


# --- HTTP


@BOTH
def test_a_blocked_page_is_one_that_says_why_and_whom_to_ask(unit, version):
    code, status, page = curl(unit.line.lan, *at(unit.line, version), f"http://{PHISHING}/<script>?a=1")
    assert (code, status) == (0, 403)
    assert "この通信はブロックされました" in page
    assert "This page was blocked" in page
    assert "phish.example is listed as phishing" in page
    assert "Call extension &lt;12&gt;." in page
    assert "内線&lt;12&gt;へ" in page
    assert f"{PHISHING}/&lt;script&gt;?a=1" in page
    assert "<script" not in page


def test_a_post_whose_body_is_still_coming_gets_the_page(unit, tmp_path):
    (tmp_path / "form").write_bytes(b"x" * 2_000_000)
    body = f"@{tmp_path / 'form'}"
    code, status, page = curl(
        unit.line.lan, *at(unit.line, 4), "-H", "Expect:", "--data-binary", body, f"http://{PHISHING}/login"
    )
    assert (code, status) == (0, 403)
    assert "This page was blocked" in page


def test_a_head_request_is_answered_without_a_body(unit):
    code, status, head = curl(unit.line.lan, *at(unit.line, 4), "-I", f"http://{PHISHING}/")
    assert (code, status) == (0, 403)
    assert "Content-Length" in head
    assert "<html" not in head


def test_the_server_of_a_blocked_request_is_reset_and_never_saw_it(unit):
    listener = subprocess.Popen(
        unit.line.wan.command(PYTHON, "-c", LISTEN), stdout=subprocess.PIPE, text=True
    )
    try:
        assert listener.stdout.readline() == "listening\n"
        code, status, _ = curl(unit.line.lan, *at(unit.line, 4, 9000), f"http://{PHISHING}:9000/")
        assert (code, status) == (0, 403)
        assert listener.stdout.readline() == "reset\n"
    finally:
        listener.kill()
        listener.communicate()


def test_whoever_attacks_from_outside_is_reset_and_gets_no_page(unit):
    line = unit.line
    for where in (line.lan_address, f"[{line.lan_address6}]"):
        code, _, page = curl(line.wan, f"http://{where}/list?id=1%20union%20all%20select%20password")
        assert code == RESET
        assert page == ""


def test_an_infected_answer_that_never_began_is_replaced_by_the_page(unit):
    """A rule matches in the first packet of the answer; after that only a reset is left."""
    url = f"http://{unit.line.wan_address}:9001/"
    with unit.line.wan.running(PYTHON, "-c", INFECTED):
        wait_until(lambda: curl(unit.line.lan, url)[0] != NO_SUCH_PORT, seconds=9, what="the server")
        code, status, page = curl(unit.line.lan, url)
    assert (code, status) == (0, 403)
    assert curl(unit.line.lan, f"http://{unit.line.wan_address}/exploit-kit.html")[0] == RESET
    assert "matches the traffic of an attack" in page


# --- TLS


@BOTH
def test_a_blocked_tls_connection_is_reset_at_once(unit, version):
    with http_server(unit.line.wan, Path("/proc/self/net"), where="::", port=443):
        code, _, _ = curl(unit.line.lan, *at(unit.line, version, 443), f"https://{PHISHING}/")
    assert code == TLS_RESET


# --- DNS


def question(name, *, edns=True, identifier=0x4D2):
    """An A question as a resolver sends it."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    head = struct.pack("!HHHHHH", identifier, 0x0100, 1, 0, 0, edns)
    extended = b"\0" + struct.pack("!HHIH", 41, 1232, 0x8000, 0) if edns else b""
    return head + labels + b"\0\0\1\0\1" + extended


def ask(unit, kind, where, message):
    framed = len(message).to_bytes(2, "big") + message if kind == "tcp" else message
    begun = time.monotonic()
    answer = bytes.fromhex(unit.line.lan.run(PYTHON, "-c", ASK, kind, where, framed.hex()).stdout)
    assert time.monotonic() - begun < AT_ONCE
    if kind == "tcp":
        assert int.from_bytes(answer[:2], "big") == len(answer) - 2
    return answer[2:] if kind == "tcp" else answer


@BOTH
@pytest.mark.parametrize("kind", ["udp", "tcp"])
@pytest.mark.parametrize("edns", [True, False])
def test_a_blocked_name_does_not_exist_and_is_said_so_at_once(unit, version, kind, edns):
    sent = question(PHISHING, edns=edns)
    answer = dpkt.dns.DNS(ask(unit, kind, address(unit.line, version), sent))
    assert (answer.id, answer.qr, answer.rcode, answer.rd, answer.ra) == (0x4D2, 1, 3, 1, 1)
    assert [each.name for each in answer.qd] == [PHISHING]
    assert (len(answer.an), len(answer.ar)) == (0, edns)
    if edns:
        assert answer.ar[0].type == 41
        assert answer.ar[0].rdata == struct.pack("!HHH", 15, 2, 15)


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_other_names_are_answered_by_their_server(unit, kind):
    answer = dpkt.dns.DNS(ask(unit, kind, unit.line.wan_address, question("www.fine.example")))
    assert [each.ip for each in answer.an] == [socket.inet_aton("203.0.113.5")]


def test_programs_learn_at_once_that_there_is_no_such_host(unit):
    begun = time.monotonic()
    found = unit.line.lan.run("getent", "ahosts", PHISHING, check=False)
    assert (found.returncode, found.stdout) == (COULD_NOT_RESOLVE, "")
    assert time.monotonic() - begun < AT_ONCE
    assert "203.0.113.5" in unit.line.lan.run("getent", "ahosts", "www.fine.example").stdout


# --- what is left behind


def test_a_new_connection_on_the_ports_of_a_blocked_one_is_looked_at_anew(unit):
    """Connection tracking remembers an established flow for days; its ports may come back much sooner."""
    line, ports = unit.line, ("--local-port", "45454")
    with http_server(line.wan, unit.paths.root, where="::", port=443):
        assert curl(line.lan, *ports, *at(line, 4, 443), f"https://{PHISHING}/")[0] == TLS_RESET
        time.sleep(
            1
        )  # Linux begins a connection between the same ports 15 million numbers higher each second
        assert curl(line.lan, *ports, f"http://{line.wan_address}:443/")[1] == 200


def test_every_drop_is_counted_by_its_reason(unit):
    curl(unit.line.lan, *at(unit.line, 4), f"http://{PHISHING}/")
    curl(unit.line.wan, f"http://{unit.line.lan_address}/?q=union%20select")
    wait_until(lambda: {"wg", "ips"} <= set(unit.status()["drops"]), seconds=9, what="the reasons")
    status = unit.status()
    assert sum(status["drops"].values()) == sum(worker["dropped"] for worker in status["workers"])
