"""A pack that the release machine has not called stable reaches few units, whoever asks; then all."""

import json
import shutil

import pytest
from django.conf import settings

from omamori.fleet.accounts.actor import System
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.rollouts import operations
from omamori.fleet.rollouts.models import Member, Outcome
from omamori.fleet.units.models import Want

PACK = "2026.11.2"
UNITS = tuple(f"om-00{number:02}" for number in range(24))
ALL = operations.Audience(everything=True)


class Published:
    """The repository's signed word for the pack, read anew each time."""

    def __init__(self, place):
        self.place, self.targets = place, {}
        (place / "metadata").mkdir(parents=True)

    def says(self, version=PACK, **custom):
        self.targets[f"signatures/{version}.pack"] = {"custom": {"version": version, **custom}}
        self.write(json.dumps({"signed": {"targets": self.targets}}))

    def write(self, text):
        (self.place / "metadata/1.signatures.json").write_text(text)


@pytest.fixture
def published(fleet, monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "FLEET", {**settings.FLEET, "repository": str(tmp_path / "repository")})
    for unit in UNITS:
        fleet.unit(unit)
    made = Published(tmp_path / "repository")
    made.says(channel="canary")
    return made


@pytest.fixture
def release(published):  # noqa: ARG001 - what it says must be there
    return operations.add_release(System(), "pack", PACK)


def test_a_canary_is_asked_of_few_and_the_others_wait_until_it_is_stable(published, release):
    for terms in (operations.USUAL, operations.Terms(first_wave=21)):
        with pytest.raises(Conflict, match="canary: 20 of 24 units at most"):
            operations.create(System(), release, ALL, terms)
    rollout = operations.create(System(), release, ALL, operations.Terms(first_wave=20))
    assert Want.objects.filter(pack=PACK).count() == 20
    with pytest.raises(Conflict, match="still a canary"):
        operations.advance(System(), rollout)
    published.says(channel="stable")
    operations.advance(System(), rollout)
    assert Want.objects.filter(pack=PACK).count() == 24


def test_several_rollouts_of_a_canary_are_counted_together(release):
    operations.create(System(), release, operations.Audience(units=UNITS[:12]))
    operations.create(System(), release, operations.Audience(units=UNITS[11:20]))
    with pytest.raises(Conflict, match="canary"):
        operations.create(System(), release, operations.Audience(units=UNITS[20:21]))
    assert Member.objects.exclude(outcome=Outcome.PLANNED).values("unit").distinct().count() == 20


def test_who_was_asked_for_another_pack_instead_does_not_count(release):
    """The rest of a rollout, which was never asked for the canary."""
    operations.create(System(), release, ALL, operations.Terms(first_wave=19))
    operations.create(System(), operations.add_release(System(), "pack", "2026.11.1"), ALL)
    operations.create(System(), release, operations.Audience(units=UNITS[19:20]))
    with pytest.raises(Conflict, match="canary"):
        operations.create(System(), release, operations.Audience(units=UNITS[20:21]))


@pytest.mark.parametrize(("channel", "back"), [("canary", ""), ("withdrawn", ""), ("stable", "2026.11.1")])
def test_what_is_taken_back_is_not_replaced_by_a_canary(published, channel, back):
    """Of units that had the factory's pack: there is nothing that they are known to have had."""
    operations.add_release(System(), "pack", "2026.11.1")
    published.says("2026.11.1", channel=channel)
    published.says(channel="stable")
    rollout = operations.create(System(), operations.add_release(System(), "pack", PACK), ALL)
    operations.withdraw(System(), rollout, "blocks a bank")
    assert {want.pack for want in Want.objects.all()} == {back or PACK}


def test_a_withdrawal_does_not_wait_for_the_repository(published):
    operations.add_release(System(), "pack", "2026.11.1")
    published.says(channel="stable")
    rollout = operations.create(System(), operations.add_release(System(), "pack", PACK), ALL)
    published.write("damaged")
    operations.withdraw(System(), rollout, "blocks a bank")
    rollout.refresh_from_db()
    assert rollout.withdrawn
    assert {want.pack for want in Want.objects.all()} == {PACK}, "nothing else is known to be good"


def test_where_the_repository_is_gone_nobody_is_asked(published, release):
    shutil.rmtree(published.place)
    with pytest.raises(Invalid, match="is not there"):
        operations.create(System(), release, ALL)


def test_a_dry_run_says_so_too(release):
    with pytest.raises(Conflict, match="canary"):
        operations.plan(System(), release, ALL, operations.USUAL)


@pytest.mark.parametrize("custom", [{"channel": "stable"}, {}], ids=["stable", "without a channel"])
def test_any_other_pack_goes_to_all(published, release, custom):
    published.says(**custom)
    operations.create(System(), release, ALL)
    assert Want.objects.filter(pack=PACK).count() == 24


def test_firmware_has_no_canaries(published):
    published.write("damaged")
    operations.create(System(), operations.add_release(System(), "firmware", "1.1.0"), ALL)
    assert Want.objects.filter(firmware="1.1.0").count() == 24


@pytest.mark.parametrize("text", ["", "[]", '{"signed": 1}', '{"signed": {"targets": 7}}'])
def test_where_the_channel_cannot_be_read_nobody_is_asked(published, release, text):
    published.write(text)
    with pytest.raises(Invalid, match="signatures"):
        operations.create(System(), release, ALL)
    assert not Want.objects.filter(pack=PACK).exists()
