"""`omamori sign` as the release engineer uses it: what it makes, what it refuses, and what it tells to do next."""

import contextlib
import json
import shutil
import stat
import subprocess
import tarfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from omamori.signing import contents, operations, policy
from omamori.signing.errors import PolicyError, TargetError
from omamori.signing.repository import Repository


def published(desk) -> dict[str, dict]:
    """Every metadata file of a published tree, by name."""
    return {path.name: json.loads(path.read_bytes()) for path in (desk.place / "www/metadata").glob("*.json")}


def verify_as_a_client_would(metadata: Path) -> dict[str, object]:
    """python-tuf's own trust logic over the static files; raises what a client would."""
    trusted = TrustedMetadataSet((metadata / "1.root.json").read_bytes(), EnvelopeType.METADATA)
    timestamp = trusted.update_timestamp((metadata / "timestamp.json").read_bytes())
    snapshot = trusted.update_snapshot(
        (metadata / f"{timestamp.snapshot_meta.version}.snapshot.json").read_bytes()
    )
    targets = {}
    for role, parent in (("targets", "root"), ("firmware", "targets"), ("signatures", "targets")):
        version = snapshot.meta[f"{role}.json"].version
        raw = (metadata / f"{version}.{role}.json").read_bytes()
        targets |= trusted.update_delegated_targets(raw, role, parent).targets
    return targets


def test_init_makes_a_repository_whose_keys_only_the_owner_reads(desk):
    assert {path.name for path in desk.repository.glob("keys/*")} == {
        "firmware-1.pem",
        "firmware-2.pem",
        "root-1.pem",
        "signatures-1.pem",
        "snapshot-1.pem",
        "targets-1.pem",
        "timestamp-1.pem",
    }
    for path in (desk.repository / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((desk.repository / "keys").stat().st_mode) == 0o700
    assert verify_as_a_client_would(desk.repository / "metadata") == {}


def test_init_twice_keeps_the_first_keys(desk):
    before = {path.name: path.read_bytes() for path in (desk.repository / "keys").iterdir()}
    assert "already holds a repository" in desk.refused("init")
    assert before == {path.name: path.read_bytes() for path in (desk.repository / "keys").iterdir()}


def test_dry_run_of_init_writes_nothing(empty_desk):
    assert empty_desk.signed("init", "--dry-run")["dry"] is True
    assert not empty_desk.repository.exists()


def test_keys_are_never_made_inside_a_checkout(empty_desk):
    subprocess.run(["git", "init", "-q", str(empty_desk.place)], check=True)
    assert "inside the checkout" in empty_desk.refused("init")
    assert not empty_desk.repository.exists()


def test_a_link_into_a_checkout_is_a_checkout_too(empty_desk, tmp_path_factory):
    checkout = tmp_path_factory.mktemp("checkout")
    subprocess.run(["git", "init", "-q", str(checkout)], check=True)
    (checkout / "inside").mkdir()
    empty_desk.repository.symlink_to(checkout / "inside")
    assert "inside the checkout" in empty_desk.refused("init")


def test_a_signed_pack_and_bundle_verify_in_the_published_tree(desk):
    desk.signed("add-pack", desk.pack())
    desk.signed(*desk.firmware())
    desk.signed("publish", "--to", desk.place / "www")
    targets = verify_as_a_client_would(desk.place / "www/metadata")
    made = ["signatures/1.2.3.pack", "firmware/test-2.0.0.bundle"]
    assert set(targets) == {*made, *(f"{path}.chunks" for path in made)}
    for target in targets.values():
        with (desk.place / "www/targets" / target.get_prefixed_paths()[0]).open("rb") as file:
            target.verify_length_and_hashes(file)
    assert targets["signatures/1.2.3.pack"].custom == {"version": "1.2.3"}


def test_firmware_needs_both_keys(desk):
    (desk.repository / "keys/firmware-2.pem").unlink()
    answer = desk.refused(*desk.firmware())
    assert "firmware needs 2 signatures and 1 of its keys are here" in answer
    assert desk.signed("status")["targets"] == []


def test_the_firmware_keys_cannot_name_a_pack_nor_the_other_way_round(desk):
    """A delegation is only believed below its own paths; this is what limits a stolen signatures key."""
    targets = json.loads((desk.repository / "metadata/1.targets.json").read_bytes())["signed"]
    roles = {role["name"]: role for role in targets["delegations"]["roles"]}
    assert roles["firmware"]["paths"] == ["firmware/*"]
    assert roles["signatures"]["paths"] == ["signatures/*"]
    assert roles["firmware"]["terminating"]
    assert roles["signatures"]["terminating"]
    assert not set(roles["firmware"]["keyids"]) & set(roles["signatures"]["keyids"])


def test_the_same_file_again_signs_nothing(desk):
    desk.signed("add-pack", desk.pack())
    assert desk.signed("add-pack", desk.pack()) == {
        "what": "already there",
        "roles": {},
        "target": "signatures/1.2.3.pack",
        "dry": False,
    }


def test_a_published_version_never_changes_unless_forced(desk):
    desk.signed("add-pack", desk.pack())
    assert "raise it" in desk.refused("add-pack", desk.pack(content=b"other"))
    assert desk.signed("add-pack", desk.pack(content=b"other"), "--replace")["roles"]["signatures"] == 3


def test_dry_run_of_a_pack_leaves_the_repository_as_it_is(desk):
    before = sorted(
        (path, path.stat().st_mtime_ns) for path in desk.repository.rglob("*") if path.name != ".lock"
    )
    assert desk.signed("add-pack", desk.pack(), "--dry-run")["roles"]["timestamp"] == 2
    assert before == sorted(
        (path, path.stat().st_mtime_ns) for path in desk.repository.rglob("*") if path.name != ".lock"
    )


def test_a_zip_pack_tells_its_version(desk):
    path = desk.place / "zipped.pack"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"version": "2026.11.1", "members": ["x" * 100] * 2000}))
        archive.writestr("rules.txt", "alert")
    assert desk.signed("add-pack", path)["target"] == "signatures/2026.11.1.pack"


