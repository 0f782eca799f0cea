"""A broker without MQTT 5, and one that says nonsense: played by a few lines that speak just enough of the protocol."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import pytest

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12


@dataclass
class Script:
    """What the broker does with a CONNECT of each protocol level, and says once a client subscribed."""

    refuse: dict[int, bytes] = field(default_factory=dict)
    after_subscribe: bytes = b""
    connects: list[bytes] = field(default_factory=list)
    published: list[bytes] = field(default_factory=list)


class OddBroker:
    def __init__(self, fleet, script: Script) -> None:
        self.script = script
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(fleet.server.certificate, fleet.server.key)
        context.load_verify_locations(fleet.root)
        context.verify_mode = ssl.CERT_REQUIRED
        self.listener = context.wrap_socket(
            socket.create_server(("127.0.0.1", fleet.mqtt_port)), server_side=True
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except ValueError:
                return
            except OSError:
                if self.listener.fileno() < 0:
                    return
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: ssl.SSLSocket) -> None:
        with connection, suppress(OSError), connection.makefile("rb") as stream:
            while packet := _packet(stream):
                answer, goes_on = self._answer(*packet)
                connection.sendall(answer)
                if not goes_on:
                    return

    def _answer(self, kind: int, body: bytes) -> tuple[bytes, bool]:
        match kind:
            case 1:
                self.script.connects.append(body)
                level = body[6]
                refusal = self.script.refuse.get(level)
                return (
                    (refusal, False)
                    if refusal is not None
                    else (b"\x20\x02\x00\x00" if level == 4 else b"\x20\x03\x00\x00\x00", True)
                )
            case 3:
                self.script.published.append(body)
                topic = int.from_bytes(body[:2])
                return b"\x40\x02" + body[2 + topic : 4 + topic], True
            case 8:
                return b"\x90\x04" + body[:2] + b"\x01\x01" + self.script.after_subscribe, True
            case 12:
                return b"\xd0\x00", True
            case _:
                return b"", kind != 14


def _packet(stream) -> tuple[int, bytes] | None:
    first = stream.read(1)
    length, shift = 0, 0
    while first:
        byte = stream.read(1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return first[0] >> 4, stream.read(length)
    return None


@pytest.fixture
def odd(fleet) -> Iterator[Callable[[Script], OddBroker]]:
    fleet.stop_link()
    fleet.broker.stop()
    with ExitStack() as brokers:

        def make(script: Script) -> OddBroker:
            made = OddBroker(fleet, script)
            brokers.callback(made.close)
            return made

        yield make


@pytest.mark.parametrize("refusal", [b"\x20\x02\x00\x01", b""], ids=["says so", "hangs up"])
def test_without_mqtt_5_the_unit_speaks_3_1_1(odd, unit, eventually, refusal: bytes) -> None:
    broker = odd(Script(refuse={5: refusal}))
    one = unit()
    one.activate()
    first, second, *_ = broker.script.connects
    assert (first[6], second[6]) == (5, 4)
    flags = second[7]
    assert not flags & 0x02, "clean session off"
    assert flags & 0x04, "a will"
    assert flags >> 3 & 3 == 1, "of QoS 1"
    assert second[10:19] == b"\x00\x07om-0001", "the client id is the unit"
    eventually(lambda: any(b'"kind":"state"' in body for body in broker.script.published))


def publish(payload: bytes, topic: bytes = b"omamori/v1/bd/om-0001/down/call") -> bytes:
    body = len(topic).to_bytes(2) + topic + payload
    length, size = bytearray(), len(body)
    while True:
        size, low = divmod(size, 128)
        length.append(low | (128 if size else 0))
        if not size:
            return b"\x30" + bytes(length) + body


NONSENSE = [
    b"",
    b"\xff\xfe",
    b"{}",
    b"[" * 60_000,
    b'{"kind":"tomorrow","body":{"do":"it"}}',
    b'{"kind":"ack","body":{"boot":"zz","sequences":[1]}}',
    b'{"kind":"ack","body":{"boot":"' + b"0" * 32 + b'","sequences":[-5,0,99999999999]}}',
    b'{"kind":"want","body":{"generation":-1}}',
    b"x" * 200_000,
]


def test_nonsense_from_the_broker_is_skipped(odd, unit, eventually) -> None:
    said = b"".join(map(publish, NONSENSE))
    broker = odd(Script(refuse={5: b""}, after_subscribe=said + said))
    one = unit()
    one.activate()
    eventually(lambda: any(b'"kind":"state"' in body for body in broker.script.published))
    eventually(lambda: one.log().count("garbage on") >= 12, what=one.log())
    assert one.status()["connected"]
    assert one.stop() == 0
