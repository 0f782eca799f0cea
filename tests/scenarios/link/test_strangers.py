"""What a unit with a good certificate and bad intentions can do to others: nothing."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from omamori.protocol import messages as m
from omamori.protocol.ids import BootId, UnitId, unit_id
from omamori.protocol.topics import Down, Up, down, up

MALLORY, VICTIM = unit_id("om-mallory"), unit_id("om-victim")
LOG = m.Log(datetime.now(UTC), "agent", "info", "hello")


def certificate_for(fleet, name: str, directory) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(key, hashes.SHA256())
    chain = fleet.authority.sign_unit(
        request.public_bytes(serialization.Encoding.PEM), UnitId(name), now=datetime.now(UTC)
    )
    (directory / f"{name}.pem").write_text(chain)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / f"{name}.key").write_bytes(pem)
    return str(directory / f"{name}.pem"), str(directory / f"{name}.key")


@contextmanager
def client(fleet, directory, name: str, *, client_id: str = "", protocol: int = MQTTv5) -> Iterator[Client]:
    made = Client(CallbackAPIVersion.VERSION2, client_id=client_id or name, protocol=protocol)
    context = ssl.create_default_context(cafile=str(fleet.root))
    context.load_cert_chain(*certificate_for(fleet, name, directory))
    made.tls_set_context(context)
    made.heard, made.gone = [], threading.Event()
    made.on_message = lambda _c, _u, message: made.heard.append((message.topic, message.payload))
    made.on_disconnect = lambda *_: made.gone.set()
    made.connect("127.0.0.1", fleet.mqtt_port)
    made.loop_start()
    try:
        yield made
    finally:
        made.disconnect()
        made.loop_stop()


def message(unit: UnitId, sequence: int = 1, body: m.UpBody = LOG) -> bytes:
    return m.encode_up(m.Upward(unit, BootId("0" * 32), sequence, body))


def test_a_unit_cannot_write_or_read_anothers_topics(fleet, tmp_path, eventually) -> None:
    with client(fleet, tmp_path, VICTIM) as victim, client(fleet, tmp_path, MALLORY) as mallory:
        eventually(lambda: victim.is_connected() and mallory.is_connected())
        for topic in (
            "#",
            "omamori/v1/+/+/up/+",
            down(VICTIM, Down.CALL),
            up(VICTIM, Up.EVENT),
            f"$share/x/{down(VICTIM, Down.WANT)}",
        ):
            mallory.subscribe(topic, qos=1)
        victim.subscribe(down(VICTIM, Down.CALL), options=SubscribeOptions(qos=1))
        mallory.publish(up(VICTIM, Up.LOG), message(VICTIM, 1), qos=1)
        mallory.publish(up(MALLORY, Up.LOG), message(VICTIM, 2), qos=1)
        mallory.publish(down(VICTIM, Down.CALL), m.encode_down(m.Acknowledge(BootId("0" * 32), (3,))), qos=1)
        mallory.publish(up(MALLORY, Up.LOG).replace(f"/{unit_bucket()}/", "/zz/"), message(MALLORY, 4), qos=1)
        mallory.publish(up(MALLORY, Up.LOG), message(MALLORY, 5), qos=1)
        victim.publish(up(VICTIM, Up.LOG), message(VICTIM, 6), qos=1)
        eventually(lambda: len(fleet.database.stored) == 2)
        eventually(lambda: victim.heard)
        time.sleep(0.5)
        assert set(fleet.database.stored) == {(MALLORY, "0" * 32, 5), (VICTIM, "0" * 32, 6)}
        assert [m.decode_down(raw) for _, raw in victim.heard] == [m.Acknowledge(BootId("0" * 32), (6,))]
        assert {topic for topic, _ in mallory.heard} == {down(MALLORY, Down.CALL)}, (
            "'#' gives its own topics only"
        )
        assert fleet.link.tally.garbage == 2


def unit_bucket() -> str:
    return up(MALLORY, Up.LOG).split("/")[2]


def test_a_unit_cannot_push_another_or_the_link_worker_off_the_broker(fleet, tmp_path, eventually) -> None:
    with client(fleet, tmp_path, VICTIM) as victim:
        eventually(victim.is_connected)
        for client_id in (VICTIM, "fleet.link"):
            with client(fleet, tmp_path, MALLORY, client_id=client_id) as mallory:
                eventually(mallory.is_connected)
                time.sleep(0.3)
        assert not victim.gone.is_set()
        assert fleet.link.tally.connections == 1


def test_without_a_certificate_of_this_fleet_there_is_no_session(fleet, tmp_path) -> None:
    other = type(fleet)(tmp_path / "other")
    (tmp_path / "foreign").mkdir()
    for certificate in (None, certificate_for(other, VICTIM, tmp_path / "foreign")):
        made = Client(CallbackAPIVersion.VERSION2, client_id=VICTIM, protocol=MQTTv5)
        context = ssl.create_default_context(cafile=str(fleet.root))
        if certificate:
            context.load_cert_chain(*certificate)
        made.tls_set_context(context)
        with pytest.raises(OSError):  # noqa: PT011 - TLS 1.3 refuses at the handshake or at the first read
            _session(made, fleet)


def _session(made: Client, fleet) -> None:
    made.connect("127.0.0.1", fleet.mqtt_port)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not made.is_connected():
        if made.loop(0.1):
            raise ConnectionError("refused")


@pytest.mark.parametrize("protocol", [MQTTv5, MQTTv311])
def test_ten_megabytes_are_refused_and_nothing_breaks(fleet, tmp_path, eventually, protocol: int) -> None:
    with (
        client(fleet, tmp_path, VICTIM) as victim,
        client(fleet, tmp_path, MALLORY, protocol=protocol) as mallory,
    ):
        eventually(lambda: victim.is_connected() and mallory.is_connected())
        rss = _resident(fleet.broker.pid)
        mallory.publish(up(MALLORY, Up.LOG), b"x" * 10_000_000, qos=0)
        eventually(mallory.gone.is_set, what="the broker hangs up")
        assert _resident(fleet.broker.pid) - rss < 4_000
        victim.publish(up(VICTIM, Up.LOG), message(VICTIM), qos=1)
        eventually(lambda: set(fleet.database.stored) == {(VICTIM, "0" * 32, 1)})
        assert fleet.link.tally.connections == 1


def test_what_passes_the_broker_but_is_no_message_is_counted(fleet, tmp_path, eventually) -> None:
    with client(fleet, tmp_path, MALLORY) as mallory:
        eventually(mallory.is_connected)
        for payload in (b"", b"x" * 60_000, b"{}", b"[" * 60_000, b"x" * 70_000):
            mallory.publish(up(MALLORY, Up.EVENT), payload, qos=1)
        mallory.publish(up(MALLORY, Up.EVENT), message(MALLORY), qos=1)
        eventually(lambda: len(fleet.database.stored) == 1)
        assert fleet.link.tally.garbage == 4, "the fifth is over the broker's size limit"


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4
