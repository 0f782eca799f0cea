"""What can go wrong in the agent; the tree is drawn in the package docstring."""

import ssl
from datetime import UTC, datetime
from typing import Final

_NOT_YET_VALID: Final = 9
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID."""


class AgentError(Exception):
    """Anything the agent raises."""


class FleetUnreachable(AgentError):  # noqa: N818 - the words of the status
    """No answer over HTTPS, or none that is one; try again later."""


class IdentityError(AgentError):
    """The claim, the key or the certificate cannot be used."""


class KeyLost(IdentityError):  # noqa: N818 - the words of the status
    """The unit was activated with a key that is not there, or does not open on this machine."""


class OutboxFull(AgentError):  # noqa: N818 - the words of the status
    """The disk takes nothing more; messages stay where they are."""


def reason(error: Exception) -> str:
    """For people. A certificate from the future is most likely a unit whose clock was never set."""
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code == _NOT_YET_VALID:
        return (
            f"its certificate is not valid yet; this unit's clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        )
    return str(error) or type(error).__name__
