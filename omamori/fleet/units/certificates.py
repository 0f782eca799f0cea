"""The fleet's certificate authority as activation needs it (`operations.Signer`)."""

from datetime import datetime

from cryptography import x509

from omamori.fleet.broker import RequestRefused
from omamori.fleet.broker.authority import Authority, requested_key
from omamori.fleet.units.operations import Issued
from omamori.protocol.ids import UnitId


class CertificateSigner:
    """Signs with an opened authority at a given moment."""

    def __init__(self, authority: Authority, *, now: datetime) -> None:
        self._authority, self._now = authority, now

    def sign(self, csr: str, unit: UnitId) -> Issued:
        """Raises ValueError for a request that is none, is not signed by its own key, or has a weak key."""
        try:
            chain = self._authority.sign_unit(csr, unit, now=self._now)
        except RequestRefused as error:
            raise ValueError(str(error)) from error
        leaf = x509.load_pem_x509_certificate(chain.encode())
        return Issued(chain, f"{leaf.serial_number:x}", leaf.not_valid_after_utc)

    def same_key(self, csr: str, certificate: str) -> bool:
        """Whether the request carries the key of that certificate. Raises ValueError for a request that is none."""
        try:
            return requested_key(csr) == x509.load_pem_x509_certificate(certificate.encode()).public_key()
        except RequestRefused as error:
            raise ValueError(str(error)) from error
