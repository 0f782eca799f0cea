"""What the release engineer does: each function is one command, and returns what was done as a frozen value.

With `dry=True` everything is checked and signed in memory and nothing is written. All raise SigningError.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from securesystemslib.signer import Signer
from tuf.api.metadata import TargetFile

from omamori.protocol import bundle, chunks
from omamori.protocol.version import Version
from omamori.signing import audit, contents, keys
from omamori.signing.draft import Draft, Signed, trusted_role
from omamori.signing.errors import PlaceError, TargetError
from omamori.signing.notes import Notes, to_custom
from omamori.signing.policy import DELEGATED, DELEGATIONS, EVERY, OPTIONAL, ROLES, Policy
from omamori.signing.repository import Repository, copy_file, describe, prefixed_paths, write_file

_RULE_OF: Final = {"firmware": chunks.COARSE, "signatures": chunks.FINE}


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did, or with `dry` would do."""

    what: str
    roles: dict[str, int]
    """Role -> the version it has now, for those that were signed."""
    target: str = ""
    dry: bool = False


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """One role, as it stands."""

    role: str
    version: int
    expires: datetime
    days: float
    """Until expiry; negative once expired."""
    threshold: int
    keys: int
    keys_here: int
    key_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One published file."""

    path: str
    version: str
    length: int
    sha256: str
    release: dict[str, object] | None = None
    """What it says to customers, see notes.py."""


@dataclass(frozen=True, slots=True)
class Status:
    """A repository in one look."""

    place: str
    roles: tuple[RoleStatus, ...]
    targets: tuple[TargetStatus, ...]


def init(
    repository: Repository,
    rules: Policy,
    now: datetime,
    *,
    dry: bool = False,
    given: Mapping[str, Sequence[Signer]] | None = None,
) -> Done:
    """New keys beside those `given` for a role, new root of trust, an empty repository."""
    draft, made = repository.draft_new(rules, now, given or {})
    if dry:
        draft.seal()
    else:
        repository.create(draft, made)
    return Done("repository made", versions(draft), dry=dry)


def add_firmware(
    repository: Repository, file: Path, now: datetime, *, replace: bool, dry: bool, notes: Notes | None = None
) -> Done:
    """Name a checked bundle in `firmware`, with what it says to customers; the same again with other notes changes only those."""
    manifest = contents.check_bundle(file)
    path = bundle.target_path(manifest.variant, manifest.version)
    custom: dict[str, object] = {"release": to_custom(notes)} if notes else {}
    return _add(
        repository, "firmware", path, manifest.version, file, now, replace=replace, dry=dry, custom=custom
    )


def add_pack(
    repository: Repository,
    file: Path,
    version: Version | None,
    now: datetime,
    *,
    replace: bool,
    dry: bool,
    custom: dict[str, object] | None = None,
) -> Done:
    """Name a signature pack in `signatures`; its version comes from `version` or from its manifest."""
    version = version or contents.pack_version(file)
    path = bundle.pack_path(version)
    return _add(repository, "signatures", path, version, file, now, replace=replace, dry=dry, custom=custom)


def refresh(repository: Repository, now: datetime, *, dry: bool = False) -> Done:
    """Renew the online roles: snapshot, timestamp, and delegations past half of their life."""
    with repository.locked():
        draft = repository.draft(now)
        for role in _due(draft, DELEGATIONS):
            draft.renew(role)
        _seal(repository, draft, dry=dry)
    return Done("refreshed", versions(draft), dry=dry)


def renew(repository: Repository, roles: Iterable[str], now: datetime, *, dry: bool = False) -> Done:
    """A later expiry for these roles, with the keys they have: what the offline ones need once a year."""
    with repository.locked():
        draft = repository.draft(now)
        for role in roles:
            draft.renew(role)
        _seal(repository, draft, dry=dry)
    return Done("renewed", versions(draft), dry=dry)


def publish(repository: Repository, to: Path, now: datetime, *, dry: bool = False) -> Done:
    """Copy the current state into a directory that any web server can serve; what is there stays valid throughout."""
    keys.outside_checkout(to)
    if (to / "keys").exists():
        raise PlaceError(f"{to} has a folder with keys, which no web server may see: choose another --to")
    if due(repository, now) or not repository.recorded():
        refresh(repository, now, dry=dry)
    with repository.locked():
        roles = repository.load()
        _not_backwards(repository, roles, to)
        if not dry:
            _copy_out(repository, roles, to)
    return Done(
        f"published to {to}", {role: roles[role].signed.version for role in EVERY if role in roles}, dry=dry
    )


def due(repository: Repository, now: datetime) -> list[str]:
    """Online roles past half of their life."""
    return _due(repository.draft(now), ROLES)


def status(repository: Repository, now: datetime) -> Status:
    """Roles, expiry and targets of the current state."""
    draft = repository.draft(now)
    roles = tuple(_role_status(draft, role) for role in EVERY if role in draft.roles)
    targets = tuple(
        TargetStatus(
            path,
            str((target.custom or {}).get("version", "")),
            target.length,
            target.hashes["sha256"],
            (target.custom or {}).get("release"),
        )
        for role in DELEGATED
        if role in draft.roles
        for path, target in sorted(draft.roles[role].signed.targets.items())
    )
    return Status(str(repository.place), roles, targets)


def expiring(repository: Repository, now: datetime, within: timedelta) -> list[RoleStatus]:
    """Roles somebody must look after: offline ones that end `within`, online ones the timer forgot (a quarter left).

    A role that is optional opens nothing once it has expired, and is renewed by its next use.
    """
    rules = repository.policy()
    found = status(repository, now).roles
    return [
        role
        for role in found
        if role.role not in OPTIONAL
        and role.expires - now < (rules[role.role].expires / 4 if rules[role.role].online else within)
    ]


def _add(
    repository: Repository,
    role: str,
    path: str,
    version: Version,
    file: Path,
    now: datetime,
    *,
    replace: bool,
    dry: bool,
    custom: dict[str, object] | None = None,
) -> Done:
    with repository.locked():
        draft = repository.draft(now)
        there = draft.roles[role].signed.targets.get(path)
        if there and (there.custom or {}).get("channel") == "withdrawn":
            raise TargetError(f"{path} was withdrawn and stays so: raise the version")
        same = _same(there, describe(path, file), replace=replace)
        custom = {"version": str(version), **(there.custom or {} if same else {}), **(custom or {})}
        if same and custom == there.custom:
            return Done("already there", {}, path, dry=dry)
        target = describe(path, file) if dry else repository.store_target(path, file)
        target.unrecognized_fields["custom"] = custom
        draft.add_target(role, target)
        draft.add_target(role, _list_of_chunks(repository, role, path, version, file, dry=dry))
        _seal(repository, draft, dry=dry)
    return Done(f"signed {version}", versions(draft), path, dry=dry)


def _list_of_chunks(
    repository: Repository, role: str, path: str, version: Version, file: Path, *, dry: bool
) -> TargetFile:
    """What lets a unit fetch only the pieces it does not have (decision 0017); a target like any other."""
    with tempfile.NamedTemporaryFile() as place:
        with file.open("rb") as opened:
            place.write(chunks.index(opened.read, _RULE_OF[role]))
        place.flush()
        name, source = path + chunks.SUFFIX, Path(place.name)
        target = describe(name, source) if dry else repository.store_target(name, source)
    target.unrecognized_fields["custom"] = {"version": str(version)}
    return target


def _same(there: TargetFile | None, new: TargetFile, *, replace: bool) -> bool:
    if there is None or (replace and there.hashes != new.hashes):
        return False
    if there.hashes != new.hashes:
        raise TargetError(
            f"{new.path} is published with other content: a version never changes, raise it"
            " (or, for a repository nobody uses yet, --replace)"
        )
    return True


def _seal(repository: Repository, draft: Draft, *, dry: bool) -> None:
    files = draft.seal()
    if not dry:
        repository.write(files)


def _due(draft: Draft, roles: Iterable[str]) -> list[str]:
    return [
        role
        for role in roles
        if draft.policy[role].online
        and draft.roles[role].signed.expires - draft.now < draft.policy[role].expires / 2
    ]


def versions(draft: Draft) -> dict[str, int]:
    """Of the roles that a draft signed."""
    return {role: draft.roles[role].signed.version for role in EVERY if role in draft.changed}


def _role_status(draft: Draft, role: str) -> RoleStatus:
    signed, rule = draft.roles[role].signed, trusted_role(draft.roles, role)
    return RoleStatus(
        role=role,
        version=signed.version,
        expires=signed.expires,
        days=round((signed.expires - draft.now) / timedelta(days=1), 1),
        threshold=rule.threshold,
        keys=len(rule.keyids),
        keys_here=len(draft.keyring.holding(rule.keyids)),
        key_ids=tuple(rule.keyids),
    )


def _not_backwards(repository: Repository, roles: dict[str, Signed], to: Path) -> None:
    """Units refuse an older timestamp and roots they cannot follow, so either would cut them off from updates."""
    published = Repository(to)
    if not published.exists():
        return
    there = published.load()
    if there["timestamp"].signed.version > roles["timestamp"].signed.version:
        raise PlaceError(
            f"{to} holds a newer state than {roles['timestamp'].signed.version}: publish from where it was made"
        )
    if not repository.had(there["root"]):
        raise PlaceError(f"{to} holds another repository: publish to an empty directory")


def _copy_out(repository: Repository, roles: dict[str, Signed], to: Path) -> None:
    """In the order of `Repository.write`, so that a cut leaves what `Repository.load` reads."""
    for name in prefixed_paths(roles):
        if not (to / "targets" / name).exists():
            copy_file(repository.targets / name, to / "targets" / name)
    if (history := repository.place / audit.NAME).exists():
        write_file(to / audit.NAME, history.read_bytes())
    for name in [*_names(repository, roles), "timestamp.json"]:
        write_file(to / "metadata" / name, (repository.metadata / name).read_bytes())
    root = repository.metadata / f"{roles['root'].signed.version}.root.json"
    write_file(to / "metadata/root.json", root.read_bytes())


def _names(repository: Repository, roles: dict[str, Signed]) -> list[str]:
    """Versioned metadata up to the current state; what an interrupted command left beyond it is not published."""
    found = [path.name.split(".") for path in repository.metadata.glob("[0-9]*.json")]
    current = {role: int(roles[role].signed.version) for role in roles}
    return [
        f"{number}.{role}.json" for number, role, _ in sorted(found) if int(number) <= current.get(role, 0)
    ]
