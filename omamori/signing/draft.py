"""New metadata in memory: made from the signed state, signed, checked against its delegators, and not yet written.

A draft renews the roles it changes (next version, new expiry by policy), then `seal` renews snapshot and timestamp and
returns the files in the order in which they must appear: the timestamp, which makes them current, comes last. A role
whose threshold the keys at hand cannot meet stops everything with `KeyFileError`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from omamori.signing.errors import KeyFileError, PolicyError, RepositoryError
from omamori.signing.keys import Keyring
from omamori.signing.policy import DELEGATED, DELEGATIONS, TOP, Policy, RolePolicy

Signed = Metadata[Any]
"""Metadata of any role."""


@dataclass(frozen=True, slots=True)
class MetadataFile:
    """One file of the repository, as published."""

    name: str
    content: bytes


@dataclass
class Draft:
    """`roles` holds the newest metadata of each role; `changed` names those not yet on disk."""

    roles: dict[str, Signed]
    policy: Policy
    keyring: Keyring
    now: datetime
    changed: set[str] = field(default_factory=set)
    before: dict[str, Signed] = field(init=False)
    """The signed state that this starts from."""

    def __post_init__(self) -> None:
        """Nothing was renewed yet."""
        self.before = dict(self.roles)

    def renew(self, role: str) -> Signed:
        """The role's metadata with the next version number and a new expiry, once a draft. Raises PolicyError where there is no such role."""
        self.require(role)
        if role not in self.changed:
            fresh: Signed = Metadata.from_bytes(self.roles[role].to_bytes())
            fresh.signed.version += 1
            fresh.signed.expires = self.expiry(role)
            fresh.signatures.clear()
            self.roles[role] = fresh
            self.changed.add(role)
        return self.roles[role]

    def require(self, role: str) -> None:
        """Raises PolicyError where this repository lacks the role."""
        if role not in self.roles:
            raise PolicyError(f"this repository has no role {role}: `omamori sign {role} enable` makes it")

    def add_delegation(self, role: str, keys: list[Key]) -> None:
        """A role of its own for the paths it is to name, with nothing in it yet; `targets` says so."""
        delegations = self.renew("targets").signed.delegations
        delegations.keys.update({key.keyid: key for key in keys})
        delegations.roles[role] = _delegated(role, self.policy[role], keys)
        self.roles[role] = Metadata(Targets(expires=self.expiry(role)))
        self.changed.add(role)

    def add_target(self, role: str, target: TargetFile) -> None:
        """Name a file in a delegation; one of the same path is replaced."""
        self.renew(role).signed.targets[target.path] = target

    def remove_target(self, role: str, path: str) -> None:
        """Name it no longer."""
        del self.renew(role).signed.targets[path]

    def replace_keys(self, role: str, new: Iterable[Key], *, gone: Iterable[str]) -> None:
        """Other keys for a role, the threshold by policy; the role itself is signed anew."""
        delegator = self.renew("targets" if role in DELEGATED else "root").signed
        for keyid in gone:
            delegator.revoke_key(keyid, role)
        for key in new:
            delegator.add_key(key, role)
        delegator.get_delegated_role(role).threshold = self.policy[role].threshold
        self.renew(role)

    def seal(self) -> list[MetadataFile]:
        """Renew snapshot and timestamp, sign all that changed. Raises KeyFileError."""
        plain = [role for role in ("targets", *DELEGATED) if role in self.changed]
        for role in ("root", *plain):
            if role in self.changed:
                self._sign(role)
        self._seal_snapshot(plain)
        self._seal_timestamp()
        ordered = [role for role in ("root", *plain, "snapshot") if role in self.changed]
        return [
            *(self._file(role) for role in ordered),
            MetadataFile("timestamp.json", self._bytes("timestamp")),
        ]

    def _seal_snapshot(self, renewed: Iterable[str]) -> None:
        meta = self.renew("snapshot").signed.meta
        for role in renewed:
            meta[f"{role}.json"] = MetaFile.from_data(
                self.roles[role].signed.version, self._bytes(role), ["sha256"]
            )
        self._sign("snapshot")

    def _seal_timestamp(self) -> None:
        version = self.roles["snapshot"].signed.version
        self.renew("timestamp").signed.snapshot_meta = MetaFile.from_data(
            version, self._bytes("snapshot"), ["sha256"]
        )
        self._sign("timestamp")

    def _sign(self, role: str) -> None:
        """A root of a ceremony comes with its signatures."""
        metadata, rules = self.roles[role], self._rules(role)
        if not metadata.signatures:
            signers = {key.public_key.keyid: key for rule in rules for key in self._enough(role, rule)}
            for signer in signers.values():
                metadata.sign(signer, append=True)
        verify(self.roles, role)
        if role == "root":
            verify({"root": metadata, "before": self.before["root"]}, role, by="before")

    def _rules(self, role: str) -> list[Role]:
        """A new root is signed by the keys of the root before, too: that is how units follow."""
        states = [self.before, self.roles] if role == "root" else [self.roles]
        return [trusted_role(state, role) for state in states]

    def _enough(self, role: str, rule: Role) -> list[Signer]:
        signers = self.keyring.holding(rule.keyids)
        if len(signers) < rule.threshold:
            missing = [keyid[:12] for keyid in rule.keyids if not self.keyring.holding([keyid])]
            raise KeyFileError(
                f"role {role} needs {rule.threshold} signatures and {len(signers)} of its keys are here:"
                f" put the key files with ids {', '.join(missing)} into the keys directory"
            )
        return signers

    def expiry(self, role: str) -> datetime:
        """Until when a signature made now is good."""
        return self.now.astimezone(UTC).replace(microsecond=0) + self.policy[role].expires

    def _bytes(self, role: str) -> bytes:
        return self.roles[role].to_bytes(JSONSerializer(compact=True))

    def _file(self, role: str) -> MetadataFile:
        return MetadataFile(f"{self.roles[role].signed.version}.{role}.json", self._bytes(role))


