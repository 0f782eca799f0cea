"""Rollouts: progress is what booted, healthy units report, and nothing else."""

import json

import pytest

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.models import Audit
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.ingest.operations import raised, store
from omamori.fleet.rollouts import operations, queries, waves
from omamori.fleet.rollouts.models import Member, Outcome
from omamori.fleet.rollouts.repository import offers
from omamori.fleet.units.models import Want
from omamori.fleet.units.operations import apply_now
from omamori.protocol.messages import UpdateState
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase

NEW = Version.parse("1.1.0")


@pytest.fixture
def rolling(fleet):
    """Firmware 1.1.0 wanted of one unit that runs 1.0.0."""
    fleet.unit()
    store([fleet.state(1)])
    release = operations.add_release(System(), "firmware", str(NEW))
    fleet.rollout = operations.create(System(), release, operations.Audience(everything=True))
    fleet.sequence = 1
    return fleet


def report(fleet, **changes):
    fleet.sequence += 1
    store([fleet.state(fleet.sequence, **({"generation": 2} | changes))])
    return Member.objects.get(rollout=fleet.rollout).outcome


def phase(name, version=NEW, error=""):
    return UpdateState(UpdatePhase(name), version, error)


@pytest.mark.usefixtures("rolling")
def test_creating_a_rollout_raises_the_want():
    want = Want.objects.get()
    assert (want.firmware, want.generation, want.apply) == ("1.1.0", 2, "window")
    assert raised() == [("om-0001", 2)]


def test_the_way_of_a_good_update(rolling):
    assert report(rolling, generation=1) == Outcome.WANTED
    assert report(rolling) == Outcome.TAKEN
    assert report(rolling, update=phase("downloading")) == Outcome.DOWNLOADING
    assert report(rolling, update=phase("staged")) == Outcome.STAGED
    assert report(rolling, firmware=NEW, update=phase("trial"), booted_healthy=False) == Outcome.TRIAL
    assert report(rolling, firmware=NEW, update=phase("committed"), booted_healthy=True) == Outcome.DONE
    assert queries.progress(System(), rolling.rollout.pk).done == 1
    assert raised() == []


@pytest.mark.parametrize(
    "claimed",
    [
        {"update": phase("committed")},
        {"firmware": NEW, "update": phase("committed"), "booted_healthy": False},
        {"firmware": NEW, "update": phase("trial")},
        {"firmware": NEW, "update": phase("committed", Version.parse("1.0.0"))},
        {"firmware": NEW, "update": phase("staged")},
        {"firmware": NEW, "update": phase("committed"), "generation": 1},
    ],
)
def test_less_than_a_booted_healthy_committed_slot_is_not_done(rolling, claimed):
    assert report(rolling, **claimed) != Outcome.DONE


def test_a_fall_back_is_a_failure_with_its_reason_and_stays_one(rolling):
    failed = phase("failed", error="health: no host answered for 120 s")
    assert report(rolling, update=failed) == Outcome.FAILED
    assert Member.objects.get().reason == "health: no host answered for 120 s"
    assert report(rolling, update=UpdateState(UpdatePhase.IDLE)) == Outcome.FAILED


def test_the_failure_of_an_earlier_attempt_does_not_fail_a_new_one(rolling):
    report(rolling, update=phase("failed", error="disk full"))
    release = queries.release(System(), "firmware", str(NEW))
    rolling.rollout = operations.create(System(), release, operations.Audience(everything=True))
    assert report(rolling, update=phase("failed", error="disk full"), generation=2) == Outcome.WANTED
    assert report(rolling, update=phase("downloading"), generation=3) == Outcome.DOWNLOADING


def test_a_replayed_report_changes_nothing(rolling):
    done = rolling.state(9, firmware=NEW, update=phase("committed"), generation=2)
    store([done])
    store([rolling.state(8, update=phase("failed"), generation=2), done])
    assert Member.objects.get().outcome == Outcome.DONE


def test_a_pack_is_done_when_the_unit_says_it_is_loaded(fleet):
    fleet.unit()
    release = operations.add_release(System(), "pack", "2026.11.2")
    fleet.rollout = operations.create(System(), release, operations.Audience(units=("om-0001",)))
    fleet.sequence = 0
    assert report(fleet, pack=None) == Outcome.TAKEN
    assert report(fleet, pack=Version.parse("2026.11.1")) == Outcome.TAKEN
    assert report(fleet, pack=Version.parse("2026.11.2")) == Outcome.DONE


