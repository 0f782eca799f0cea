"""Support keys: who may look at which unit from when until when, signed by a role of its own (decision 0029).

The role `support` exists only where `enable` was signed with the targets' keys; until then no unit can be opened by
anybody. Its key stays offline. Whatever is signed is a target `support/<unit>.json`, at most one a unit; those that are
over go with the next signature. Nothing opens by itself: the unit is told to look by its fleet, and judges for itself.
"""

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import Signer
from tuf.api.metadata import TargetFile

from omamori.protocol import support
from omamori.protocol.errors import ProtocolError
from omamori.protocol.ids import UnitId
from omamori.signing import keys, policy
from omamori.signing.draft import Draft
from omamori.signing.errors import PolicyError, TargetError
from omamori.signing.operations import Done, versions
from omamori.signing.repository import Repository, describe, write_file

ROLE = "support"


@dataclass(frozen=True, slots=True)
class Listed:
    """One signed support key."""

    unit: str
    since: datetime
    until: datetime
    who: str
    why: str
    key: str
    over: bool
    """Its time has passed: it opens nothing."""


def enable(
    repository: Repository, now: datetime, *, dry: bool = False, given: tuple[Signer, ...] = ()
) -> Done:
    """Make the role, with a new key or the one `given`; signed by the targets' keys. Raises SigningError."""
    with repository.locked():
        draft = repository.draft(now)
        if ROLE in draft.roles:
            return Done("already enabled", {}, dry=dry)
        draft.policy |= {ROLE: draft.policy.get(ROLE, policy.OPTIONAL_POLICY[ROLE])}
        made = keys.filled(given, draft.policy[ROLE].keys)
        draft.keyring = draft.keyring.plus(made)
        draft.add_delegation(ROLE, [signer.public_key for signer in made])
        files = draft.seal()
        if not dry:
            keys.add(repository.keys, ROLE, made)
            write_file(repository.place / "policy.json", policy.to_json(draft.policy))
            repository.write(files)
    return Done("support keys can be signed", versions(draft), dry=dry)


def read_key(path: Path) -> str:
    """The public key of a file as `ssh-keygen -t ed25519` writes it, without its comment. Raises TargetError."""
    try:
        with path.open("rb") as file:
            words = file.read(support.DOCUMENT_CAP).decode("ascii").split()
        key = " ".join(words[:2])
        support.check_key(key)
    except (UnicodeDecodeError, ProtocolError, OSError) as error:
        raise TargetError(
            f"{path} is no Ed25519 public key of SSH (`ssh-keygen -t ed25519`, the .pub file)"
        ) from error
    return key


def add(repository: Repository, document: support.SupportKey, now: datetime, *, dry: bool = False) -> Done:
    """Sign it in place of what the unit had. Raises SigningError."""
    if document.until <= now:
        raise TargetError(f"{document.until.isoformat()} is past: it would open nothing")
    if document.since > now + support.AHEAD:
        raise TargetError("signed at most a day ahead: sign it when it is needed")
    with repository.locked(), tempfile.TemporaryDirectory() as folder:
        draft = repository.draft(now)
        draft.require(ROLE)
        path, file = support.target_path(document.unit), Path(folder, "document")
        file.write_bytes(support.encode(document))
        target = describe(path, file) if dry else repository.store_target(path, file)
        target.unrecognized_fields["custom"] = {"until": document.until.isoformat()}
        _forget(draft, now)
        draft.add_target(ROLE, target)
        _seal(repository, draft, dry=dry)
    until = document.until.astimezone(UTC)
    return Done(
        f"signed: {document.who} may look at {document.unit} until {until:%Y-%m-%d %H:%M} UTC",
        versions(draft),
        path,
        dry=dry,
    )


def withdraw(repository: Repository, unit: UnitId, now: datetime, *, dry: bool = False) -> Done:
    """Name the unit's support key no longer. Raises SigningError."""
    path = support.target_path(unit)
    with repository.locked():
        draft = repository.draft(now)
        draft.require(ROLE)
        if path not in draft.roles[ROLE].signed.targets:
            raise TargetError(f"no support key is signed for {unit}: see `omamori sign support list`")
        draft.remove_target(ROLE, path)
        _forget(draft, now)
        _seal(repository, draft, dry=dry)
    return Done("withdrawn", versions(draft), path, dry=dry)


def listed(repository: Repository, now: datetime) -> list[Listed]:
    """What is signed, also what is over. Raises SigningError."""
    roles = repository.load()
    if ROLE not in roles:
        raise PolicyError("this repository has no role support: `omamori sign support enable` makes it")
    found = [_read(repository, target) for _, target in sorted(roles[ROLE].signed.targets.items())]
    return [
        Listed(each.unit, each.since, each.until, each.who, each.why, each.key, over=each.until <= now)
        for each in found
    ]


def _read(repository: Repository, target: TargetFile) -> support.SupportKey:
    file = repository.targets / target.get_prefixed_paths()[0]
    try:
        with file.open("rb") as opened:
            return support.decode(opened.read(support.DOCUMENT_CAP + 1))
    except (OSError, ProtocolError) as error:
        raise TargetError(f"{file} is no support key: withdraw it and sign it again") from error


def _forget(draft: Draft, now: datetime) -> None:
    """Those that are over are named no longer."""
    for path, target in list(draft.roles[ROLE].signed.targets.items()):
        if _until(target) <= now:
            draft.remove_target(ROLE, path)


def _until(target: TargetFile) -> datetime:
    """When it is over; never, where it does not say so: withdraw it then."""
    try:
        return datetime.fromisoformat(json.loads(json.dumps(target.custom))["until"])
    except (ValueError, TypeError, KeyError):
        return datetime.max.replace(tzinfo=UTC)


def _seal(repository: Repository, draft: Draft, *, dry: bool) -> None:
    files = draft.seal()
    if not dry:
        repository.write(files)


def period(now: datetime, since: datetime | None, hours: float) -> tuple[datetime, datetime]:
    """From when until when, in whole seconds."""
    begin = (since or now).replace(microsecond=0)
    return begin, begin + timedelta(hours=hours)
