"""A server that lies, stalls, truncates, replays or never stops: each has its name, and none changes the unit."""

import json
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
from tuf.api.metadata import MetaFile

from omamori.firmware.update import trust
from omamori.firmware.update.connection import connect
from omamori.firmware.update.errors import UpdateError
from omamori.firmware.update.fetch import Limits
from omamori.signing.draft import trusted_role


@pytest.fixture
def waiting(unit, fleet):
    """A unit that wants a release and a pack that are there."""
    fleet.release("1.1.0")
    fleet.release_pack("2026.11.1")
    unit.want(firmware="1.1.0", pack="2026.11.1")
    return unit


def refused(unit, reason: str) -> None:
    """The run fails for this reason, harms nothing, and the next one after the fault works."""
    before = unit.slot_bytes("a"), unit.slot_bytes("b"), unit.names
    assert not unit.run()
    assert unit.error.startswith(f"{reason}: "), unit.error
    assert (unit.slot_bytes("a"), unit.slot_bytes("b"), unit.names) == before
    assert unit.state["pack"] is None
    assert any(line.startswith(f"{reason}: ") for line in unit.log)
    unit.fleet.server.faults.clear()


def recovers(unit) -> None:
    assert unit.run()
    assert (unit.phase, unit.state["pack"]) == ("staged", "2026.11.1")


def alter(fleet, pattern: str, change) -> None:
    path = fleet.served(pattern)
    path.write_bytes(change(path.read_bytes()))


def test_an_altered_bundle_and_pack_are_dropped(waiting, fleet):
    for pattern in ("targets/firmware/*.bundle", "targets/signatures/*.pack"):
        alter(fleet, pattern, lambda raw: raw[:1000] + b"X" + raw[1001:])
    refused(waiting, "hash")
    assert list((waiting.paths.update / "downloads").iterdir()) == []


def test_a_truncated_pack_is_resumed_and_then_named(waiting, fleet):
    whole = fleet.served("targets/signatures/*.pack").read_bytes()
    alter(fleet, "targets/signatures/*.pack", lambda raw: raw[:20_000])
    waiting.want(pack="2026.11.1")
    assert not waiting.run()
    assert waiting.error.split(":")[0] in {"hash", "network"}
    assert waiting.state["pack"] is None
    alter(fleet, "targets/signatures/*.pack", lambda _: whole)
    fleet.server.asked.clear()
    assert waiting.run()
    assert [asked for path, asked in fleet.server.asked if ".pack" in path] == ["bytes=20000-"]
    assert waiting.paths.pack(trust_version("2026.11.1")).read_bytes() == whole


def trust_version(text: str):
    from omamori.protocol.version import Version

    return Version.parse(text)


def test_endless_metadata_and_targets_are_cut_off(waiting, fleet):
    def endless(handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 65536)

    for part in ("2.root.json", "timestamp.json", ".snapshot.json", ".targets.json", ".pack"):
        fleet.server.faults = {part: endless}
        waiting.want(pack="2026.11.1")
        refused(waiting, "endless")
    fleet.server.faults = {".bundle": endless}
    waiting.want(firmware="1.1.0")
    refused(waiting, "endless")
    waiting.want(firmware="1.1.0", pack="2026.11.1")
    recovers(waiting)


def test_silence_is_cut_off(waiting, fleet):
    fleet.server.faults["timestamp.json"] = lambda _: time.sleep(8)
    began = time.monotonic()
    refused(waiting, "slow")
    assert time.monotonic() - began < 7
    recovers(waiting)


def test_a_trickle_is_cut_off(waiting, fleet):
    def trickle(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "10000")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)

    fleet.server.faults["timestamp.json"] = trickle
    began = time.monotonic()
    refused(waiting, "slow")
    assert time.monotonic() - began < 5
    recovers(waiting)


@pytest.mark.parametrize("status", [500, 503, 302, 204])
def test_an_error_answer_is_a_network_error(waiting, fleet, status):
    fleet.server.faults["timestamp.json"] = lambda handler: handler.answer(b"", status)
    refused(waiting, "network")
    recovers(waiting)


