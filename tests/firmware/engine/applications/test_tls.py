"""Hellos made by OpenSSL, cut anywhere, give the name; what cannot be read ends the parsing, never the process."""

import ssl
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.applications import certificate
from omamori.firmware.engine.applications.layer import How, Message, SiteAsked
from omamori.firmware.engine.applications.tls import Tls
from omamori.firmware.engine.reassembly import Piece

NEEDS = frozenset(
    (
        "tls.sni",
        "tls.version",
        "tls.cert_subject",
        "tls.cert_issuer",
        "tls.cert_serial",
        "tls.cert_fingerprint",
        "tls.certs",
        "tls.subjectaltname",
        "tls.random",
        "tls.random_time",
        "tls.random_bytes",
        "ja3.hash",
        "ja3s.hash",
        "ja4.hash",
    )
)
SERIAL = 0x0102AB


@pytest.fixture(scope="module")
def server_files(tmp_path_factory):
    """A self-signed certificate and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "例"),
            x509.NameAttribute(NameOID.COMMON_NAME, "www.site.example"),
        ]
    )
    start = datetime(2024, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), SERIAL, start, start + timedelta(9999))
    names = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("*.b.example")])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(plain + signed.public_bytes(serialization.Encoding.PEM))
    return path, signed.public_bytes(serialization.Encoding.DER)


def handshake(path, version):
    """The bytes of both directions up to the end of a handshake, by OpenSSL."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.maximum_version = version
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(down, up, server_hostname="www.site.example")
    sent, taken = [], {True: b"", False: b""}
    inbox = ssl.MemoryBIO()
    outbox = ssl.MemoryBIO()
    two = server.wrap_bio(inbox, outbox, server_side=True)
    for _ in range(4):
        for side in (one, two):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                sent.append(side)
            moved = up.read()
            inbox.write(moved)
            taken[True] += moved
            moved = outbox.read()
            down.write(moved)
            taken[False] += moved
    return taken


def feed(layer, data, cuts, *, to_server):
    marks = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [
        event
        for begin, end in pairwise(marks)
        for event in layer.feed(Piece(begin, 0, data[begin:end]), NEEDS, to_server=to_server)
    ]


@pytest.fixture(scope="module")
def conversations(server_files):
    path, _ = server_files
    return {version: handshake(path, version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)}


@given(st.lists(st.integers(1, 1500), max_size=12), st.data())
@settings(max_examples=40)
def test_the_name_is_found_however_the_hello_is_cut(conversations, cuts, data):
    version = data.draw(st.sampled_from(sorted(conversations)))
    layer = Tls()
    events = feed(layer, conversations[version][True], cuts, to_server=True)
    assert events[0] == SiteAsked(b"www.site.example", How.TLS)
    assert events[1].buffers["tls.sni"] == [b"www.site.example"]
    assert len(events[1].buffers["ja3.hash"][0]) == 32
    assert (
        events[1].buffers["ja4.hash"][0].startswith(b"t13d" if version == ssl.TLSVersion.TLSv1_3 else b"t12d")
    )
    feed(layer, conversations[version][False], cuts, to_server=False)
    assert layer.finished


def test_the_certificate_is_in_the_clear_before_tls_1_3(conversations, server_files):
    layer = Tls()
    feed(layer, conversations[ssl.TLSVersion.TLSv1_2][True], (), to_server=True)
    assert not layer.finished
    events = feed(layer, conversations[ssl.TLSVersion.TLSv1_2][False], (), to_server=False)
    buffers = next(event.buffers for event in events if "tls.cert_subject" in event.buffers)
    assert (
        buffers["tls.cert_subject"]
        == buffers["tls.cert_issuer"]
        == ["C=JP, O=例, CN=www.site.example".encode()]
    )
    assert buffers["tls.cert_serial"] == [b"01:02:AB"]
    assert buffers["tls.version"] == [b"1.2"]
    assert buffers["tls.certs"] == [server_files[1]]
    assert buffers["tls.subjectaltname"] == [b"a.example", b"*.b.example"]
    assert buffers["tls.random"] == [buffers["tls.random_time"][0] + buffers["tls.random_bytes"][0]]
    assert len(buffers["ja3s.hash"][0]) == 32
    digest = hashes.Hash(hashes.SHA1())  # noqa: S303 - fingerprints in rules are SHA-1
    digest.update(server_files[1])
    assert buffers["tls.cert_fingerprint"] == [digest.finalize().hex(":").encode()]
    assert layer.context(None).tls["sni"] == "www.site.example"


def test_tls_1_3_is_finished_after_the_hellos(conversations):
    layer = Tls()
    feed(layer, conversations[ssl.TLSVersion.TLSv1_3][True], (), to_server=True)
    feed(layer, conversations[ssl.TLSVersion.TLSv1_3][False], (), to_server=False)
    assert layer.finished
    assert layer.context(None).tls["version"] == "TLS 1.3"


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=10), st.binary(max_size=6))
@settings(max_examples=200)
def test_any_bytes_are_taken(parts, start):
    layer = Tls()
    for to_server, data in parts:
        record = b"\x16\x03\x01" + len(start + data).to_bytes(2, "big") + start + data
        for event in layer.feed(Piece(0, 0, record), NEEDS, to_server=to_server):
            assert isinstance(event, Message | SiteAsked)
    layer.context(None)


@given(st.data())
@settings(max_examples=200)
def test_a_damaged_hello_is_no_exception(conversations, data):
    stream = bytearray(conversations[ssl.TLSVersion.TLSv1_2][False])
    for _ in range(data.draw(st.integers(1, 6))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    feed(Tls(), bytes(stream), (), to_server=False)


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_are_a_certificate_or_none(data):
    certificate.parse(b"\x30\x82" + len(data).to_bytes(2, "big") + data)
