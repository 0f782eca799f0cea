"""Private keys that never leave a PKCS#11 token (smart card, HSM; SoftHSM in tests): ECDSA on P-256 or P-384.

A `.token` file stands where a key file would: it names the token and the key on it and holds the public half, no secret. A
token that is not plugged in counts as a key that is not here. The PIN comes from the file that OMAMORI_TOKEN_PIN_FILE
names, or is asked for at a terminal; a wrong one is never tried twice, because tokens lock themselves.
"""

import getpass
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import Key, SecretsHandler, Signature, Signer, SSlibKey
from securesystemslib.signer._hsm_signer import HSMSigner

from omamori.signing.errors import KeyFileError

SUFFIX = ".token"
PIN_FILE = "OMAMORI_TOKEN_PIN_FILE"
LIBRARY = "PYKCS11LIB"
"""Where securesystemslib looks for the PKCS#11 module."""
_CAP = 16 * 1024
_LONGEST_PIN = 256


@dataclass(frozen=True, slots=True)
class Reference:
    """What a `.token` file says."""

    uri: str
    """`hsm:<id of the key>?label=<the token's>`."""
    library: str
    """The PKCS#11 module by which it was read; the environment variable PYKCS11LIB comes first."""
    key: SSlibKey

    def to_bytes(self) -> bytes:
        """The file's content."""
        value = {"uri": self.uri, "library": self.library, "keyid": self.key.keyid, "key": self.key.to_dict()}
        return json.dumps(value, indent=1).encode() + b"\n"


class TokenSigner(Signer):
    """Signs on the token. Raises KeyFileError in place of whatever its library raises."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._pin = ""

    @property
    def public_key(self) -> Key:
        return self.reference.key

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> "TokenSigner":
        """For securesystemslib's registry, which is not used here: the PIN is asked for as everywhere."""
        if not isinstance(public_key, SSlibKey) or secrets_handler:
            raise KeyFileError(f"{priv_key_uri} is no key of a token")
        return cls(Reference(priv_key_uri, os.environ.get(LIBRARY, ""), public_key))

    def sign(self, payload: bytes) -> Signature:
        """Raises KeyFileError."""
        use_library(self.reference.library)
        signer = HSMSigner.from_priv_key_uri(self.reference.uri, self.reference.key, self._secret)
        try:
            return signer.sign(payload)
        except Exception as error:  # a module from outside raises anything
            raise KeyFileError(f"{self.reference.uri} does not sign: {_said(error)}") from error

    def _secret(self, _what: str) -> str:
        self._pin = self._pin or pin(self.reference.uri)
        return self._pin


def read(path: Path) -> TokenSigner:
    """A `.token` file. Raises KeyFileError."""
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_CAP))
        return TokenSigner(_reference(value))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise KeyFileError(
            f"{path} names no key of a token ({error!r}): make it by `omamori sign token`"
        ) from error


def _reference(value: dict[str, Any]) -> Reference:
    key = Key.from_dict(str(value["keyid"]), value["key"])
    if not isinstance(key, SSlibKey) or not str(value["uri"]).startswith("hsm:"):
        raise TypeError("no key of a token")
    return Reference(str(value["uri"]), str(value["library"]), key)


def present(reference: Reference) -> bool:
    """Whether the token is plugged in."""
    use_library(reference.library)
    label = parse_qs(urlsplit(reference.uri).query).get("label", [""])[0]
    try:
        import pkcs11

        found = pkcs11.lib(os.environ.get(LIBRARY, "")).get_tokens(token_label=label)
        return any(True for _ in found)
    except Exception:  # noqa: BLE001 - a module that is missing or broken: the token is not here
        return False


def find(label: str, number: int, library: str) -> Reference:
    """The public half of a key on a token, and how to reach it. Raises KeyFileError."""
    use_library(library)
    try:
        _, key = HSMSigner.import_(number, label, lambda _what: pin(label))
    except UnsupportedLibraryError as error:
        raise KeyFileError(f"{error}: install omamori with the extra `signing`") from error
    except Exception as error:  # a module from outside raises anything
        raise KeyFileError(f"no key {number} on a token {label!r}: {_said(error)}") from error
    uri = f"hsm:{number}?{urlencode({'label': label})}"
    return Reference(uri, os.environ.get(LIBRARY, ""), key)


def pin(what: str) -> str:
    """From the file that the environment names, readable by its owner only, or from the terminal. Raises KeyFileError."""
    named = os.environ.get(PIN_FILE)
    if named:
        path = Path(named)
        try:
            if path.stat().st_mode & 0o077:
                raise KeyFileError(f"{path} can be read by others: `chmod 600` it, and change the PIN")
            return path.read_text("utf-8")[:_LONGEST_PIN].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(f"the PIN cannot be read from {path}: {error}") from error
    if not sys.stdin.isatty():
        raise KeyFileError(f"the PIN of {what} is needed: name a file with it in {PIN_FILE}")
    return getpass.getpass(f"PIN of {what}: ")


def use_library(library: str) -> None:
    """The module that the environment names comes first. Raises KeyFileError where nobody names one."""
    if not os.environ.get(LIBRARY):
        if not library:
            raise KeyFileError(f"which PKCS#11 module? Give --library, or set {LIBRARY}")
        os.environ[LIBRARY] = library


def _said(error: Exception) -> str:
    """PKCS#11 errors are often only their names."""
    return f"{type(error).__name__} {error}".strip()[:300]
