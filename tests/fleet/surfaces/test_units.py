"""The unit surface over real TLS: a claim works once, a certificate is the unit's present one, files stay in their place."""

import contextlib
import json
import socket
import ssl
import threading
import time

import paho.mqtt.client as mqtt
import pytest

from omamori.protocol.messages import Want
from omamori.protocol.wire import from_wire, load


def test_a_claim_and_a_key_become_a_certificate_that_fetches_the_want(served, identity):
    claim = served.register("om-first")
    assert claim["fleet"].startswith("https://")
    status, answer = served.activate(claim, identity)
    assert (status, answer["mqtt_host"]) == (200, "localhost")
    status, _, raw = served.request("GET", "/unit/v1/want", identity=identity)
    want = from_wire(Want, load(raw))
    assert (status, want.generation, want.window.timezone) == (200, 1, "Asia/Tokyo")


def test_the_want_follows_what_the_operator_sets(served, identity):
    served.activate(served.register("om-wants"), identity)
    served.command("window", "set", "om-wants", "--start", "12:00", "--end", "13:30", "--weekdays", "6,7")
    served.command("apply-now", "om-wants")
    want = from_wire(Want, load(served.request("GET", "/unit/v1/want", identity=identity)[2]))
    assert (want.generation, want.window.start, want.window.weekdays, want.apply.value) == (
        3,
        "12:00",
        (6, 7),
        "now",
    )


def test_a_claim_works_once(served, identity, new_identity):
    claim = served.register("om-once")
    assert served.activate(claim, identity)[0] == 200
    assert served.activate(claim, new_identity())[0] == 409


def test_a_repeat_with_the_same_key_gets_the_same_certificate(served, identity):
    """The first answer may be lost on the way; without this the unit could never be activated again."""
    claim = served.register("om-repeat")
    first, again = served.activate(claim, identity), served.activate(claim, identity)
    assert first == again


def test_wrong_secret_and_unknown_unit_are_refused_alike(served, identity):
    claim = served.register("om-secret")
    wrong = served.activate(claim | {"secret": "x" * 43}, identity)
    unknown = served.activate(claim | {"unit": "om-nobody"}, identity)
    assert wrong == unknown
    assert wrong[0] == 403


def test_a_renewed_claim_ends_the_old_certificate(served, identity, new_identity):
    served.activate(served.register("om-renew"), identity)
    fresh = json.loads(served.command("units", "renew-claim", "om-renew").stdout)
    assert served.request("GET", "/unit/v1/want", identity=identity)[0] == 401
    other = new_identity()
    assert served.activate(fresh, other)[0] == 200
    assert served.request("GET", "/unit/v1/want", identity=other)[0] == 200
    assert served.request("GET", "/unit/v1/want", identity=identity)[0] == 401


def test_a_unit_that_was_reset_is_let_in_again_with_the_claim_it_has(served, identity, new_identity):
    claim, other = served.register("om-reset"), new_identity()
    served.activate(claim, identity)
    assert served.activate(claim, other)[0] == 409
    served.command("units", "readmit", "om-reset")
    assert served.request("GET", "/unit/v1/want", identity=identity)[0] == 401
    assert served.activate(claim, other)[0] == 200
    assert served.request("GET", "/unit/v1/want", identity=other)[0] == 200


@contextlib.contextmanager
def session(served, identity):
    """At the broker: set once it is let in, and once it was hung up on."""
    answered, ended = threading.Event(), threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_connect = lambda _client, _data, _flags, code, _properties: code == 0 and answered.set()
    client.on_disconnect = lambda *_: ended.set()
    context = ssl.create_default_context(cafile=served.state / "fleet/ca/root.pem")
    identity.load_into(context)
    client.tls_set_context(context)
    with contextlib.suppress(OSError):
        client.connect("localhost", served.ports["mqtt"])
    client.loop_start()
    try:
        yield answered, ended
    finally:
        client.disconnect()
        client.loop_stop()


def is_let_in(served, identity) -> bool:
    with session(served, identity) as (answered, _):
        return answered.wait(3)


@pytest.mark.parametrize("verb", ["renew-claim", "readmit"])
def test_the_broker_lets_nobody_in_by_a_certificate_that_counts_no_longer(everything, new_identity, verb):
    served = everything
    unit, old, other, new = f"om-{verb}", new_identity(), new_identity(), new_identity()
    claim = served.register(unit)
    served.activate(claim, old)
    served.activate(served.register(f"{unit}-beside"), other)
    with session(served, old) as (answered, ended):
        assert answered.wait(5)
        told = served.command("units", verb, unit).stdout
        assert ended.wait(20), "the session that stood goes on"
    until = time.monotonic() + 20
    while is_let_in(served, old):
        assert time.monotonic() < until, "it is still let in"
    assert is_let_in(served, other)
    served.activate(json.loads(told) if told.strip() else claim, new)
    assert is_let_in(served, new)
    assert not is_let_in(served, old)


def test_without_a_certificate_nothing_is_wanted(served):
    assert served.request("GET", "/unit/v1/want")[0] == 401


