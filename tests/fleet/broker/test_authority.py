"""The certificate authority: what it signs, what it refuses, and what its files survive."""

import multiprocessing
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.fleet.broker import AuthorityError, RequestRefused
from omamori.fleet.broker.authority import Authority, open_authority, requested_key
from omamori.protocol.ids import unit_id

NOW = datetime(2026, 5, 1, tzinfo=UTC)
UNIT = unit_id("om-0001")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return open_authority(tmp_path / "ca", now=NOW)


def request(key=None, common: str = "somebody else", hash_=None) -> str:
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = x509.CertificateSigningRequestBuilder(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hash_ or hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_a_unit_is_who_the_fleet_says_and_nothing_it_wrote_itself(authority: Authority) -> None:
    chain = authority.sign_unit(request(common="fleet.link"), UNIT, now=NOW)
    (leaf,) = x509.load_pem_x509_certificates(chain.encode())
    assert leaf.subject.rfc4514_string() == "CN=om-0001"
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.root_pem.encode()))
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert leaf.not_valid_after_utc - NOW > timedelta(days=10 * 365)


def _tampered() -> str:
    lines = request().splitlines()
    return "\n".join([*lines[:-2], lines[-2][:-8] + "AAAAAA==", lines[-1]])


@pytest.mark.parametrize(
    ("csr", "why"),
    [
        ("", "not a certificate request"),
        ("x" * 9000, "9,000 bytes where at most 8,192"),
        ("長い" * 10, "not a certificate request"),
        (request(rsa.generate_private_key(65537, 2048)), "not on the curve P-256"),
        (request(ec.generate_private_key(ec.SECP384R1())), "not on the curve P-256"),
        (_tampered(), "not signed by its own key|not a certificate request"),
    ],
    ids=["empty", "long", "text", "rsa", "p384", "tampered"],
)
def test_other_requests_are_refused(authority: Authority, csr: str, why: str) -> None:
    with pytest.raises(RequestRefused, match=why):
        authority.sign_unit(csr, UNIT, now=NOW)


GOOD = request().encode()


@settings(max_examples=150)
@given(st.binary(max_size=200) | st.tuples(st.integers(30, len(GOOD) - 40), st.binary(min_size=1, max_size=4)).map(
    lambda change: GOOD[: change[0]] + change[1] + GOOD[change[0] + len(change[1]) :]
))  # fmt: skip
def test_damaged_requests_are_refused_by_our_own_error(raw: bytes) -> None:
    try:
        key = requested_key(raw)
    except RequestRefused:
        return
    assert key == requested_key(GOOD), "whatever is taken is the key of the one good request"


def test_servers_are_kept_while_good_and_renewed_in_time(authority: Authority, tmp_path: Path) -> None:
    names = ["fleet.example", "192.0.2.7", "::1"]
    pair = authority.server(tmp_path / "tls", names, now=NOW)
    first = pair.certificate.read_bytes()
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600
    leaf = x509.load_pem_x509_certificate(first)
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["fleet.example"]
    assert [str(address) for address in found.get_values_for_type(x509.IPAddress)] == ["192.0.2.7", "::1"]
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(pair.certificate, pair.key)

    authority.server(tmp_path / "tls", names, now=NOW + timedelta(days=100))
    assert pair.certificate.read_bytes() == first
    authority.server(tmp_path / "tls", names, now=NOW + timedelta(days=320))
    second = pair.certificate.read_bytes()
    assert second != first, "it would end in less than 90 days"
    authority.server(tmp_path / "tls", ["other.example"], now=NOW + timedelta(days=320))
    third = pair.certificate.read_bytes()
    assert third != second, "the names are others"
    pair.key.write_bytes(b"broken")
    authority.server(tmp_path / "tls", ["other.example"], now=NOW + timedelta(days=320))
    assert pair.certificate.read_bytes() != third


def test_a_worker_has_a_name_no_unit_can_have(authority: Authority, tmp_path: Path) -> None:
    pair = authority.worker(tmp_path / "tls", now=NOW)
    leaf = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    assert leaf.subject.rfc4514_string() == "CN=fleet.link"
    assert authority.worker(tmp_path / "tls", now=NOW) == pair
    assert x509.load_pem_x509_certificate(pair.certificate.read_bytes()) == leaf


def test_the_root_is_private_and_opens_again(authority: Authority, tmp_path: Path) -> None:
    directory = tmp_path / "ca"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "root.key").stat().st_mode) == 0o600
    assert open_authority(directory).root_pem == authority.root_pem
    assert open_authority(directory, now=NOW + timedelta(days=5)).root_pem == authority.root_pem


def test_files_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:  # noqa: ARG001 - made by it
    with pytest.raises(AuthorityError, match="no usable certificate authority"):
        open_authority(tmp_path / "nowhere")
    open_authority(tmp_path / "other", now=NOW)
    key = tmp_path / "ca/root.key"
    key.write_bytes((tmp_path / "other/root.key").read_bytes())
    with pytest.raises(AuthorityError, match="do not belong together"):
        open_authority(tmp_path / "ca")
    key.write_bytes(b"garbage")
    with pytest.raises(AuthorityError, match=r"root\.key"):
        open_authority(tmp_path / "ca")
    (tmp_path / "file").write_text("")
    with pytest.raises(AuthorityError, match="cannot make"):
        open_authority(tmp_path / "file/ca", now=NOW)


def _open(directory: str) -> str:
    return open_authority(Path(directory), now=datetime.now(UTC)).root_pem


def test_many_who_create_at_once_end_with_one(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        roots = pool.map(_open, [str(tmp_path / "ca")] * 12)
    assert len(set(roots)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["ca"]
