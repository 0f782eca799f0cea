"""Weak passwords over HTTP Basic: which are weak, where they are looked at, and that none is ever kept or told."""

import base64
import gc
import json
from datetime import UTC, datetime
from types import CodeType, FunctionType, ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine import eve
from omamori.firmware.engine.conduct import Orders
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.passwords import is_weak
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.credentials import build_passwords, own, read_credentials
from omamori.firmware.signatures.lists import ListError
from omamori.protocol.messages import encode_body
from omamori.protocol.policy import Change, Policy
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Action, Direction, Guard, Severity
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit

KNOWN = build_passwords(own())
ROUTER, WEB = "192.168.1.1", "198.51.100.80"
PC_PACKED = bytes((192, 168, 1, 20))


def basic(user, password, scheme="Basic"):
    return f"{scheme} ".encode() + base64.b64encode(f"{user}:{password}".encode())


@pytest.mark.parametrize(
    ("user", "password", "weak"),
    [
        ("admin", "admin", True),
        ("Admin", "admin", True),
        ("admin", "smcadmin", True),
        ("root", "vizxv", True),
        ("pi", "raspberry", True),
        ("admin", "raspberry", False),
        ("anyone", "123456", True),
        ("anyone", "P@ssw0rd", True),
        ("tanaka", "tanaka", True),
        ("tanaka", "Tanaka", True),
        ("tanaka", "", True),
        ("tanaka", "correct horse battery staple", False),
        ("", "", False),
        ("", "admin", False),
        ("\u7530\u4e2d", "\u7530\u4e2d", True),
        ("admin", "admin:admin", False),
    ],
)
def test_what_is_weak(user, password, weak):
    assert is_weak(basic(user, password), KNOWN) is weak


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Basic",
        b"Basic !",
        b"Bearer YWRtaW46YWRtaW4=",
        b"Digest username=admin",
        b"Basic " + b"A" * 5000,
        b"Basic YQ==",
    ],
)
def test_what_is_no_pair(value):
    assert not is_weak(value, KNOWN)


@pytest.mark.parametrize(
    "value", [b"basic YWRtaW46YWRtaW4=", b" BASIC   YWRtaW46YWRtaW4 ", b"Basic YWRtaW46YWRtaW4==="]
)
def test_odd_spellings_are_read_as_servers_do(value):
    assert is_weak(value, KNOWN)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_header_is_survived(value):
    is_weak(value, KNOWN)
    is_weak(b"Basic " + value, None)


def request(credentials, host="device.example", target="/"):
    return b"GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n\r\n" % (
        target.encode(),
        host.encode(),
        credentials,
    )


def ask(guard, credentials=None, port=40_000, target="/", **ends):
    talk = Tcp(client_port=port, **ends)
    said = talk.handshake() + talk.say(
        request(credentials or basic("admin", "smcadmin"), target=target), to_server=True
    )
    return len(guard.feed(said)) == len(said)


@pytest.fixture
def guard():
    return Unit(Engine(Signatures(passwords=KNOWN)))


@pytest.mark.parametrize(
    ("client", "server", "told"),
    [
        (SITE, PC, True),
        (PC, ROUTER, True),
        (PC, "10.1.2.3", True),
        (PC, WEB, False),
        (PC, "100.64.0.1", False),
    ],
)
def test_only_towards_inside_devices(guard, client, server, told):
    passes = ask(guard, client=client, server=server)
    found = guard.engine.take_detections()
    assert passes is not told
    assert len(found) == told
    if told:
        (only,) = found
        assert (only.guard, only.direction, only.action) == (Guard.IPS, Direction.INTERNAL, Action.BLOCKED)
        assert (only.severity, only.signature_id, only.detail) == (
            Severity.ONE,
            "ips:weak-password",
            "device.example",
        )
        assert (only.source.address, only.destination.address) == (client, server)


def test_a_good_password_passes_in_silence(guard):
    assert ask(guard, basic("admin", "a long and good one"), server=ROUTER)
    assert guard.engine.take_detections() == []


def test_a_program_that_asks_every_minute_is_told_once_an_hour(guard):
    for minute in range(90):
        assert not ask(guard, port=40_000 + minute, server=ROUTER)
        guard.now += 60
    assert len(guard.engine.take_detections()) == 2
    assert not ask(guard, server="192.168.1.2")
    assert len(guard.engine.take_detections()) == 1


def test_whom_it_told_of_is_bounded(guard):
    for number in range(1100):
        ask(guard, client=f"198.51.{number // 250}.{number % 250}", server=PC)
    guard.engine.take_detections()
    ask(guard, client="198.51.0.1", server=PC, port=41_000)
    assert len(guard.engine.take_detections()) == 1


