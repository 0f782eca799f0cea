"""What proves a feed's content: a pinned hash, a published checksum, an OpenPGP or a minisign signature.

All that a feed has must hold. A checksum from the server that sent the content proves only that it came whole; a signature
proves who made it. OpenPGP is Debian's `gpgv` with a keyring of its own; minisign is Ed25519 from `cryptography`.
"""

import base64
import binascii
import hashlib
import hmac
import subprocess
from collections.abc import Callable
from pathlib import Path

from omamori.signing.packs.description import Proof
from omamori.signing.packs.errors import FeedError

CAP = 256 << 10
"""Bytes of a checksum file or a signature."""
_PATIENCE = 60
Get = Callable[[str, Path], None]
"""Fetches a URL into a file, with CAP as its bound. Raises FeedError."""


def check(content: Path, url: str, proof: Proof, get: Get) -> str:
    """The content's SHA-256. `url` is the mirror it came from. Raises FeedError, OSError."""
    digest = _digest(content, "sha256")
    if proof.sha256 and not hmac.compare_digest(digest, proof.sha256):
        raise FeedError(f"{url}: its sha256 is {digest}, and {proof.sha256} is the only one accepted")
    if proof.checksum:
        _by_checksum(content, url, proof, _fetched(proof.checksum, url, content, get))
    if proof.gpg and proof.keyring:
        _by_gpg(content, proof.keyring, _fetched(proof.gpg, url, content, get))
    if proof.minisign:
        verify_minisign(content, proof.key, _fetched(proof.minisign, url, content, get).read_bytes())
    return digest


def _fetched(template: str, url: str, content: Path, get: Get) -> Path:
    beside = content.with_name(f"{content.name}.proof")
    get(template.replace("{url}", url), beside)
    return beside


def _by_checksum(content: Path, url: str, proof: Proof, listed: Path) -> None:
    """A line `hash  name`, `hash *name` or the hash alone; the name is the URL's last part where there are several."""
    wanted = _digest(content, proof.algorithm)
    name = url.rsplit("/", 1)[-1].split("?", maxsplit=1)[0]
    lines = [line.split() for line in listed.read_text("utf-8", "replace").splitlines() if line.split()]
    named = [words for words in lines if len(words) > 1 and words[-1].lstrip("*").rsplit("/", 1)[-1] == name]
    chosen = named or (lines if len(lines) == 1 else [])
    if not chosen:
        raise FeedError(f"{url}: its checksum file does not name {name}")
    if not any(hmac.compare_digest(words[0].lower().encode(), wanted.encode()) for words in chosen):
        raise FeedError(f"{url}: wrong {proof.algorithm} checksum: the content has {wanted}")


def _by_gpg(content: Path, keyring: Path, signature: Path) -> None:
    """Raises FeedError."""
    command = ["gpgv", "--keyring", str(keyring.absolute()), str(signature), str(content)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except FileNotFoundError as error:
        raise FeedError("gpgv is not installed: it checks the OpenPGP signature of a feed") from error
    except subprocess.TimeoutExpired as error:
        raise FeedError("gpgv did not end") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise FeedError(
            f"the OpenPGP signature does not hold: {said[-1][:200] if said else 'gpgv refuses it'}"
        )


def verify_minisign(content: Path, key: str, signature: bytes) -> None:
    """Both of its signatures, as minisign's documentation describes them. Raises FeedError, OSError."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    number, public = _minisign_key(key)
    form, keynum, made, trusted, whole = _minisign_parts(signature)
    if form not in {b"Ed", b"ED"} or keynum != number:
        raise FeedError("the minisign signature is by another key")
    signed = _hashed(content) if form == b"ED" else content.read_bytes()
    try:
        verifier = Ed25519PublicKey.from_public_bytes(public)
        verifier.verify(made, signed)
        verifier.verify(whole, made + trusted)
    except InvalidSignature as error:
        raise FeedError("the minisign signature does not hold") from error


def _minisign_key(text: str) -> tuple[bytes, bytes]:
    raw = _base64(text.strip().splitlines()[-1] if text.strip() else "", 42, "the minisign key")
    if raw[:2] != b"Ed":
        raise FeedError("the minisign key is of another kind")
    return raw[2:10], raw[10:]


def _minisign_parts(raw: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """(form, key number, signature, trusted comment, signature of both)"""
    lines = raw.decode("utf-8", "replace").splitlines()
    prefix = "trusted comment: "
    if len(lines) < 4 or not lines[2].startswith(prefix):
        raise FeedError("no minisign signature")
    first = _base64(lines[1], 74, "the minisign signature")
    whole = _base64(lines[3], 64, "the minisign signature")
    return first[:2], first[2:10], first[10:], lines[2].removeprefix(prefix).encode(), whole


def _base64(text: str, length: int, what: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FeedError(f"{what} cannot be read") from error
    if len(found) != length:
        raise FeedError(f"{what} has {len(found)} bytes, not {length}")
    return found


def _hashed(content: Path) -> bytes:
    with content.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