def test_a_connection_cut_in_the_middle_is_taken_up_again(waiting, fleet):
    """The bundle comes in three connections, each going on where the last one stopped."""

    def cut(handler) -> None:
        handler.server.faults.clear()
        content = fleet.served("targets/firmware/*.bundle").read_bytes()
        handler.answer(content[:150_000], length=len(content))
        handler.connection.close()

    fleet.server.faults[".bundle"] = cut
    without_list(fleet)
    assert waiting.run()
    assert [asked for path, asked in fleet.server.asked if path.endswith(".bundle")] == ["", "bytes=150000-"]
    recovers(waiting)


def test_a_server_without_ranges_starts_again(waiting, fleet):
    part = trust_part(waiting, fleet)
    part.write_bytes(fleet.served("targets/firmware/*.bundle").read_bytes()[:1000])
    fleet.server.faults[".bundle"] = lambda handler: handler.answer(
        fleet.served("targets/firmware/*.bundle").read_bytes()
    )
    assert waiting.run()


def test_a_wrong_partial_download_is_started_afresh(waiting, fleet):
    part = trust_part(waiting, fleet)
    part.write_bytes(b"something else entirely")
    without_list(fleet)
    assert not waiting.run()
    assert waiting.error.startswith("hash: ")
    recovers(waiting)


def without_list(fleet) -> None:
    """A mirror that lacks the list of pieces: all is fetched as it is."""
    fleet.served("targets/firmware/*.chunks").unlink()


def trust_part(unit, fleet):
    """Where the bundle's partial download lies; the pack is already there."""
    unit.want(pack="2026.11.1")
    assert unit.run()
    unit.want(firmware="1.1.0", pack="2026.11.1")
    digest = fleet.served("targets/firmware/*.bundle").name.split(".")[0]
    return unit.paths.update / f"downloads/{digest}.bundle.part"


@pytest.mark.parametrize("role", ["timestamp", "2.firmware", "3.snapshot"])
def test_wrongly_signed_metadata_is_refused(waiting, fleet, role):
    def forge(raw: bytes) -> bytes:
        value = json.loads(raw)
        value["signed"]["x-forged"] = True
        return json.dumps(value).encode()

    before = fleet.served(f"metadata/{role}.json").read_bytes()
    alter(fleet, f"metadata/{role}.json", forge)
    assert not waiting.run()
    assert waiting.error.split(":")[0] in {"signature", "hash", "endless"}
    assert waiting.names == {"omamori-1.0.0.efi"}
    alter(fleet, f"metadata/{role}.json", lambda _: before)
    recovers(waiting)


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"signed": {}}', b"\x00" * 1000, b"[" * 5000])
def test_garbage_for_metadata_is_refused(waiting, fleet, garbage):
    fleet.server.faults["timestamp.json"] = lambda handler: handler.answer(garbage)
    refused(waiting, "signature")
    recovers(waiting)


def test_another_repository_is_not_ours(waiting, fleet, tmp_path):
    """A fleet server that was taken over can sign what it likes with its own keys."""
    from omamori.signing import operations
    from omamori.signing.policy import POLICIES
    from omamori.signing.repository import Repository

    other = Repository(tmp_path / "other/tuf")
    operations.init(other, POLICIES["development"], datetime.now(UTC))
    operations.refresh(other, datetime.now(UTC))
    forged = (other.metadata / "timestamp.json").read_bytes()
    fleet.server.faults["timestamp.json"] = lambda handler: handler.answer(forged)
    refused(waiting, "signature")
    recovers(waiting)


def test_expired_metadata_refuses_new_updates(unit, fleet):
    ago = datetime.now(UTC) - timedelta(days=8)
    fleet.release("1.1.0", at=ago)
    unit.want(firmware="1.1.0")
    refused(unit, "expired")
    fleet.publish()
    assert unit.run()


def test_older_metadata_than_was_seen_is_a_rollback(waiting, fleet):
    old = fleet.served("metadata/timestamp.json").read_bytes()
    recovers(waiting)
    fleet.release("1.2.0")
    waiting.want(firmware="1.2.0", pack="2026.11.1")
    waiting.run()
    fleet.release("1.3.0")
    waiting.want(firmware="1.3.0", pack="2026.11.1")
    fleet.server.faults["timestamp.json"] = lambda handler: handler.answer(old)
    assert not waiting.run()
    assert waiting.error.startswith("rollback: ")


