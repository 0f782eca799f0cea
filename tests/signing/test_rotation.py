"""Keys that are old, lost or stolen: what `omamori sign` exchanges, refuses and says beforehand; a client follows."""

import itertools
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from omamori.signing import keys, operations, rotation
from omamori.signing.errors import KeyFileError
from omamori.signing.policy import POLICIES, ROLES
from omamori.signing.repository import Repository


@pytest.fixture
def production(empty_desk):
    empty_desk.signed("init", "--policy", "production")
    return empty_desk


def follow(desk) -> TrustedMetadataSet:
    """What a client with the first root sees of the published tree; raises what it would."""
    desk.signed("publish", "--to", desk.place / "www")
    return client(desk.place / "www/metadata")


def client(metadata: Path) -> TrustedMetadataSet:
    trusted = TrustedMetadataSet((metadata / "1.root.json").read_bytes(), EnvelopeType.METADATA)
    while (path := metadata / f"{trusted.root.version + 1}.root.json").exists():
        trusted.update_root(path.read_bytes())
    trusted.update_timestamp((metadata / "timestamp.json").read_bytes())
    version = trusted.timestamp.snapshot_meta.version
    trusted.update_snapshot((metadata / f"{version}.snapshot.json").read_bytes())
    for role, parent in (("targets", "root"), ("firmware", "targets"), ("signatures", "targets")):
        version = trusted.snapshot.meta[f"{role}.json"].version
        trusted.update_delegated_targets((metadata / f"{version}.{role}.json").read_bytes(), role, parent)
    return trusted


def key_ids(desk, role: str) -> list[str]:
    return next(found["key_ids"] for found in desk.signed("status")["roles"] if found["role"] == role)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_rotated_and_a_client_follows(production, role):
    production.signed("add-pack", production.pack())
    before = key_ids(production, role)
    done = production.signed("rotate", role)
    assert done["gone"] == before
    assert not set(before) & set(key_ids(production, role))
    assert len(done["files"]) == len(before)
    for path in (production.repository / "keys").glob(f"{role}-[0-9].pem"):
        path.unlink()
    assert "signatures/1.2.3.pack" in follow(production)["signatures"].targets
    production.signed("add-pack", production.pack("1.2.4"))
    assert "signatures/1.2.4.pack" in follow(production)["signatures"].targets


def test_all_roles_at_once_and_again(production):
    for _ in range(3):
        production.signed("rotate", *ROLES)
    assert follow(production).root.version == 4


def test_a_lost_root_key_is_exchanged_with_the_two_that_are_left(production):
    lost = key_ids(production, "root")[0]
    (production.repository / "keys/root-1.pem").unlink()
    done = production.signed("rotate", "root", "--key", lost[:12])
    assert (done["gone"], done["new"]) == ([lost], 1)
    assert len(key_ids(production, "root")) == 3
    assert follow(production).root.version == 2


def test_one_root_key_of_three_makes_no_new_root(production):
    for number in (1, 2):
        (production.repository / f"keys/root-{number}.pem").unlink()
    assert "root needs 2 signatures and 1 of its keys are here" in production.refused("rotate", "timestamp")
    assert len(list(production.repository.glob("metadata/*.root.json"))) == 1
    assert "NOT MENDED: no new root can be made" in production.sign("drill").output


def test_a_rotation_with_an_unknown_key_changes_nothing(production):
    for key in ("ffffffffffff0", ""):
        said = f"no key of root begins with {key or 'nothing'}: see"
        assert said in production.refused("rotate", "root", "--key", key)
    assert len(list(production.repository.glob("metadata/*.root.json"))) == 1


def test_a_dry_rotation_explains_and_writes_nothing(production):
    def state():
        return {path: path.read_bytes() for path in production.repository.rglob("*") if path.is_file()}

    before = state()
    answer = production.sign("rotate", "signatures", "snapshot", "timestamp", "--dry-run").output
    assert answer.startswith(
        "would be: rotated signatures, snapshot, timestamp: 3 new keys (root 2, targets 2,"
    )
    assert "whoever has enough of the old keys could with the online keys: name a pack" in answer
    assert state() == before


def test_the_drill_names_every_loss_and_theft_and_what_mends_it(production):
    cases = {(case["role"], case["event"]): case for case in production.signed("drill")}
    assert not cases["root", "all keys lost"]["mended"]
    assert cases["root", "one key lost"]["mended"]
    assert "signs nothing alone" in cases["firmware", "one key stolen"]["outcome"]
    assert "name a pack" in cases["signatures", "1 key(s) stolen"]["outcome"]
    assert all(case["mended"] for (role, _), case in cases.items() if role != "root")
    assert {role for role, _ in cases} == set(ROLES)


def test_a_cut_between_timestamp_and_root_is_mended_by_reading_on(production):
    """The copy in root.json is the last file written; without it the new root is found by its number."""
    copy = production.repository / "metadata/root.json"
    old = copy.read_bytes()
    production.signed("rotate", "timestamp", "snapshot")
    copy.write_bytes(old)
    assert (
        next(role for role in production.signed("status")["roles"] if role["role"] == "root")["version"] == 2
    )
    production.signed("refresh")
    follow(production)