def first(policy: Policy, public: Mapping[str, list[Key]], keyring: Keyring, now: datetime) -> Draft:
    """The draft of a new repository: every role at version 1, nothing published in it."""
    root = Root(consistent_snapshot=True, roles={role: Role([], policy[role].threshold) for role in TOP})
    for role in TOP:
        for key in public[role]:
            root.add_key(key, role)
    targets = Targets(delegations=_delegations(policy, public))
    bodies = {
        "root": root,
        "targets": targets,
        "firmware": Targets(),
        "signatures": Targets(),
        "snapshot": Snapshot(),
        "timestamp": Timestamp(),
    }
    draft = Draft({role: Metadata(body) for role, body in bodies.items()}, policy, keyring, now, set(bodies))
    for role, body in bodies.items():
        body.expires = draft.expiry(role)
    return draft


def trusted_role(roles: Mapping[str, Signed], role: str) -> Role:
    """Keys and threshold of a role, as its delegator says."""
    return _delegator(roles, role).get_delegated_role(role)  # type: ignore[no-any-return] # Metadata[Any]


def verify(roles: Mapping[str, Signed], role: str, *, by: str = "") -> None:
    """Raises RepositoryError where the role's signatures do not meet its threshold, as its delegator (or `by`) says."""
    metadata = roles[role]
    delegator = roles[by].signed if by else _delegator(roles, role)
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError as error:
        raise RepositoryError(
            f"the signatures of {role} do not meet its threshold: restore the metadata"
        ) from error


def _delegator(roles: Mapping[str, Signed], role: str) -> Any:  # noqa: ANN401 - Root or Targets, both delegate
    return roles["targets" if role in DELEGATED else "root"].signed


def _delegations(policy: Policy, public: Mapping[str, list[Key]]) -> Delegations:
    keys = {key.keyid: key for role in DELEGATIONS for key in public[role]}
    roles = {role: _delegated(role, policy[role], public[role]) for role in DELEGATIONS}
    return Delegations(keys, roles)


def _delegated(role: str, rule: RolePolicy, keys: list[Key]) -> DelegatedRole:
    """Terminating: what is under its paths is named by this role or by nobody."""
    return DelegatedRole(role, [key.keyid for key in keys], rule.threshold, True, paths=[DELEGATED[role]])
