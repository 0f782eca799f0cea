"""A new root whose keys never meet: proposed on one machine, endorsed by each holder where the key lives, accepted again.

The proposal is one file, the new root itself, carried from holder to holder; each sees what it changes against the root
he trusts before his key signs it. It is accepted once enough keys of the root before, and enough of its own, have signed.
A changed file loses the signatures it had: they are verified at every step.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata
from tuf.api.serialization import DeserializationError

from omamori.signing import keys
from omamori.signing.draft import Draft, Signed
from omamori.signing.errors import KeyFileError, RepositoryError
from omamori.signing.policy import TOP
from omamori.signing.repository import Repository, write_file
from omamori.signing.rotation import Given, exchange, leaving

CAP = 1024 * 1024
"""Bytes of a proposal."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new root as a holder sees it before he signs."""

    version: int
    expires: datetime
    changes: tuple[str, ...]
    signed_by: tuple[str, ...]
    missing: int
    """Signatures it still needs, of keys of the root before or of its own."""
    dry: bool


def propose(
    repository: Repository,
    roles: Iterable[str],
    only: Iterable[str],
    file: Path,
    now: datetime,
    *,
    dry: bool,
    given: Given | None = None,
) -> Proposal:
    """The next root with new keys for `roles` (none: only a later expiry), signed by those root keys that are here."""
    with repository.locked():
        draft = repository.draft(now)
        root = draft.renew("root")
        made = exchange(draft, leaving(draft, tuple(roles), tuple(only)), given or {})
        for signer in _holding(draft):
            root.sign(signer, append=True)
        if not dry:
            for role, signers in made.items():
                keys.add(repository.keys, role, signers)
            write_file(file, root.to_bytes())
    return _described(draft.before["root"], root, dry=dry)


def endorse(file: Path, key: Path, trusted: Path, *, dry: bool) -> Proposal:
    """One holder's signature, against the root he trusts; no repository is needed. Raises SigningError."""
    before, root = read(trusted), read(file)
    _follows(before, root)
    ring = keys.Keyring([keys.load_file(key)])
    signers = ring.holding([*before.signed.roles["root"].keyids, *root.signed.roles["root"].keyids])
    if not signers:
        raise KeyFileError(f"{key} is no root key, neither of the root before nor of the new one")
    root.sign(signers[0], append=True)
    if not dry:
        write_file(file, root.to_bytes())
    return _described(before, root, dry=dry)


def accept(repository: Repository, file: Path, now: datetime, *, dry: bool) -> Proposal:
    """Make an endorsed proposal the current root; the roles whose keys it changed are signed anew. Raises SigningError."""
    root = read(file)
    with repository.locked():
        draft = repository.draft(now)
        before = draft.roles["root"]
        _follows(before, root)
        if missing := (found := _described(before, root, dry=dry)).missing:
            raise KeyFileError(
                f"{file} needs {missing} more signatures: let other holders `ceremony endorse` it"
            )
        draft.roles["root"] = root
        draft.changed.add("root")
        for role in TOP[1:]:
            if _rule(before, role) != _rule(root, role):
                draft.renew(role)
        sealed = draft.seal()
        if not dry:
            repository.write(sealed)
    return found


def read(file: Path) -> Signed:
    """Root metadata, its signatures unverified. Raises RepositoryError, OSError."""
    with file.open("rb") as opened:
        raw = opened.read(CAP + 1)
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(raw[:CAP])
    except (DeserializationError, TufError, RecursionError) as error:
        raise RepositoryError(f"{file} is no TUF metadata") from error
    if metadata.signed.type != "root":
        raise RepositoryError(f"{file} is {metadata.signed.type} metadata, not a root")
    return metadata


def _holding(draft: Draft) -> list[Any]:
    states = (draft.before["root"], draft.roles["root"])
    return draft.keyring.holding(
        dict.fromkeys(keyid for root in states for keyid in root.signed.roles["root"].keyids)
    )


def _follows(before: Signed, root: Signed) -> None:
    if root.signed.version != before.signed.version + 1:
        raise RepositoryError(
            f"the proposal is root {root.signed.version} and the one before is {before.signed.version}: propose again"
        )
    if strange := _strange(before, root):
        raise RepositoryError(f"the proposal {strange}: sign nothing, ask who made it")


def _strange(before: Signed, root: Signed) -> str:
    """What no proposal of ours has. Holders are shown ids, so these must mean the keys they meant, and each another one."""
    known, proposed = before.signed.keys, root.signed.keys
    if other := [keyid[:12] for keyid in known.keys() & proposed.keys() if known[keyid] != proposed[keyid]]:
        return f"calls another key by the id {', '.join(other)}"
    try:
        distinct = {keys.material(key) for key in proposed.values()}
    except KeyFileError as error:
        return f"has a key of no known kind ({error})"
    if len(distinct) < len(proposed):
        return "has one key under two ids, which would count twice"
    return "" if root.signed.consistent_snapshot else "would have files without versions"


def _rule(root: Signed, role: str) -> tuple[int, frozenset[str]]:
    found = root.signed.roles[role]
    return found.threshold, frozenset(found.keyids)


def _described(before: Signed, root: Signed, *, dry: bool) -> Proposal:
    results = [
        state.signed.get_verification_result("root", root.signed_bytes, root.signatures)
        for state in (before, root)
    ]
    return Proposal(
        version=root.signed.version,
        expires=root.signed.expires,
        changes=tuple(line for role in TOP for line in _changes(before, root, role)),
        signed_by=tuple(sorted({keyid for result in results for keyid in result.signed})),
        missing=max(0, *(result.threshold - len(result.signed) for result in results)),
        dry=dry,
    )


def _changes(before: Signed, root: Signed, role: str) -> Iterable[str]:
    (old_threshold, old), (threshold, new) = _rule(before, role), _rule(root, role)
    yield from (f"{role}: key {keyid[:12]} counts no longer" for keyid in sorted(old - new))
    yield from (f"{role}: key {keyid[:12]} is new" for keyid in sorted(new - old))
    if old_threshold != threshold:
        yield f"{role}: {threshold} keys must sign instead of {old_threshold}"
