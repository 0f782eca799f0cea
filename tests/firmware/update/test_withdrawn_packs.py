"""Packs the bridge refuses with its reason, and packs that were withdrawn by who signed them."""

import json
from datetime import UTC, datetime

from omamori.protocol.version import Version
from omamori.signing.packs import channels


def withdraw(fleet, version: str, reason: str) -> None:
    channels.withdraw(fleet.repository, Version.parse(version), reason, datetime.now(UTC), dry=False)
    fleet.publish()


def test_a_withdrawn_pack_is_refused_whoever_wants_it(unit, fleet):
    """What a taken-over fleet server, or an agent, can order is not what was taken back."""
    for version in ("2026.11.1", "2026.11.2"):
        fleet.release_pack(version)
    unit.want(pack="2026.11.2")
    assert unit.run()
    withdraw(fleet, "2026.11.1", "blocks a bank")
    unit.want(pack="2026.11.1")
    assert not unit.run()
    assert unit.error == "withdrawn: 2026.11.1 was withdrawn: blocks a bank"
    assert unit.state["pack"] == "2026.11.2"
    unit.want(pack="2026.11.2")
    assert unit.run()
    assert unit.error == ""


def test_a_withdrawn_pack_in_force_stays_until_another_is_wanted(unit, fleet):
    """A unit without its newest pack would be less protected than with one somebody disliked."""
    for version in ("2026.11.1", "2026.11.2"):
        fleet.release_pack(version)
    unit.want(pack="2026.11.2")
    assert unit.run()
    withdraw(fleet, "2026.11.2", "slow")
    assert unit.run()
    assert unit.state["pack"] == "2026.11.2"
    unit.want(pack="2026.11.1")
    assert unit.run()
    assert unit.state["pack"] == "2026.11.1"


def test_the_reason_why_the_bridge_refuses_a_pack_is_reported_at_once(unit, fleet):
    fleet.release_pack("2026.11.1")
    unit.want(pack="2026.11.1")
    looks = []

    def bridge_says(_seconds: float) -> None:
        looks.append(1)
        status = {
            "time": unit.clock().isoformat(),
            "state": {"workers": 2},
            "pack": "0.9.0",
            "refused": {"2026.11.1": "SelfTestFailed: self-test: capture page: 1:7 is not found"},
        }
        unit.write("run/omamori/bridge/status.json", json.dumps(status).encode())

    assert not unit.run(sleep=bridge_says)
    assert unit.error == (
        "pack: the bridge did not take 2026.11.1: back to the factory pack"
        " (SelfTestFailed: self-test: capture page: 1:7 is not found)"
    )
    assert len(looks) == 1