def test_a_zip_bomb_for_a_manifest_is_refused(desk):
    path = desk.place / "bomb.pack"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", " " * 50_000_000)
    assert "bytes where at most" in desk.refused("add-pack", path)


def zipped_pack(path, text=b'{"version": "1.2.3"}' * 20):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", text)
    return path


@pytest.mark.parametrize(("at", "bits"), [(43, 0xFF), (6, 0x01)], ids=["stream", "encrypted"])
def test_a_damaged_or_encrypted_zip_is_refused(desk, at, bits):
    path = zipped_pack(desk.place / "zipped.pack")
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= bits
    if at == 6:
        damaged[damaged.index(b"PK\x01\x02") + 8] ^= bits
    path.write_bytes(damaged)
    assert "is no signature pack" in desk.refused("add-pack", path)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 255)), min_size=1, max_size=4))
def test_any_zip_tells_its_version_or_is_refused(tmp_path_factory, changes):
    path = zipped_pack(tmp_path_factory.getbasetemp() / "any.pack", b'{"version": "1.2.3"}')
    damaged = bytearray(path.read_bytes())
    for at, bits in changes:
        damaged[at % len(damaged)] ^= bits
    path.write_bytes(damaged)
    with contextlib.suppress(TargetError):
        contents.pack_version(path)


def test_a_policy_whose_signatures_never_end_is_refused(desk):
    """Later than any date there is."""
    path = desk.repository / "policy.json"
    rules = json.loads(path.read_bytes())
    rules["timestamp"]["expires"] = 9_000_000
    path.write_text(json.dumps(rules))
    assert "timestamp needs" in desk.refused("refresh")


