"""A unit that was in a drawer: roots and keys changed while it slept, all that it holds has expired, and it comes back."""

import json
import shutil
import time
from datetime import UTC, datetime, timedelta

from omamori.signing import operations, policy, rotation
from omamori.signing.policy import POLICIES, ROLES

YEARS = timedelta(days=730)


def lives(fleet, rules: policy.Policy) -> None:
    (fleet.repository.place / "policy.json").write_bytes(policy.to_json(rules))


def fall_asleep(unit, fleet) -> None:
    """The unit takes a pack; moments later every piece of metadata it keeps is past its end.

    Once more where the machine was too slow to take it in time.
    """
    short = {
        role: policy.RolePolicy(rule.keys, rule.threshold, timedelta(seconds=4))
        for role, rule in POLICIES["development"].items()
    }
    lives(fleet, short)
    for _ in range(20):
        operations.renew(fleet.repository, [role for role in ROLES if role != "root"], datetime.now(UTC))
        fleet.publish()
        if unit.run():
            break
    else:
        raise AssertionError(f"never in time: {unit.error}")
    while datetime.now(UTC) < newest_end(unit):
        time.sleep(0.1)


def newest_end(unit) -> datetime:
    kept = [
        json.loads(path.read_bytes())["signed"] for path in (unit.paths.update / "metadata").glob("*.json")
    ]
    ends = [datetime.fromisoformat(signed["expires"]) for signed in kept if signed["_type"] != "root"]
    assert len(ends) >= 4
    return max(ends) + timedelta(seconds=1)


def years_pass(fleet) -> None:
    """Keys of every role are exchanged eight times in two years; the old ones are gone for good."""
    lives(fleet, POLICIES["development"])
    began = datetime.now(UTC) - YEARS
    for turn in range(8):
        now = began + YEARS * turn / 8
        rotation.rotate(fleet.repository, ROLES, [], now, dry=False)
        fleet.publish(at=now)
    fleet.publish()


def test_a_unit_asleep_for_two_years_comes_back(unit, fleet):
    fleet.release_pack("2024.11.1")
    unit.want(pack="2024.11.1")
    fall_asleep(unit, fleet)
    years_pass(fleet)
    fleet.release("3.0.0")
    fleet.release_pack("2026.11.1")
    operations.renew(fleet.repository, ROLES, datetime.now(UTC))
    fleet.publish()
    unit.want(firmware="3.0.0", pack="2026.11.1")
    assert unit.run(), unit.error
    assert (unit.phase, unit.state["pack"]) == ("staged", "2026.11.1")
    assert len(list((unit.paths.update / "metadata/root_history").glob("*.root.json"))) == 10


def test_a_unit_from_the_store_comes_with_the_first_root_only(unit, fleet):
    years_pass(fleet)
    operations.renew(fleet.repository, ROLES, datetime.now(UTC))
    fleet.release("3.0.0")
    unit.want(firmware="3.0.0")
    assert unit.run(), unit.error
    assert unit.phase == "staged"


def test_a_missing_step_in_the_chain_of_roots_is_refused_and_mended(unit, fleet):
    years_pass(fleet)
    operations.renew(fleet.repository, ROLES, datetime.now(UTC))
    fleet.release("3.0.0")
    served = fleet.place / "www/tuf/metadata"
    shutil.copyfile(served / "6.root.json", served / "5.root.json")
    unit.want(firmware="3.0.0")
    assert not unit.run()
    assert unit.error.startswith("signature: "), unit.error
    shutil.copyfile(fleet.repository.metadata / "5.root.json", served / "5.root.json")
    assert unit.run(), unit.error


def test_a_thief_of_online_keys_who_ran_ahead_is_left_behind_by_new_keys(unit, fleet):
    """Version numbers far in the future hold updates back only until snapshot and timestamp have other keys."""
    fleet.release_pack("1.0.0")
    draft = fleet.repository.draft(datetime.now(UTC))
    for role in ("signatures", "snapshot", "timestamp"):
        draft.renew(role).signed.version += 1_000_000
    for file in draft.seal():
        (fleet.place / "www/tuf/metadata" / file.name).write_bytes(file.content)
    unit.want(pack="1.0.0")
    assert unit.run(), unit.error
    shutil.rmtree(fleet.place / "www")
    fleet.release_pack("1.0.1")
    unit.want(pack="1.0.1")
    assert not unit.run()
    assert unit.error.startswith("rollback: ")
    rotation.rotate(
        fleet.repository, ["signatures", "snapshot", "timestamp"], [], datetime.now(UTC), dry=False
    )
    fleet.publish()
    assert unit.run(), unit.error
    assert unit.state["pack"] == "1.0.1"