def test_a_newer_rollout_supersedes_an_open_one_of_its_kind(rolling):
    newer = operations.add_release(System(), "firmware", "1.2.0")
    pack = operations.add_release(System(), "pack", "5.0.0")
    operations.create(System(), pack, operations.Audience(everything=True))
    assert Member.objects.get(rollout=rolling.rollout).outcome == Outcome.WANTED
    operations.create(System(), newer, operations.Audience(everything=True))
    assert Member.objects.get(rollout=rolling.rollout).outcome == Outcome.SUPERSEDED
    want = Want.objects.get()
    assert (want.firmware, want.pack) == ("1.2.0", "5.0.0")


def test_a_first_wave_comes_first(fleet):
    for number in range(5):
        fleet.unit(f"om-000{number}")
    release = operations.add_release(System(), "firmware", "1.1.0")
    rollout = operations.create(
        System(), release, operations.Audience(everything=True), operations.Terms(first_wave=2)
    )
    assert [want.firmware for want in Want.objects.order_by("unit_id")] == ["1.1.0", "1.1.0", "", "", ""]
    assert queries.progress(System(), rollout.pk).counts == {"wanted": 2, "planned": 3}
    with pytest.raises(Conflict, match="none of the 2 units that were asked so far runs it yet"):
        operations.advance(System(), rollout)
    assert Want.objects.filter(firmware="1.1.0").count() == 2
    Member.objects.filter(wave=1).update(outcome=Outcome.DONE)
    rollout = operations.advance(System(), rollout)
    assert set(Want.objects.values_list("firmware", flat=True)) == {"1.1.0"}
    with pytest.raises(Conflict, match="no further wave"):
        operations.advance(System(), rollout)


def test_a_firmware_that_units_went_back_from_goes_no_further_unless_somebody_says_so(fleet):
    for number in range(5):
        fleet.unit(f"om-000{number}")
    release = operations.add_release(System(), "firmware", "1.1.0")
    terms = operations.Terms(first_wave=2)
    rollout = operations.create(System(), release, operations.Audience(everything=True), terms)
    for unit, outcome in zip(("om-0000", "om-0001"), (Outcome.DONE, Outcome.FAILED), strict=True):
        Member.objects.filter(unit=unit).update(outcome=outcome)
    with pytest.raises(Conflict, match="1 of 2 units failed with it"):
        operations.advance(System(), rollout)
    operations.advance(System(), rollout, anyway=True)
    assert Audit.objects.get(operation="rollout.advance").details["anyway"] == "1 of 2 units failed with it"


@pytest.mark.parametrize(
    ("asked", "done", "failed", "held"),
    [
        (20, 0, 0, True),
        (20, 1, 0, False),
        (20, 19, 1, False),
        (20, 18, 2, True),
        (1000, 951, 49, False),
        (0, 0, 0, True),
    ],
)
def test_few_that_went_back_hold_nothing(asked, done, failed, held):
    assert bool(waves.held(asked, done, failed)) is held


@pytest.mark.usefixtures("rolling")
def test_now_is_for_what_is_staged_and_not_for_the_next_firmware():
    apply_now(System(), "om-0001")
    assert Want.objects.get().apply == "now"
    operations.create(
        System(), operations.add_release(System(), "firmware", "1.2.0"), operations.Audience(everything=True)
    )
    assert Want.objects.get().apply == "window"


def test_audiences_that_are_none(fleet):
    fleet.unit()
    release = operations.add_release(System(), "pack", "1.0.0")
    for audience in (
        operations.Audience(),
        operations.Audience(units=("om-nope",)),
        operations.Audience(sites=(99,)),
    ):
        with pytest.raises(Invalid):
            operations.create(System(), release, audience)
    assert not queries.rollouts(System()).exists(), "a refused rollout leaves nothing behind"


@pytest.mark.parametrize(("kind", "version"), [("firmware", "1"), ("firmware", "../1.0.0"), ("rom", "1.0.0")])
@pytest.mark.usefixtures("fleet")
def test_releases_that_are_none(kind, version):
    with pytest.raises(Invalid):
        operations.add_release(System(), kind, version)


