"""Private keys in files: made once, mode 0600, never inside a checkout, looked up by key id and not by name.

Which keys count for a role is what the signed metadata says; a file's name only helps people. A key on a PKCS#11 token
comes behind the same `Keyring`, by a `.token` file that holds no secret (`tokens.py`).
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.signer import CryptoSigner, Key, Signer

from omamori.signing import tokens
from omamori.signing.errors import KeyFileError, PlaceError
from omamori.signing.policy import Policy

FILE_CAP = 16 * 1024
"""Bytes of a key file."""


class Keyring:
    """The private keys at hand, by key id."""

    def __init__(self, signers: Iterable[Signer]) -> None:
        self._signers = {signer.public_key.keyid: signer for signer in signers}

    def holding(self, keyids: Iterable[str]) -> list[Signer]:
        """The signers here among `keyids`, in that order."""
        return [self._signers[keyid] for keyid in keyids if keyid in self._signers]

    def plus(self, signers: Iterable[Signer]) -> "Keyring":
        """These and more."""
        return Keyring([*self._signers.values(), *signers])

    def without(self, keyids: Iterable[str]) -> "Keyring":
        """All but these: what is left when they are lost."""
        gone = set(keyids)
        return Keyring([signer for keyid, signer in self._signers.items() if keyid not in gone])


def generate(policy: Policy, given: Mapping[str, Sequence[Signer]]) -> dict[str, list[Signer]]:
    """The keys given for a role, and new Ed25519 keys for what is missing; nothing is written."""
    return {role: filled(given.get(role, ()), rule.keys) for role, rule in policy.items()}


def filled(given: Sequence[Signer], count: int) -> list[Signer]:
    """These keys, and new ones until there are `count`. Raises KeyFileError where they are too many, or one is there twice."""
    if len({signer.public_key.keyid for signer in given}) < len(given):
        raise KeyFileError("the same key is given twice and would count once: give another")
    if len(given) > count:
        raise KeyFileError(f"{len(given)} keys are given and {count} are wanted: see policy.json")
    return [*given, *(CryptoSigner.generate_ed25519() for _ in range(count - len(given)))]


def public(made: Mapping[str, Sequence[Signer]]) -> dict[str, list[Key]]:
    """The public halves, for the metadata."""
    return {role: [signer.public_key for signer in signers] for role, signers in made.items()}


def material(key: Key) -> bytes:
    """What makes it this key, however it is written (letters of hex, line ends of PEM). Raises KeyFileError."""
    text = str(key.keyval.get("public"))
    try:
        if key.keytype == "ed25519":
            return bytes.fromhex(text)
        return load_pem_public_key(text.encode()).public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"key {key.keyid[:12]} cannot be read") from error


def write(directory: Path, made: Mapping[str, Sequence[Signer]]) -> None:
    """One file a key, `<role>-<n>.pem` or `.token`. Raises PlaceError rather than write over one."""
    outside_checkout(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    for role, signers in made.items():
        for number, signer in enumerate(signers, 1):
            _write_secret(directory / f"{role}-{number}{_suffix(signer)}", _content(signer))


def add(directory: Path, role: str, signers: Iterable[Signer]) -> None:
    """Keys that come later are named by their id, so that no old file of the role ever has the same name."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for signer in signers:
        _write_secret(directory / file_name(role, signer), _content(signer))


def file_name(role: str, signer: Signer) -> str:
    """Of a key made after `init`."""
    return f"{role}-{signer.public_key.keyid[:8]}{_suffix(signer)}"


def load(directory: Path) -> Keyring:
    """Every `*.pem` there and every `*.token` that is plugged in; a missing directory is an empty ring. Raises KeyFileError."""
    files = [load_file(path) for path in sorted(directory.glob("*.pem"))]
    named = [tokens.read(path) for path in sorted(directory.glob(f"*{tokens.SUFFIX}"))]
    return Keyring([*files, *(each for each in named if tokens.present(each.reference))])


def outside_checkout(directory: Path) -> None:
    """Raises PlaceError when `directory` lies, or would lie, inside a git working tree."""
    for folder in (directory.absolute(), *directory.resolve().parents, *directory.absolute().parents):
        if (folder / ".git").exists():
            raise PlaceError(
                f"{directory} is inside the checkout {folder}: keys never live there; choose another --dir"
            )


def _suffix(signer: Signer) -> str:
    return tokens.SUFFIX if isinstance(signer, tokens.TokenSigner) else ".pem"


def _content(signer: Signer) -> bytes:
    if isinstance(signer, tokens.TokenSigner):
        return signer.reference.to_bytes()
    assert isinstance(signer, CryptoSigner)  # noqa: S101 - keys are made here or on tokens
    return signer.private_bytes


def _write_secret(path: Path, content: bytes) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise PlaceError(f"{path} exists and is never written over: choose another --dir") from error
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def load_file(path: Path) -> Signer:
    """One private key that only its owner reads, or a token's. Raises KeyFileError."""
    if path.suffix == tokens.SUFFIX:
        return tokens.read(path)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise KeyFileError(
            f"{path} can be read by others (mode {mode:o}): `chmod 600` it, and ask who has read it"
        )
    try:
        with path.open("rb") as file:
            return CryptoSigner(_private(file.read(FILE_CAP)))
    except (ValueError, TypeError, OSError) as error:
        raise KeyFileError(f"{path} is no unencrypted PKCS#8 key: {error}") from error


def _private(pem: bytes):  # type: ignore[no-untyped-def] # noqa: ANN202 - the union lives in cryptography's internals
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, None)
