"""The fleet's certificate authority: one root that signs units, servers and the link worker.

A certificate's name says who it is and nothing a requester writes does: of a request only the public key is used.
Names of workers hold a dot and names of servers a space, so none can ever be a unit id. Every leaf is good for one
purpose only. The root key lies in one directory of mode 0700; nothing else is kept here, and asking twice signs twice,
so "once for each unit" is the caller's rule.
"""

import contextlib
import fcntl
import ipaddress
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from omamori.fleet.broker.errors import AuthorityError, RequestRefused
from omamori.protocol.ids import UnitId

LINK: Final = "fleet.link"
"""Certificate CN, and so MQTT user name, of the link worker."""
REQUEST_CAP: Final = 8 * 1024
"""Bytes of a certificate request; ours have about 500."""
_ROOT_LIFE, _UNIT_LIFE = timedelta(days=30 * 365), timedelta(days=20 * 365)
_SERVER_LIFE, _RENEW_BEFORE = timedelta(days=397), timedelta(days=90)
_BACKDATED = timedelta(days=1)
"""Machines' clocks differ; a fresh certificate must not be one of tomorrow."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Paths of a private key (mode 0600) and its certificate chain, both PEM."""

    key: Path
    certificate: Path


class Authority:
    """The root, loaded. Make it with `open_authority`."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, root: x509.Certificate) -> None:
        self._key, self._root = key, root

    @property
    def root_pem(self) -> str:
        """What units, gunicorn and the broker trust."""
        return _pem(self._root)

    def sign_unit(self, request: str | bytes, unit: UnitId, *, now: datetime) -> str:
        """The unit's certificate as a PEM chain. Raises RequestRefused."""
        return self._leaf(requested_key(request), unit, ExtendedKeyUsageOID.CLIENT_AUTH, now, _UNIT_LIFE)

    def revocation_list(self, revoked: Iterable[tuple[int, datetime]], *, now: datetime) -> str:
        """PEM, of (serial number, since when). Good as long as the root is: a broker lets nobody in by one that has ended."""
        builder = x509.CertificateRevocationListBuilder(self._root.subject, now - _BACKDATED, self._root.not_valid_after_utc)  # fmt: skip
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        builder = builder.add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
        for serial, since in revoked:
            entry = x509.RevokedCertificateBuilder(serial, since)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def server(self, directory: Path, names: Sequence[str], *, now: datetime) -> Pair:
        """A server's key and certificate for these DNS names and addresses; kept while they are good, else renewed."""
        alternatives = _alternatives(names)
        pair = Pair(directory / "server.key", directory / "server.pem")
        with _alone(directory):
            if not self._still_good(pair, alternatives, now):
                self._issue(pair, "omamori server", ExtendedKeyUsageOID.SERVER_AUTH, now, alternatives)
        return pair

    def worker(self, directory: Path, *, now: datetime, name: str = LINK) -> Pair:
        """The link worker's key and certificate; kept while they are good, else renewed."""
        pair = Pair(directory / f"{name}.key", directory / f"{name}.pem")
        with _alone(directory):
            if not self._still_good(pair, None, now):
                self._issue(pair, name, ExtendedKeyUsageOID.CLIENT_AUTH, now, None)
        return pair

    def _issue(
        self,
        pair: Pair,
        name: str,
        purpose: x509.ObjectIdentifier,
        now: datetime,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        chain = self._leaf(key.public_key(), name, purpose, now, _SERVER_LIFE, alternatives)
        _write_private(pair.key, _key_pem(key))
        _replace(pair.certificate, chain.encode(), 0o644)

    def _leaf(
        self,
        public: ec.EllipticCurvePublicKey,
        name: str,
        purpose: x509.ObjectIdentifier,
        now: datetime,
        life: timedelta,
        alternatives: x509.SubjectAlternativeName | None = None,
    ) -> str:
        until = min(now + life, self._root.not_valid_after_utc)
        builder = _named(name, self._root.subject, public, now - _BACKDATED, until)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if alternatives:
            builder = builder.add_extension(alternatives, critical=False)
        return _pem(builder.sign(self._key, hashes.SHA256()))

    def _still_good(self, pair: Pair, names: x509.SubjectAlternativeName | None, now: datetime) -> bool:
        try:
            certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
            key = _load_key(pair.key)
            certificate.verify_directly_issued_by(self._root)
        except (OSError, ValueError, TypeError, InvalidSignature, AuthorityError):
            return False
        return (
            certificate.public_key() == key.public_key()
            and certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEW_BEFORE
            and (names is None or _names_of(certificate) == names)
        )


def open_authority(directory: Path, *, now: datetime | None = None) -> Authority:
    """The authority in this directory. With `now`, one is made where there is none. Raises AuthorityError."""
    if now is not None and not (directory / "root.key").exists():
        _create(directory, now)
    try:
        root = x509.load_pem_x509_certificate((directory / "root.pem").read_bytes())
        key = _load_key(directory / "root.key")
    except (OSError, ValueError) as error:
        raise AuthorityError(f"no usable certificate authority in {directory}: {error}") from error
    if root.public_key() != key.public_key():
        raise AuthorityError(f"root.key and root.pem in {directory} do not belong together")
    return Authority(key, root)


def requested_key(request: str | bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a PKCS#10 request that its own key signed. Raises RequestRefused."""
    raw = request.encode("ascii", "replace") if isinstance(request, str) else request
    if len(raw) > REQUEST_CAP:
        raise RequestRefused(f"a request of {len(raw):,} bytes where at most {REQUEST_CAP:,} are allowed")
    try:
        parsed = x509.load_pem_x509_csr(raw)
        key, signed = parsed.public_key(), parsed.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise RequestRefused(f"not a certificate request: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestRefused("the request's key is not on the curve P-256")
    if not signed:
        raise RequestRefused("the request is not signed by its own key")
    return key


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Several processes renew the same pair: one after the other, or key and certificate would be of two. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _create(directory: Path, now: datetime) -> None:
    """All or nothing: two processes that create at once end with one authority."""
    fresh = directory.with_name(f".{directory.name}.{os.getpid()}.new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        _write_private(fresh / "root.key", _key_pem(key))
        _replace(fresh / "root.pem", _pem(_root(key, now)).encode(), 0o644)
        fresh.rename(directory)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if not (directory / "root.key").exists():
            raise AuthorityError(f"cannot make a certificate authority in {directory}: {error}") from error


def _root(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = f"Omamori fleet root {now.astimezone(UTC):%Y-%m-%d}"
    builder = _named(name, _name(name), key.public_key(), now - _BACKDATED, now + _ROOT_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def _named(
    name: str, issuer: x509.Name, public: ec.EllipticCurvePublicKey, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, _name(name), public, x509.random_serial_number())
    builder = builder.not_valid_before(since).not_valid_after(until)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative(name) for name in dict.fromkeys(names)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise AuthorityError(f"no usable private key in {path}: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError(f"the key in {path} is not an elliptic-curve one")
    return key


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _write_private(path: Path, content: bytes) -> None:
    _replace(path, content, 0o600)


def _replace(path: Path, content: bytes, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
