"""The fleet's own certificates are renewed while it runs, and shown without a restart of anything by hand."""

import ssl
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.pool import ThreadPool

import pytest
from cryptography import x509

from omamori.fleet.broker.authority import open_authority
from omamori.fleet.commands import serving as commands
from omamori.fleet.state import FleetState
from tests.fleet.surfaces.conftest import run, serving

DAY = timedelta(days=1)


def serial(pair):
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number


@pytest.fixture
def state(tmp_path):
    run(tmp_path, "init", "--password", "correct horse battery")
    return FleetState(tmp_path / "fleet")


def test_pairs_are_renewed_three_months_before_they_end_and_not_before(state):
    now = datetime.now(UTC)
    first = [serial(pair) for pair in commands.renew(state, now=now)]
    assert [serial(pair) for pair in commands.renew(state, now=now + 300 * DAY)] == first
    later = commands.renew(state, now=now + 310 * DAY)
    assert not set(first) & {serial(pair) for pair in later}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for pair in later:
        context.load_cert_chain(pair.certificate, pair.key)


def test_processes_that_renew_at_once_leave_one_pair(state):
    later = datetime.now(UTC) + 310 * DAY
    with ThreadPool(8) as pool:
        pool.map(lambda _: commands.renew(state, now=later), range(8))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for pair in commands.renew(state, now=later):
        context.load_cert_chain(pair.certificate, pair.key)


def shown(port):
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=5)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


@pytest.mark.slow
def test_what_was_renewed_is_shown_by_https_and_by_the_broker(tmp_path):
    with serving(tmp_path, "serve") as fleet:
        ports = (fleet.ports["units"], fleet.ports["mqtt"])
        before = shown(ports[0])
        assert shown(ports[1]) == before
        authority = open_authority(tmp_path / "fleet/ca")
        authority.server(tmp_path / "fleet/tls", ["127.0.0.1", "renewed.example"], now=datetime.now(UTC))
        deadline = time.monotonic() + 60
        seen = set()
        while seen != {serial_of(tmp_path)} and time.monotonic() < deadline:
            time.sleep(0.5)
            seen = {each for each in map(reached, ports) if each}
        assert seen == {serial_of(tmp_path)}
        assert before not in seen


def serial_of(place):
    return x509.load_pem_x509_certificate((place / "fleet/tls/server.pem").read_bytes()).serial_number


def reached(port):
    """None while nobody answers: the broker is being started anew."""
    try:
        return shown(port)
    except OSError:
        return None