def test_the_operator_may_let_it_pass(guard):
    guard.engine.obey(Orders(Policy(changes=(Change("ips:weak-password", "log"),))))
    assert ask(guard, server=ROUTER)
    (told,) = guard.engine.take_detections()
    assert told.action is Action.LOGGED


def test_no_password_is_in_anything_that_is_kept_or_told():
    secret = "Zte521"
    guard = Unit(Engine(Signatures(passwords=KNOWN)))
    target = f"http://root:{secret}@192.168.1.1/?pass={secret}"
    assert not ask(guard, basic("root", secret), server=ROUTER, target=target)
    (sighting,) = guard.engine.take_sightings()
    said = json.dumps(
        [
            eve.line(sighting),
            encode_body(sighting.detection).decode(),
            guard.verdicts[-1].reason,
            repr(sighting),
        ]
    )
    encoded = basic("root", secret).partition(b" ")[2].decode()
    assert "weak" in said
    for clue in (secret, encoded, "root"):
        assert clue not in said
    guard.engine.flush(guard.now)
    texts = [each for each in reachable(guard.engine) if isinstance(each, (str, bytes, bytearray))]
    assert any(each == PC_PACKED for each in texts)
    for each in texts:
        text = each if isinstance(each, str) else bytes(each).decode("latin-1")
        assert secret not in text
        assert encoded not in text


def reachable(root):
    """Every object that an object holds, directly or not; code and modules left out."""
    seen, waiting = {id(root): root}, [root]
    while waiting:
        for each in gc.get_referents(waiting.pop()):
            if id(each) not in seen and not isinstance(each, (type, ModuleType, FunctionType, CodeType)):
                seen[id(each)] = each
                waiting.append(each)
    return list(seen.values())


def test_a_pack_carries_hashes_of_our_list_and_of_more(tmp_path):
    path = tmp_path / "list"
    path.write_text("# ours\n\nkiosk:sakura-77\n:hunter2hunter2\n", encoding="utf-8")
    built = tmp_path / "pack"
    content = pack.Content(credentials=read_credentials(path))
    pack.build(built, Version.parse("1.0.0"), datetime(2026, 1, 1, tzinfo=UTC), content)
    known = pack.load(built).passwords
    for user, password in (("kiosk", "sakura-77"), ("whoever", "hunter2hunter2"), ("admin", "smcadmin")):
        assert is_weak(basic(user, password), known)
    assert b"hunter2" not in built.read_bytes()


@pytest.mark.parametrize("line", ["no colon", "user:", "u:" + "p" * 400])
def test_a_list_with_another_line_is_refused_without_showing_it(tmp_path, line):
    path = tmp_path / "list"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(ListError, match=r":1: not user:password$"):
        read_credentials(path)


REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


def log_in(guard, times, *, header=None, answer=REFUSED, port=40_000, step=1.0, **ends):
    """So many requests on one connection, each answered."""
    talk = Tcp(client_port=port, **ends)
    guard.feed(talk.handshake())
    for _ in range(times):
        line = b"Authorization: %s\r\n" % header if header else b""
        guard.feed(talk.say(b"GET / HTTP/1.1\r\nHost: a.example\r\n" + line + b"\r\n", to_server=True))
        guard.feed(talk.say(answer, to_server=False))
        guard.now += step
    return guard.engine.take_detections()


LONG = basic("admin", "one of very many")


@pytest.mark.parametrize(
    ("client", "server", "severity"), [(SITE, PC, Severity.ONE), (PC, WEB, Severity.TWO)]
)
def test_refused_log_ins_one_after_the_other_are_guessing(guard, client, server, severity):
    (told,) = log_in(guard, 60, header=LONG, client=client, server=server)
    assert (told.signature_id, told.action, told.severity) == (
        "ips:password-guessing",
        Action.LOGGED,
        severity,
    )


def test_guessing_is_counted_over_connections(guard):
    found = [
        each
        for n in range(25)
        for each in log_in(guard, 1, header=LONG, port=41_000 + n, client=SITE, server=PC)
    ]
    assert [each.signature_id for each in found] == ["ips:password-guessing"]


@pytest.mark.parametrize(
    "ways",
    [
        {"header": LONG, "step": 5.0},
        {"header": None},
        {"header": b"Negotiate YII="},
        {"header": b"NTLM TlRM"},
        {"header": LONG, "answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
        {"header": LONG, "answer": b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"},
    ],
    ids=["a poller with an old password", "no credentials", "negotiate", "ntlm", "good ones", "forbidden"],
)
def test_what_is_no_guessing(guard, ways):
    assert log_in(guard, 60, client=SITE, server=PC, **ways) == []