def test_a_pack_without_a_manifest_needs_its_version_given(desk):
    path = desk.place / "opaque.pack"
    path.write_bytes(b"whatever it is")
    assert "give --version" in desk.refused("add-pack", path)
    assert desk.signed("add-pack", path, "--version", "3.0.0-rc.1")["target"] == "signatures/3.0.0-rc.1.pack"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 1}, "format"),
        ({"variant": "../etc"}, "variant"),
        ({"version": "two"}, "version"),
        ({"tries": 0}, "tries"),
        ({"files": []}, "files"),
    ],
)
def test_a_bundle_with_a_wrong_manifest_is_refused(desk, changes, says):
    assert says in desk.refused(*desk.firmware(**changes))


def test_a_truncated_or_altered_bundle_is_refused(desk):
    path = desk.bundle()
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"slot-b.efislot-b.efi") + 100])
    assert "bundle" in desk.refused("add-firmware", path, "--notes", desk.notes())
    altered = bytearray(whole)
    altered[whole.index(b"slot-b.efislot-b.efi")] ^= 1
    path.write_bytes(altered)
    assert "slot-b.efi is not what the manifest says" in desk.refused(
        "add-firmware", path, "--notes", desk.notes()
    )


def test_an_interrupted_signing_leaves_the_old_state_in_force(desk):
    """The timestamp comes last: files of a newer version without it count for nothing, and are written over."""
    desk.signed("add-pack", desk.pack())
    old = (desk.repository / "metadata/timestamp.json").read_bytes()
    desk.signed("add-pack", desk.pack("1.2.4"))
    (desk.repository / "metadata/timestamp.json").write_bytes(old)
    assert {target["version"] for target in desk.signed("status")["targets"]} == {"1.2.3"}
    desk.signed("publish", "--to", desk.place / "www")
    assert "3.signatures.json" not in published(desk)
    assert desk.signed("add-pack", desk.pack("1.2.5"))["roles"]["signatures"] == 3
    assert {target["version"] for target in desk.signed("status")["targets"]} == {"1.2.3", "1.2.5"}


def test_altered_metadata_on_disk_is_never_signed_over(desk):
    path = desk.repository / "metadata/1.targets.json"
    path.write_bytes(path.read_bytes().replace(b'"threshold":2', b'"threshold":1'))
    assert "do not meet its threshold" in desk.refused("add-pack", desk.pack())


def test_publishing_backwards_is_refused(desk):
    shutil.copytree(desk.repository, desk.place / "backup")
    desk.signed("add-pack", desk.pack())
    desk.signed("publish", "--to", desk.place / "www")
    shutil.rmtree(desk.repository)
    (desk.place / "backup").rename(desk.repository)
    assert "holds a newer state" in desk.refused("publish", "--to", desk.place / "www")


def test_two_repositories_never_mix_in_one_directory(desk, tmp_path_factory):
    desk.signed("publish", "--to", desk.place / "www")
    other = type(desk)(tmp_path_factory.mktemp("other"))
    other.signed("init")
    assert "another repository" in other.refused("publish", "--to", desk.place / "www")


@pytest.mark.parametrize("roots", [(1, 2), (2, 1), (2, 2)], ids=str)
def test_another_repository_is_not_written_over_whatever_its_root_number(desk, tmp_path_factory, roots):
    """And though its timestamp is older, which alone would let ours take its place."""
    other = type(desk)(tmp_path_factory.mktemp("other"))
    other.signed("init")
    for each, number in zip((other, desk), roots, strict=True):
        for _ in range(number - 1):
            each.signed("renew", "root")
    desk.signed("refresh")
    other.signed("publish", "--to", desk.place / "www")
    before = {path: path.read_bytes() for path in (desk.place / "www").rglob("*") if path.is_file()}
    assert "another repository: publish to an empty directory" in desk.refused(
        "publish", "--to", desk.place / "www"
    )
    assert before == {path: path.read_bytes() for path in (desk.place / "www").rglob("*") if path.is_file()}


def test_publishing_where_the_keys_lie_is_refused(desk):
    """A web server would give them to anyone."""
    assert "no web server may see" in desk.refused("publish", "--to", desk.repository)


