"""Who the unit is: its claim, its own key, and the certificate that the fleet signed. Files only; no network.

The key never leaves the unit. Where there is a TPM it is `opened`, in memory, before the agent starts (agent/keys.py); else it
lies plain on the data partition. `activated.json` is written last: while it is missing the unit is not active. cryptography
is imported only to make a key and a request, once in a unit's life.
"""

import json
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from omamori.firmware.agent.errors import IdentityError, KeyLost
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol import ProtocolError
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Activated, Claim, decode


def read_claim(path: Path) -> Claim | None:
    """None where there is no claim. Raises IdentityError for one that cannot be used."""
    try:
        claim = decode(Claim, files.read_capped(path))
    except FileNotFoundError:
        return None
    except (OSError, ProtocolError) as error:
        raise IdentityError(f"the claim cannot be used: {error}") from error
    if urlsplit(claim.fleet).scheme != "https" or not urlsplit(claim.fleet).hostname:
        raise IdentityError(f"the claim's fleet is not an https address: {claim.fleet[:80]!r}")
    return claim


@dataclass(frozen=True, slots=True)
class Identity:
    """The unit's own files."""

    paths: Paths

    @property
    def directory(self) -> Path:
        return self.paths.agent_state

    @property
    def key(self) -> Path:
        """A plain one on the disk is the newer (host/sealing.py)."""
        plain, opened = self.paths.unit_key, self.paths.opened_key
        return plain if plain.exists() or not opened.exists() else opened

    @property
    def certificate(self) -> Path:
        return self.directory / "unit.pem"

    @property
    def fleet_ca(self) -> Path:
        return self.directory / "fleet-ca.pem"

    def activated(self) -> Activated | None:
        """The fleet's answer, once there was one. Raises IdentityError where it cannot be used, KeyLost."""
        try:
            answer = decode(Activated, files.read_capped(self.directory / "activated.json"))
        except FileNotFoundError:
            return None
        except (OSError, ProtocolError) as error:
            raise IdentityError(f"activated.json cannot be used: {error}") from error
        try:
            self._fit()
        except OSError as error:
            raise KeyLost("the key of this unit's certificate is gone") from error
        return answer

    def request(self, unit: UnitId) -> str:
        """A certificate request by the unit's key, which is made where there is none. Raises IdentityError."""
        from omamori.firmware.agent import certificates

        try:
            return certificates.request(self._key_pem(), unit)
        except (OSError, ValueError) as error:
            raise IdentityError(f"the unit's key cannot be used: {error}") from error

    def accept(self, answer: bytes) -> Activated:
        """Keep what the fleet signed. Raises IdentityError where the certificate is not for our key."""
        try:
            activated = decode(Activated, answer)
            files.write_atomic(self.certificate, activated.certificate.encode(), durable=True)
            self._fit()
            self._settle_on_key()
            files.write_atomic(self.directory / "activated.json", answer, durable=True)
        except (OSError, ProtocolError) as error:
            raise IdentityError(f"the fleet's answer cannot be used: {error}") from error
        return activated

    def introduce(self, claim: Claim) -> None:
        """Tell the updater where the fleet is and whom to trust there. Raises OSError."""
        files.write_atomic(self.fleet_ca, claim.fleet_ca.encode(), durable=True)
        told = {"url": claim.fleet, "ca": f"/var/lib/omamori/agent/{self.fleet_ca.name}"}
        files.write_atomic(self.directory / "fleet.json", json.dumps(told).encode(), durable=True)

    def trust(self, claim: Claim, *, with_certificate: bool) -> ssl.SSLContext:
        """TLS that trusts the claim's authority only. Raises IdentityError."""
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_verify_locations(cadata=claim.fleet_ca)
            if with_certificate:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ValueError) as error:
            raise IdentityError(f"TLS cannot be set up: {error}") from error
        return context

    def _fit(self) -> None:
        """Raises OSError where certificate and key are not of one pair."""
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(self.certificate, self.key)

    def _settle_on_key(self) -> None:
        """A key that was made in place of one that does not open takes its place for good. Raises OSError."""
        with suppress(FileNotFoundError):
            self.paths.spare_key.replace(self.paths.sealed_key)
            files.sync_directory(self.directory)

    def _key_pem(self) -> bytes:
        from omamori.firmware.agent import certificates

        try:
            return files.read_capped(self.key)
        except FileNotFoundError:
            files.write_atomic(self.paths.unit_key, certificates.new_key(), durable=True, mode=0o600)
            return files.read_capped(self.key)