def test_the_signatures_key_cannot_sign_firmware(unit, fleet):
    """A stolen online key names a bundle in its own role: the unit looks for firmware nowhere but in `firmware`."""
    path = fleet.release_pack("1.0.0")
    fleet.sign_unchecked("signatures", "firmware/test-1.1.0.bundle", path)
    unit.want(firmware="1.1.0")
    assert not unit.run()
    assert unit.error == "unpublished: firmware/test-1.1.0.bundle is not in the repository"


def test_a_signed_hash_that_is_another_path_is_no_hash(unit, fleet):
    """A stolen signatures key names files: it must not name places on the unit's disk."""
    fleet.release_pack("1.0.0")
    draft = fleet.repository.draft(datetime.now(UTC))
    draft.renew("signatures").signed.targets["signatures/1.0.0.pack"].hashes = {"sha256": "../../../../evil"}
    for file in draft.seal():
        (fleet.place / "www/tuf/metadata" / file.name).write_bytes(file.content)
    unit.want(pack="1.0.0")
    refused(unit, "hash")
    assert not list(unit.root.rglob("evil*"))


def test_one_firmware_key_and_every_online_key_are_not_enough(unit, fleet):
    """The fleet's machine and one of two offline keys in the wrong hands: still no firmware."""
    repository = fleet.repository
    target = repository.store_target("firmware/test-1.1.0.bundle", fleet.release_pack("1.0.0"))
    draft = repository.draft(datetime.now(UTC))
    forged = draft.renew("firmware")
    forged.signed.targets[target.path] = target
    one_key, _ = draft.keyring.holding(trusted_role(draft.roles, "firmware").keyids)
    forged.sign(one_key)
    draft.changed.discard("firmware")
    named = MetaFile(forged.signed.version)
    draft.renew("snapshot").signed.meta["firmware.json"] = named
    served = fleet.place / "www/tuf/metadata"
    (served / f"{named.version}.firmware.json").write_bytes(forged.to_bytes())
    for file in draft.seal():
        (served / file.name).write_bytes(file.content)
    unit.want(firmware="1.1.0")
    refused(unit, "signature")
    assert "firmware was signed by 1/2 keys" in unit.log[-1]


def test_another_ca_is_not_believed(waiting, tmp_path):
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x"]
    subprocess.run(
        [*command, "-keyout", tmp_path / "k", "-out", tmp_path / "c"], check=True, capture_output=True
    )
    waiting.write("var/lib/omamori/agent/fleet-ca.pem", (tmp_path / "c").read_bytes())
    refused(waiting, "network")
    assert "CERTIFICATE_VERIFY_FAILED" in waiting.error


def test_before_activation_and_without_a_server_it_is_a_network_error(waiting):
    place = waiting.paths.agent_state / "fleet.json"
    content = place.read_bytes()
    for wrong in (
        b'{"url": "https://127.0.0.1:1", "ca": ""}',
        b'{"url": "file:///etc"}',
        b"{",
        b'{"url": 7}',
    ):
        place.write_bytes(wrong)
        refused(waiting, "network")
    place.unlink()
    assert not waiting.run()
    assert waiting.error == "network: not activated yet: the fleet's address is not known"
    place.write_bytes(content)
    recovers(waiting)


def test_a_damaged_cache_is_fetched_again(waiting, fleet):
    recovers(waiting)
    for path in (waiting.paths.update / "metadata").rglob("*.json"):
        if not path.is_symlink():
            path.write_bytes(b"")
    fleet.release("1.2.0")
    waiting.want(firmware="1.2.0", pack="2026.11.1")
    assert waiting.run()


def test_a_root_that_is_none_is_named(waiting):
    waiting.paths.trust_root.write_bytes(b"not a root")
    with pytest.raises(UpdateError, match="signature: root of trust"):
        connect(waiting.paths, Limits())


def test_downloads_are_bounded_by_data():
    """What a server may make a unit read before a signature is checked."""
    config = trust.CONFIG
    assert config.root_max_length * config.max_root_rotations <= 8 * 1024 * 1024
    assert config.timestamp_max_length <= 16 * 1024