def test_publish_keeps_what_is_served_valid_at_every_step(desk):
    """Whatever file is the last that was copied, a client that reads the timestamp there finds all it names."""
    desk.signed("publish", "--to", desk.place / "www")
    desk.signed("add-pack", desk.pack())
    desk.signed("publish", "--to", desk.place / "www")
    served = published(desk)
    snapshot = served[
        f"{served['timestamp.json']['signed']['meta']['snapshot.json']['version']}.snapshot.json"
    ]
    for name, meta in snapshot["signed"]["meta"].items():
        assert f"{meta['version']}.{name}" in served
    by_age = sorted((desk.place / "www/metadata").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert [path.name for path in by_age[-2:]] == ["timestamp.json", "root.json"]


def test_publish_renews_what_is_past_half_of_its_life(desk):
    repository, now = Repository(desk.repository), datetime.now(UTC)
    assert operations.due(repository, now) == []
    later = now + timedelta(days=16)
    assert operations.due(repository, later) == ["signatures", "snapshot", "timestamp"]
    operations.publish(repository, desk.place / "www", later)
    assert operations.due(repository, later) == []
    assert all(role.days > 0 for role in operations.status(repository, later).roles)


def test_refresh_renews_the_online_roles_with_the_online_keys_alone(desk):
    for offline in ("root", "targets", "firmware"):
        for path in (desk.repository / "keys").glob(f"{offline}-*.pem"):
            path.unlink()
    assert desk.signed("refresh")["roles"] == {"snapshot": 2, "timestamp": 2}


def test_status_names_roles_keys_and_expiry(desk):
    (desk.repository / "keys/root-1.pem").unlink()
    text = desk.sign("status").output
    assert "firmware           1     180.0 d  2 of 2, 2 here" in text
    assert "1 of 1, 0 here" in text


def test_expired_roles_are_named_so(desk):
    found = operations.status(Repository(desk.repository), datetime.now(UTC) + timedelta(days=8))
    assert {role.role for role in found.roles if role.days <= 0} == {"timestamp"}


def test_a_key_others_can_read_is_not_used(desk):
    (desk.repository / "keys/root-1.pem").chmod(0o644)
    assert "can be read by others" in desk.refused("refresh")


def test_a_damaged_key_is_named(desk):
    (desk.repository / "keys/snapshot-1.pem").write_text("-----BEGIN nonsense")
    assert "snapshot-1.pem is no unencrypted PKCS#8 key" in desk.refused("refresh")


def test_without_a_repository_every_command_says_how_to_make_one(empty_desk):
    for words in (["status"], ["refresh"], ["publish", "--to", empty_desk.place / "www"]):
        assert "omamori sign init" in empty_desk.refused(*words)


def test_two_at_once_do_not_mix(desk):
    with Repository(desk.repository).locked():
        assert "another `omamori sign` works" in desk.refused("refresh")


@pytest.mark.parametrize("name", sorted(policy.POLICIES))
def test_policies_survive_their_file(name):
    assert policy.from_json(policy.to_json(policy.POLICIES[name])) == policy.POLICIES[name]


def test_the_production_policy_wants_two_of_three_for_root(empty_desk):
    empty_desk.signed("init", "--policy", "production")
    roles = {role["role"]: role for role in empty_desk.signed("status")["roles"]}
    assert (roles["root"]["threshold"], roles["root"]["keys"]) == (2, 3)
    assert roles["firmware"]["threshold"] == 2


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
@settings(max_examples=100)
def test_any_bytes_are_a_policy_or_a_policy_error(raw):
    try:
        policy.from_json(raw)
    except PolicyError:
        pass
    else:
        pytest.fail("garbage was taken for a policy")


@given(st.binary(max_size=2000), st.booleans())
@settings(max_examples=100)
def test_any_bytes_are_a_pack_or_bundle_or_a_target_error(tmp_path_factory, raw, framed):
    path = tmp_path_factory.mktemp("fuzz") / "file"
    if framed:
        with tarfile.open(path, "w") as archive:
            source = path.with_name("manifest.json")
            source.write_bytes(raw)
            archive.add(source, "manifest.json")
    else:
        path.write_bytes(raw)
    for read in (contents.check_bundle, contents.pack_version):
        with pytest.raises(TargetError):
            read(path)
