"""Certificates that tests make for themselves: self-signed, for one name or one IPv4 address."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """PEM."""

    certificate: str
    key: str

    def write(self, path: Path) -> Path:
        """Both in one file, as a server takes them."""
        path.write_text(self.key + self.certificate)
        return path


def self_signed(name: str, *, began: datetime | None = None, ends: datetime | None = None) -> Pair:
    """From a day ago until the day after tomorrow, where nothing else is said."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    known = x509.DNSName(name) if name.strip("0123456789.") else x509.IPAddress(IPv4Address(name))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began or now - DAY)
        .not_valid_after(ends or now + 2 * DAY)
        .add_extension(x509.SubjectAlternativeName([known]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(made.public_bytes(serialization.Encoding.PEM).decode(), secret.decode())
