"""The unit's key and certificate request. The only place of the unit's processes that loads cryptography."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from omamori.protocol.ids import UnitId


def new_key() -> bytes:
    """A fresh key on P-256, PEM (PKCS#8)."""
    plain = serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def request(key_pem: bytes, unit: UnitId) -> str:
    """A PKCS#10 request in PEM, signed by that key. Raises ValueError."""
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic-curve key")  # noqa: TRY004 - a value of the wrong kind in a file
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, unit)])
    signed = x509.CertificateSigningRequestBuilder(name).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