def test_a_header_is_no_certificate(served):
    forged = {"X-SSL-Client-CN": "om-first", "SSL_CLIENT_S_DN": "CN=om-first", "X-Client-Cert": "om-first"}
    assert served.request("GET", "/unit/v1/want", headers=forged)[0] == 401


def test_a_certificate_of_another_authority_does_not_get_in(served, new_identity):
    stranger = new_identity()
    stranger.certificate = _self_signed(stranger, "om-first")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        served.request("GET", "/unit/v1/want", identity=stranger)


def _self_signed(identity, name):
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        subject, subject, identity.key.public_key(), 5, now, now + timedelta(days=1)
    )
    return builder.sign(identity.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"[]", 400),
        (b"{" * 3000, 400),
        (b'{"unit": "om-first"}', 400),
        (b'{"unit": "../etc", "secret": "s", "csr": "c"}', 400),
        (b'{"unit": "om-first", "secret": "\\ud800", "csr": "c"}', 403),
        (b"x" * 20_000, 413),
    ],
)
def test_garbage_gets_a_clear_refusal(served, body, status):
    found, headers, raw = served.request("POST", "/unit/v1/activate", body)
    assert (found, headers["Content-Type"]) == (status, "application/json")
    assert json.loads(raw)["error"]


def test_a_bad_certificate_request_leaves_the_claim_unused(served, identity):
    claim = served.register("om-csr")
    body = json.dumps(
        {"unit": "om-csr", "secret": claim["secret"], "csr": "-----BEGIN CERTIFICATE REQUEST-----\nAA\n"}
    )
    assert served.request("POST", "/unit/v1/activate", body)[0] == 400
    assert served.activate(claim, identity)[0] == 200


def test_guessing_claims_is_limited(limited, identity):
    claim = limited.register("om-guess")
    statuses = [
        limited.activate(claim | {"secret": f"guess-number-{n}-padded"}, identity)[0] for n in range(6)
    ]
    # The minute may turn once while this runs; then the count starts again.
    assert statuses[:3] == [403, 403, 403]
    assert 429 in statuses[3:]


def test_wrong_methods_and_paths(served):
    assert served.request("GET", "/unit/v1/activate")[0] == 405
    assert served.request("POST", "/unit/v1/want", b"")[0] == 405
    assert served.request("GET", "/")[0] == 404
    assert served.request("GET", "/api/v1/units")[0] == 404, "the unit surface has no operators' API"
    assert served.request("PUT", "/tuf/targets/firmware/a.bundle", b"x")[0] == 405


def test_a_target_is_served_whole_and_in_parts(served):
    whole = bytes(range(256)) * 400
    path = "/tuf/targets/firmware/a.bundle"
    status, headers, body = served.request("GET", path)
    assert (status, body, headers["Accept-Ranges"]) == (200, whole, "bytes")
    for asked, start, end in (
        ("0-9", 0, 10),
        ("1000-", 1000, None),
        ("-100", len(whole) - 100, None),
        ("5-999999", 5, None),
    ):
        status, part_headers, body = served.request("GET", path, headers={"Range": f"bytes={asked}"})
        assert (status, body) == (206, whole[start:end])
        assert part_headers["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/{len(whole)}"
    assert served.request("HEAD", path)[1]["Content-Length"] == str(len(whole))


def test_a_range_that_is_not_there(served):
    status, headers, _ = served.request(
        "GET", "/tuf/targets/firmware/a.bundle", headers={"Range": "bytes=999999-"}
    )
    assert (status, headers["Content-Range"]) == (416, "bytes */102400")


def test_a_part_of_a_changed_file_is_the_whole_file(served):
    path = "/tuf/targets/firmware/a.bundle"
    asked = {"Range": "bytes=0-9", "If-Range": '"of another time"'}
    status, _, body = served.request("GET", path, headers=asked)
    assert (status, len(body)) == (200, 102400)


@pytest.mark.parametrize(
    "path",
    [
        "/tuf/keys/root.key",
        "/tuf/targets/../keys/root.key",
        "/tuf/targets/%2e%2e/keys/root.key",
        "/tuf/targets/..%2fkeys%2froot.key",
        "/tuf/targets/firmware/..%00/a.bundle",
        "/tuf/targets//etc/passwd",
        "/tuf/targets/%2fetc%2fpasswd",
        "/tuf/targets/leak",
        "/tuf/targets/firmware",
        "/tuf/targets/.hidden",
        "/tuf/metadata/" + "a/" * 60 + "b",
    ],
)
def test_nothing_but_published_files_is_served(served, path):
    status, _, body = served.request("GET", path)
    assert status == 404
    assert b"secret" not in body
    assert b"root:" not in body


def test_old_tls_is_refused(served):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        served.request("GET", "/unit/v1/want", context=context)


@pytest.mark.slow
def test_silent_connections_do_not_keep_others_out(served, identity):
    """More peers that connect and say nothing than the surface has threads."""
    served.activate(served.register("om-busy"), identity)
    silent = [socket.create_connection(("127.0.0.1", served.ports["units"])) for _ in range(40)]
    try:
        started = time.monotonic()
        assert served.request("GET", "/unit/v1/want", identity=identity)[0] == 200
        assert time.monotonic() - started < 15
    finally:
        for connection in silent:
            connection.close()