@pytest.mark.usefixtures("fleet")
def test_a_release_is_added_once():
    operations.add_release(System(), "pack", "1.0.0")
    with pytest.raises(Conflict):
        operations.add_release(System(), "pack", "1.0.0")


def _publish(place, number, role, targets):
    (place / "metadata").mkdir(exist_ok=True)
    document = {
        "signed": {"targets": {path: {"custom": {"version": version}} for path, version in targets.items()}}
    }
    (place / "metadata" / f"{number}.{role}.json").write_text(json.dumps(document))


def test_offers_are_read_from_the_newest_metadata(tmp_path):
    _publish(tmp_path, 9, "firmware", {"firmware/vm-1.0.0.bundle": "1.0.0"})
    newest = {
        "firmware/vm-1.0.0.bundle": "1.0.0",
        "firmware/vm-1.10.0.bundle": "1.10.0",
        "firmware/pc-1.10.0.bundle": "1.10.0",
    }
    _publish(tmp_path, 10, "firmware", newest)
    _publish(tmp_path, 2, "signatures", {"signatures/3.0.0.pack": "3.0.0"})
    found = [(offer.kind.value, str(offer.version), len(offer.targets)) for offer in offers(tmp_path)]
    assert found == [("pack", "3.0.0", 1), ("firmware", "1.10.0", 2), ("firmware", "1.0.0", 1)]


def test_what_a_release_says_is_read_and_what_is_none_is_left_out(tmp_path):
    good = {"ja": "速くなりました。", "en": "Faster.", "severity": "routine", "cves": []}
    good["restart"] = {"needed": True, "seconds": 45}
    said = {"1.0.0": good, "1.1.0": good | {"severity": "urgent!"}, "1.2.0": ["no"], "1.3.0": {"en": 1}}
    targets = {
        f"firmware/vm-{version}.bundle": {"custom": {"version": version, "release": about}}
        for version, about in said.items()
    }
    targets["firmware/vm-1.0.0.bundle.chunks"] = {"custom": {"version": "1.0.0"}}
    _publish(tmp_path, 1, "signatures", {})
    (tmp_path / "metadata/1.firmware.json").write_text(json.dumps({"signed": {"targets": targets}}))
    found = {str(offer.version): offer.about for offer in offers(tmp_path)}
    assert found == {"1.0.0": good, "1.1.0": {}, "1.2.0": {}, "1.3.0": {}}


def test_a_withdrawn_pack_is_not_offered_and_neither_is_the_list_of_its_pieces(tmp_path):
    packs = {"2026.11.1": {"channel": "withdrawn"}, "2026.11.2": {"channel": "stable"}}
    targets = {}
    for version, custom in packs.items():
        targets[f"signatures/{version}.pack"] = {"custom": {"version": version, **custom}}
        targets[f"signatures/{version}.pack.chunks"] = {"custom": {"version": version}}
    _publish(tmp_path, 1, "firmware", {})
    (tmp_path / "metadata/1.signatures.json").write_text(json.dumps({"signed": {"targets": targets}}))
    assert [str(offer.version) for offer in offers(tmp_path)] == ["2026.11.2"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"signed": 1}', '{"signed": {"targets": {"a": {}}}}', "\x00"]
)
def test_a_damaged_repository_is_named(tmp_path, content):
    _publish(tmp_path, 1, "signatures", {})
    (tmp_path / "metadata" / "1.firmware.json").write_text(content)
    with pytest.raises(Invalid, match="firmware"):
        offers(tmp_path)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("bridge: says nothing", "bridge: says nothing"),
        ("pack: the bridge did not take 2026.5.1: back; bridge: says nothing", "bridge: says nothing"),
        ("pack: 2026.5.1 waits for the bridge", "pack: 2026.5.1 waits for the bridge"),
    ],
)
def test_a_firmwares_failure_is_told_without_what_became_of_a_pack(rolling, fleet, error, reason):
    update = UpdateState(UpdatePhase.FAILED, Version.parse("1.1.0"), error)
    assert report(fleet, update=update) == Outcome.FAILED
    assert Member.objects.get(rollout=rolling.rollout).reason == reason
