"""New keys for a role: because they are old, lost or stolen. And what a loss or a theft would mean, tried in memory.

Keys of root, targets, snapshot and timestamp are named by the root, those of `firmware` and `signatures` by `targets`.
A new root is signed by enough keys of the root before, so that every unit in the field follows, however long it slept;
where too few are left there is no way but other images, and the drill says so beforehand. Nothing here prints.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from securesystemslib.signer import Signer

from omamori.signing import keys
from omamori.signing.draft import Draft, trusted_role
from omamori.signing.errors import KeyFileError
from omamori.signing.policy import DELEGATED, EVERY
from omamori.signing.repository import Repository

THIEF = {
    "root": "name every other key, and so anything at all",
    "targets": "with the online keys: say who signs firmware and packs",
    "firmware": "with the online keys: name firmware that units install",
    "signatures": "with the online keys: name a pack that units load",
    "support": "with the online keys: open a unit to its own SSH key for a day at a time",
    "snapshot": "with the timestamp key: hold updates back or mix versions",
    "timestamp": "hold updates back until the metadata expires",
}
"""What enough stolen keys of a role can do, until every unit has seen the new ones."""

Given = Mapping[str, Sequence[Signer]]
"""Role -> keys that are there already, on tokens, in place of new key files."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was, or with `dry` would be, exchanged."""

    roles: dict[str, int]
    """Role -> the version it has now, for those that were signed."""
    gone: tuple[str, ...]
    """Key ids that count no longer."""
    files: tuple[str, ...]
    """Key files made; with `dry` their names are not known yet."""
    new: int
    dry: bool
    explanation: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the drill."""

    role: str
    event: str
    mended: bool
    """With the keys that are here."""
    outcome: str


def rotate(
    repository: Repository,
    roles: Iterable[str],
    only: Iterable[str],
    now: datetime,
    *,
    dry: bool,
    given: Given | None = None,
) -> Rotation:
    """New keys, or those `given`, for all of `roles` or for keys whose id begins with one of `only`. Raises SigningError."""
    roles, only = tuple(dict.fromkeys(roles)), tuple(only)
    with repository.locked():
        draft = repository.draft(now)
        for role in roles:
            draft.require(role)
        gone = leaving(draft, roles, only)
        made = exchange(draft, gone, given or {})
        files = draft.seal()
        if not dry:
            for role, signers in made.items():
                keys.add(repository.keys, role, signers)
            repository.write(files)
    return Rotation(
        roles={role: draft.roles[role].signed.version for role in EVERY if role in draft.changed},
        gone=tuple(keyid for ids in gone.values() for keyid in ids),
        files=() if dry else tuple(keys.file_name(role, key) for role, new in made.items() for key in new),
        new=sum(map(len, made.values())),
        dry=dry,
        explanation=tuple(_explained(roles)),
    )


def drill(repository: Repository, now: datetime) -> list[Case]:
    """Each role's keys lost and stolen, one and all; every loss is tried in memory with the keys left. Writes nothing."""
    with repository.locked():
        draft = repository.draft(now)
        there = [role for role in EVERY if role in draft.roles]
        return [case for role in there for case in (*_losses(repository, draft, role), *_thefts(draft, role))]


def exchange(draft: Draft, gone: dict[str, list[str]], given: Given) -> dict[str, list[Signer]]:
    """As many new keys, or given ones, as the policy wants beside those that stay. Raises KeyFileError."""
    if foreign := sorted(given.keys() - gone.keys()):
        raise KeyFileError(f"a key is given for {', '.join(foreign)}, which is not rotated")
    made: dict[str, list[Signer]] = {}
    for role, ids in gone.items():
        there, new = trusted_role(draft.roles, role).keyids, given.get(role, ())
        if again := [signer.public_key.keyid[:12] for signer in new if signer.public_key.keyid in there]:
            raise KeyFileError(f"{', '.join(again)} is a key of {role} already: give a new one")
        made[role] = keys.filled(new, max(draft.policy[role].keys - (len(there) - len(ids)), 0))
        draft.replace_keys(role, [signer.public_key for signer in made[role]], gone=ids)
    draft.keyring = draft.keyring.plus([signer for signers in made.values() for signer in signers])
    return made


def leaving(draft: Draft, roles: tuple[str, ...], only: tuple[str, ...]) -> dict[str, list[str]]:
    """Ids of the roles' keys that begin with one of `only`, or all. Raises KeyFileError where none begins with one of these."""
    there = {role: list(trusted_role(draft.roles, role).keyids) for role in roles}
    every = [keyid for keyids in there.values() for keyid in keyids]
    if unknown := [start for start in only if not start or not any(each.startswith(start) for each in every)]:
        raise KeyFileError(
            f"no key of {', '.join(roles) or 'no role'} begins with {', '.join(start or 'nothing' for start in unknown)}: see `omamori sign status --keys`"
        )
    return {
        role: [keyid for keyid in keyids if not only or keyid.startswith(only)]
        for role, keyids in there.items()
    }


def _explained(roles: Iterable[str]) -> Iterable[str]:
    for role in roles:
        place = "targets" if role in DELEGATED else "root"
        yield f"{role}: named by a new {place}; whoever has enough of the old keys could {THIEF[role]}"
    yield "publish now: a unit believes the old keys until it has seen the new metadata"
    yield "back up the new key files, take the offline ones away, destroy the old ones once every unit is current"


def _losses(repository: Repository, draft: Draft, role: str) -> Iterable[Case]:
    there = trusted_role(draft.roles, role).keyids
    for event, lost in (("one key lost", there[:1]), ("all keys lost", there)):
        if event == "all keys lost" and len(there) == 1:
            continue
        trial = Draft(repository.load(), draft.policy, draft.keyring.without(lost), draft.now)
        try:
            exchange(trial, {role: lost}, {})
            trial.seal()
        except KeyFileError as error:
            yield Case(role, event, mended=False, outcome=_beyond(role, error))
        else:
            yield Case(
                role, event, mended=True, outcome=f"`omamori sign rotate {role}`; units follow by themselves"
            )


def _beyond(role: str, error: KeyFileError) -> str:
    if role == "root":
        return "no new root can be made: new images with another root of trust, every unit by hand"
    return str(error)


def _thefts(draft: Draft, role: str) -> Iterable[Case]:
    rule = trusted_role(draft.roles, role)
    others = " ".join(dict.fromkeys([role, "snapshot", "timestamp"]))
    mend = "rotate root at once" if role == "root" else f"`omamori sign rotate {others}`"
    if rule.threshold > 1:
        yield Case(
            role,
            "one key stolen",
            mended=True,
            outcome=f"the thief signs nothing alone; `omamori sign rotate {role}`",
        )
    yield Case(
        role,
        f"{rule.threshold} key(s) stolen",
        mended=role != "root",
        outcome=f"the thief can {THIEF[role]}; {mend}",
    )
