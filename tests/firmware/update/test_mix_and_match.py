"""Metadata of several states of one repository, all of it validly signed, put together as no release engineer did.

A server needs no key to serve a file under another one's name; a thief of the online keys also signs what names it.
Each time the first file that does not belong is refused, it and all below it stay as the unit had them, and the next
honest state is taken.
"""

import shutil
from datetime import UTC, datetime

import pytest
from tuf.api.metadata import MetaFile

from omamori.signing import operations, rotation
from omamori.signing.draft import trusted_role

ORDER = ("timestamp", "snapshot", "targets", "firmware", "signatures")
"""As a unit asks for them; both delegated roles follow `targets`."""
BELOW, TARGETS = ORDER[1:], ORDER[2:]


@pytest.fixture
def following(unit, fleet):
    """A unit that took one state of the repository, not its first. Two newer ones were published since, and it wants what the newest names."""
    publish(fleet, 1)
    sign_all_anew(fleet)
    take(unit, 1)
    sign_all_anew(fleet)
    publish(fleet, 2)
    return unit


def publish(fleet, number: int) -> None:
    fleet.release(f"1.{number}.0")
    fleet.release_pack(f"2026.11.{number}")


def sign_all_anew(fleet) -> None:
    """One state that differs from the one before in its numbers alone, so that no length tells them apart."""
    operations.renew(fleet.repository, TARGETS, datetime.now(UTC))
    fleet.publish()


def want(unit, firmware: int, pack: int) -> None:
    unit.want(firmware=f"1.{firmware}.0", pack=f"2026.11.{pack}")


def take(unit, number: int) -> None:
    want(unit, number, number)
    assert unit.run(), unit.error
    assert (unit.phase, unit.state["pack"]) == ("staged", f"2026.11.{number}")


def kept(unit) -> dict[str, bytes]:
    """The trusted cache: role -> what the unit holds of it."""
    return {role: (unit.paths.update / f"metadata/{role}.json").read_bytes() for role in ORDER}


def effects(unit) -> tuple[object, ...]:
    return unit.slot_bytes("a"), unit.slot_bytes("b"), unit.names, unit.state["pack"]


def refused(unit, reason: str, role: str) -> None:
    """For this reason; this role's file and those below it stay, and no slot, entry or pack changes."""
    cache, before = kept(unit), effects(unit)
    want(unit, 1 if role == "signatures" else 2, 1 if role == "firmware" else 2)
    assert not unit.run()
    assert unit.error.startswith(f"{reason}: "), unit.error
    assert effects(unit) == before
    unchanged = ORDER[ORDER.index(role) :]
    assert {name: kept(unit)[name] for name in unchanged} == {name: cache[name] for name in unchanged}


def recovers(unit, fleet, *stolen: str) -> None:
    """What the release engineers publish next is taken, and is all that is kept. Stolen keys are exchanged first."""
    shutil.rmtree(fleet.place / "www")
    if stolen:
        rotation.rotate(fleet.repository, stolen, [], datetime.now(UTC), dry=False)
    publish(fleet, 3)
    take(unit, 3)
    signed = {role: fleet.repository.load()[role].signed.version for role in BELOW}
    names = {"timestamp": "timestamp", **{role: f"{number}.{role}" for role, number in signed.items()}}
    honest = {role: (fleet.repository.metadata / f"{name}.json").read_bytes() for role, name in names.items()}
    assert kept(unit) == honest


def versions(fleet, role: str) -> list[int]:
    """What was published of a role, oldest first."""
    found = (fleet.place / "www/tuf/metadata").glob(f"*.{role}.json")
    return sorted(int(path.name.split(".")[0]) for path in found)


def swap(fleet, shown: str, content: str) -> None:
    """The server shows one file's bytes under another one's name."""
    served = fleet.place / "www/tuf/metadata"
    shutil.copyfile(served / f"{content}.json", served / f"{shown}.json")


class Thief:
    """Who has the online keys, and signs what the honest repository never held."""

    def __init__(self, fleet) -> None:
        self.served = fleet.place / "www/tuf/metadata"
        self.draft = fleet.repository.draft(datetime.now(UTC))

    def names(self, role: str, what: MetaFile | None) -> None:
        """A new snapshot, and a timestamp that names it, with another line about this role, or none."""
        meta = self.draft.renew("snapshot").signed.meta
        if what is None:
            del meta[f"{role}.json"]
        else:
            meta[f"{role}.json"] = what
        for file in self.draft.seal():
            (self.served / file.name).write_bytes(file.content)

    def names_snapshot(self, what: MetaFile) -> None:
        """A new timestamp alone."""
        forged = self.draft.renew("timestamp")
        forged.signed.snapshot_meta = what
        (key,) = self.draft.keyring.holding(trusted_role(self.draft.roles, "timestamp").keyids)
        forged.sign(key)
        (self.served / "timestamp.json").write_bytes(forged.to_bytes())


