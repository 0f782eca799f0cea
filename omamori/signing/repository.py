"""The repository on disk: `<place>/{keys,metadata,targets,policy.json}`, changed by one process at a time.

`metadata/timestamp.json` says which state is current; everything else is written before it under a name with its
version, so an interrupted command leaves the old state in force and its leftovers are written over. `root.json` is a
copy of the newest root, for the image. All metadata is verified against its delegator whenever it is read.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, TargetFile
from tuf.api.serialization import DeserializationError

from omamori.signing import audit, keys, policy
from omamori.signing.draft import Draft, MetadataFile, Signed, first, verify
from omamori.signing.errors import PlaceError, RepositoryError, TargetError
from omamori.signing.policy import DELEGATED, DELEGATIONS, OPTIONAL, Policy

READ_CAP = 8 * 1024 * 1024
"""Bytes of one metadata file."""


class Repository:
    """A TUF repository in a directory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.keys, self.metadata, self.targets = place / "keys", place / "metadata", place / "targets"

    def exists(self) -> bool:
        """Whether `init` was finished here."""
        return (self.metadata / "timestamp.json").exists()

    def draft_new(
        self, rules: Policy, now: datetime, given: Mapping[str, Sequence[Signer]]
    ) -> tuple[Draft, "NewKeys"]:
        """Keys and first metadata, nothing written. Raises PlaceError where there is a repository or a checkout."""
        keys.outside_checkout(self.place)
        if self.exists():
            raise PlaceError(f"{self.place} already holds a repository: see `omamori sign status`")
        made = keys.generate(rules, given)
        ring = keys.Keyring([signer for signers in made.values() for signer in signers])
        return first(rules, keys.public(made), ring, now), made

    def create(self, draft: Draft, made: "NewKeys") -> None:
        """Write what `draft_new` made. Raises KeyFileError, PlaceError."""
        files = draft.seal()
        self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.locked():
            keys.write(self.keys, made)
            write_file(self.place / "policy.json", policy.to_json(draft.policy))
            self.write(files)

    def draft(self, now: datetime) -> Draft:
        """A draft that starts from the current state. Raises PlaceError, PolicyError, KeyFileError, RepositoryError."""
        return Draft(self.load(), self.policy(), keys.load(self.keys), now)

    def policy(self) -> Policy:
        """The policy in force. Raises PlaceError, PolicyError."""
        return policy.from_json(self._read(self.place / "policy.json"))

    def load(self) -> dict[str, Signed]:
        """The current metadata of every role, verified. Raises PlaceError, RepositoryError."""
        timestamp = self._parse("timestamp.json")
        roles: dict[str, Signed] = {"root": self._root(timestamp), "timestamp": timestamp}
        roles["snapshot"] = self._parse(f"{roles['timestamp'].signed.snapshot_meta.version}.snapshot.json")
        for role in ("targets", *DELEGATIONS):
            roles[role] = self._parse(f"{_snapshot_version(roles['snapshot'], role)}.{role}.json")
        for role in OPTIONAL:
            if role in roles["targets"].signed.delegations.roles:
                roles[role] = self._parse(f"{_snapshot_version(roles['snapshot'], role)}.{role}.json")
        for role in roles:
            verify(roles, role)
        return roles

    def had(self, root: Signed) -> bool:
        """Whether this very root is, or was, the one here. Raises RepositoryError."""
        name = f"{root.signed.version}.root.json"
        return (self.metadata / name).exists() and bool(self._parse(name).signed == root.signed)

    def recorded(self) -> bool:
        """Whether the audit ends with the state in force; not so after a cut, until the next is signed. Raises PlaceError."""
        path = self.place / audit.NAME
        if not path.exists():  # a repository from before there was one
            return True
        timestamp = hashlib.sha256(self._read(self.metadata / "timestamp.json")).hexdigest()
        return path.read_bytes().endswith(b"\n") and audit.newest(path).get("timestamp.json") == timestamp

    def write(self, files: list[MetadataFile]) -> None:
        """Make a sealed draft the current state: all but the timestamp, the audit, the timestamp; then `root.json`, see `_root`."""
        if self.exists():
            self._finish()
        for file in files[:-1]:
            write_file(self.metadata / file.name, file.content)
        audit.append(self.place / audit.NAME, files, datetime.now(UTC))
        write_file(self.metadata / files[-1].name, files[-1].content)
        for file in files:
            if file.name.endswith(".root.json"):
                write_file(self.metadata / "root.json", file.content)

    def store_target(self, path: str, source: Path) -> TargetFile:
        """Copy a file in under its hash. Raises TargetError."""
        target = describe(path, source)
        destination = self.targets / _prefixed(target)
        if not destination.exists():
            copy_file(source, destination)
        if describe(path, destination).hashes != target.hashes:
            destination.unlink()
            raise TargetError(f"{source} changed while it was read: run the command again")
        return target

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One writer at a time. Raises PlaceError rather than wait."""
        self._require()
        with (self.place / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PlaceError(
                    f"another `omamori sign` works in {self.place}: wait for it to end"
                ) from error
            yield

    def _root(self, timestamp: Signed) -> Signed:
        """The root in force: a later one where a power cut came between the timestamp and the copy in `root.json`."""
        root = self._parse("root.json" if (self.metadata / "root.json").exists() else "1.root.json")
        while (following := self.metadata / f"{root.signed.version + 1}.root.json").exists():
            if _accepts(root, timestamp) and not self._made_current(following):
                break
            root = self._parse(following.name)
        return root

    def _made_current(self, root: Path) -> bool:
        """Whether the audit's last line is the state in force, and has this very root: the timestamp's keys may be those of before."""
        files = audit.newest(self.place / audit.NAME)
        return all(
            files.get(path.name) == hashlib.sha256(self._read(path)).hexdigest()
            for path in (root, self.metadata / "timestamp.json")
        )

    def _finish(self) -> None:
        """Copy the root in force where a power cut came before that, as long as the audit's last line tells which it is."""
        root = self._root(self._parse("timestamp.json"))
        name = f"{root.signed.version}.root.json"
        write_file(self.metadata / "root.json", self._read(self.metadata / name))

    def _require(self) -> None:
        if not self.place.is_dir():
            raise PlaceError(f"no repository in {self.place}: run `omamori sign init`, or give --dir")

    def _parse(self, name: str) -> Signed:
        raw = self._read(self.metadata / name)
        try:
            metadata: Metadata[Any] = Metadata.from_bytes(raw)
        except (DeserializationError, TufError) as error:
            raise RepositoryError(
                f"{self.metadata / name} is no TUF metadata: restore it from a backup"
            ) from error
        return metadata

    def _read(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                content = file.read(READ_CAP + 1)
        except FileNotFoundError as error:
            raise PlaceError(f"{path} is missing: run `omamori sign init`, or give --dir") from error
        if len(content) > READ_CAP:
            raise RepositoryError(f"{path} is larger than {READ_CAP:,} bytes: restore it from a backup")
        return content


NewKeys = dict[str, list[Any]]
"""Role -> signers, as `keys.generate` makes them."""


def _accepts(root: Signed, timestamp: Signed) -> bool:
    try:
        verify({"root": root, "timestamp": timestamp}, "timestamp")
    except RepositoryError:
        return False
    return True


def describe(path: str, source: Path) -> TargetFile:
    """Length and SHA-256 of a file, under its TUF path. Raises TargetError."""
    try:
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            length = file.tell()
    except OSError as error:
        raise TargetError(f"{source} cannot be read: {error.strerror}") from error
    return TargetFile(length, {"sha256": digest}, path)


def write_file(path: Path, content: bytes) -> None:
    """Replace a file so that readers and power cuts see the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def copy_file(source: Path, destination: Path) -> None:
    """Like `write_file`, for a file too large for memory."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_name(f".{destination.name}.new")
    try:
        with source.open("rb") as reader, temporary.open("wb") as writer:
            shutil.copyfileobj(reader, writer, 1024 * 1024)
            writer.flush()
            os.fsync(writer.fileno())
        temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)


def prefixed_paths(roles: dict[str, Signed]) -> list[str]:
    """Every target file of a state, as its name under `targets/`."""
    there = [roles[role] for role in DELEGATED if role in roles]
    return [_prefixed(target) for role in there for target in role.signed.targets.values()]


def _prefixed(target: TargetFile) -> str:
    return target.get_prefixed_paths()[0]


def _snapshot_version(snapshot: Signed, role: str) -> int:
    found = snapshot.signed.meta.get(f"{role}.json")
    if found is None:
        raise RepositoryError(f"the snapshot does not name {role}: restore the metadata from a backup")
    return int(found.version)