def test_a_cut_takes_no_root_back_though_the_online_keys_are_the_old_ones(production):
    """Timestamp keys that both roots have do not tell which is in force; the audit's last line does."""
    metadata = production.repository / "metadata"
    first, stolen = (metadata / "root.json").read_bytes(), set(key_ids(production, "root"))
    production.signed("rotate", "root")
    (metadata / "root.json").write_bytes(first)
    assert not stolen & set(key_ids(production, "root"))
    assert follow(production).root.version == 2
    assert (production.place / "www/metadata/root.json").read_bytes() == (
        metadata / "2.root.json"
    ).read_bytes()
    production.signed("refresh")  # its line names no root
    production.signed("refresh")
    assert (metadata / "root.json").read_bytes() == (metadata / "2.root.json").read_bytes()
    for path in (production.repository / "keys").glob("root-????????.pem"):
        path.unlink()
    assert "root needs 2 signatures and 0 of its keys are here" in production.refused("renew", "root")


def test_a_new_root_that_was_cut_before_the_timestamp_stays_without_effect(production):
    """Its line is the audit's last one, and names a timestamp that never came."""
    metadata = production.repository / "metadata"
    old = {name: (metadata / name).read_bytes() for name in ("root.json", "timestamp.json")}
    before = key_ids(production, "root")
    production.signed("rotate", "root")
    for name, content in old.items():
        (metadata / name).write_bytes(content)
    assert key_ids(production, "root") == before


def test_a_root_that_was_written_and_not_made_current_counts_for_nothing(production):
    metadata = production.repository / "metadata"
    old = {name: (metadata / name).read_bytes() for name in ("root.json", "timestamp.json")}
    production.signed("rotate", "timestamp")
    for name, content in old.items():
        (metadata / name).write_bytes(content)
    assert follow(production).root.version == 1
    production.signed("rotate", "timestamp")
    assert follow(production).root.version == 2


def test_the_same_key_given_twice_is_refused(desk):
    """It would be two of two without a word."""
    repository = Repository(desk.repository)
    new = [CryptoSigner.generate_ed25519()] * 2
    with pytest.raises(KeyFileError, match="the same key is given twice"):
        Repository(desk.place / "other").draft_new(
            POLICIES["production"], datetime.now(UTC), {"firmware": new}
        )
    with pytest.raises(KeyFileError, match="the same key is given twice"):
        rotation.rotate(repository, ["firmware"], (), datetime.now(UTC), dry=False, given={"firmware": new})


@pytest.mark.parametrize("only", [True, False])
def test_a_rotation_to_a_key_that_is_there_already_is_refused(production, only):
    """It would be told as gone and count still."""
    repository = Repository(production.repository)
    old = keys.load_file(production.repository / "keys/root-1.pem")
    keyid = old.public_key.keyid
    with pytest.raises(KeyFileError, match=f"{keyid[:12]} is a key of root already: give a new one"):
        rotation.rotate(
            repository, ["root"], [keyid] if only else [], datetime.now(UTC), dry=False, given={"root": [old]}
        )
    assert len(list(production.repository.glob("metadata/*.root.json"))) == 1


class PowerCutError(Exception):
    """The machine is off."""


def cut_after(number: int, write):
    """The same, for so many files and no more."""
    left = iter(range(number))

    def writing(*words):
        if next(left, None) is None:
            raise PowerCutError
        write(*words)

    return writing


@pytest.mark.parametrize("first", [False, True], ids=["published-before", "never-published"])
@pytest.mark.parametrize(
    "rotations",
    [[("root",)], [("snapshot", "timestamp")], [ROLES, ROLES]],
    ids=["root", "online", "all-twice"],
)
def test_a_publish_cut_after_any_file_is_mended_by_the_next(production, monkeypatch, rotations, first):
    if not first:
        production.signed("publish", "--to", production.place / "www")
    production.signed("add-pack", production.pack())
    for roles in rotations:
        production.signed("rotate", *roles)
    repository, write, now = Repository(production.repository), operations.write_file, datetime.now(UTC)
    for number in itertools.count():
        www = production.place / f"www-{number}"
        if not first:
            shutil.copytree(production.place / "www", www)
        monkeypatch.setattr(operations, "write_file", cut_after(number, write))
        try:
            operations.publish(repository, www, now)
        except PowerCutError:
            monkeypatch.setattr(operations, "write_file", write)
            operations.publish(repository, www, now)
        else:
            break
        assert client(www / "metadata").root.version == len(rotations) + 1
    assert number > 3


def test_offline_roles_are_renewed_with_the_keys_they_have(production):
    before = {role: key_ids(production, role) for role in ROLES}
    assert production.signed("renew", "root", "targets", "firmware")["roles"]["root"] == 2
    assert {role: key_ids(production, role) for role in ROLES} == before
    assert follow(production).root.version == 2


def test_a_reminder_names_what_expires_and_ends_with_code_3(production):
    assert production.sign("status", "--within", "30").exit_code == 0
    found = production.sign("status", "--within", "200")
    assert found.exit_code == 3
    assert found.output == (
        "firmware: 180.0 d left; bring 2 of its 2 keys and run `omamori sign renew firmware`, then publish\n"
    )


@pytest.mark.parametrize(("hours", "named"), [(30, []), (37, ["timestamp"]), (49, ["timestamp"])])
def test_an_online_role_is_named_when_a_quarter_is_left(production, hours, named):
    """And not before: a timestamp that lives two days would be named every day."""
    later = datetime.now(UTC) + timedelta(hours=hours)
    found = operations.expiring(Repository(production.repository), later, timedelta(days=30))
    assert [role.role for role in found] == named