# a server without a key


@pytest.mark.parametrize("role", BELOW)
def test_an_older_file_under_the_newest_ones_name_is_refused(following, fleet, role):
    """A snapshot below a newer timestamp, targets of each role below a newer snapshot: older than what the unit has, the same, newer."""
    *before, newest = versions(fleet, role)
    for older in before:
        swap(fleet, f"{newest}.{role}", f"{older}.{role}")
        refused(following, "hash", role)
    recovers(following, fleet)


@pytest.mark.parametrize("role", BELOW)
def test_a_newer_file_than_is_named_is_refused(following, fleet, role):
    """An older release's timestamp and snapshot hold a release back; they do not let in another one's files."""
    older = (fleet.place / "www/tuf/metadata/timestamp.json").read_bytes()
    named = versions(fleet, role)[-1]
    sign_all_anew(fleet)
    (fleet.place / "www/tuf/metadata/timestamp.json").write_bytes(older)
    swap(fleet, f"{named}.{role}", f"{versions(fleet, role)[-1]}.{role}")
    refused(following, "hash", role)
    recovers(following, fleet)


@pytest.mark.parametrize(
    ("shown", "content", "reason"),
    [("firmware", "signatures", "hash"), ("signatures", "firmware", "endless")],
    ids=["a shorter one", "a longer one"],
)
def test_one_roles_file_under_anothers_name_is_refused(following, fleet, shown, content, reason):
    swap(fleet, f"{versions(fleet, shown)[-1]}.{shown}", f"{versions(fleet, content)[-1]}.{content}")
    refused(following, reason, shown)
    recovers(following, fleet)


# a thief of the timestamp's key


def test_a_newer_timestamp_that_names_an_older_snapshot_is_a_rollback(following, fleet):
    Thief(fleet).names_snapshot(MetaFile(1))
    refused(following, "rollback", "timestamp")
    recovers(following, fleet, "timestamp")


def test_an_older_snapshot_that_a_newer_timestamp_calls_newer_is_a_rollback(following, fleet):
    """Without a hash in the timestamp, the numbers inside the snapshot betray it."""
    newest = versions(fleet, "snapshot")[-1]
    swap(fleet, f"{newest + 1}.snapshot", "1.snapshot")
    Thief(fleet).names_snapshot(MetaFile(newest + 1))
    refused(following, "rollback", "snapshot")
    recovers(following, fleet, "timestamp")


# a thief of the snapshot's and the timestamp's keys


@pytest.mark.parametrize("role", TARGETS)
def test_a_newer_snapshot_that_names_older_targets_is_a_rollback(following, fleet, role):
    Thief(fleet).names(role, MetaFile(1))
    refused(following, "rollback", "snapshot")
    recovers(following, fleet, "snapshot", "timestamp")


@pytest.mark.parametrize("role", TARGETS)
def test_older_targets_that_a_newer_snapshot_calls_newer_are_a_rollback(following, fleet, role):
    older, newest = versions(fleet, role)[-2:]
    swap(fleet, f"{newest + 1}.{role}", f"{older}.{role}")
    Thief(fleet).names(role, MetaFile(newest + 1))
    refused(following, "rollback", role)
    recovers(following, fleet, "snapshot", "timestamp")


@pytest.mark.parametrize(("shown", "content"), [("firmware", "signatures"), ("signatures", "firmware")])
def test_one_roles_file_that_a_newer_snapshot_calls_anothers_is_not_signed_for_it(
    following, fleet, shown, content
):
    newest = versions(fleet, shown)[-1]
    swap(fleet, f"{newest + 1}.{shown}", f"{versions(fleet, content)[-1]}.{content}")
    Thief(fleet).names(shown, MetaFile(newest + 1))
    refused(following, "signature", shown)
    recovers(following, fleet, "snapshot", "timestamp")


@pytest.mark.parametrize("role", TARGETS)
def test_a_newer_snapshot_that_leaves_a_role_out_is_refused(following, fleet, role):
    Thief(fleet).names(role, None)
    refused(following, "signature", "snapshot")
    recovers(following, fleet, "snapshot", "timestamp")
