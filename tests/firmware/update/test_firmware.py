"""Firmware from release to commit, and every way it ends otherwise, on a unit made of files and a real HTTPS server."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from omamori.firmware.update.slots import SlotDisk


def test_a_release_is_staged_tried_and_committed(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    before = unit.slot_bytes("a")
    assert unit.run()
    assert (unit.phase, unit.state["update"]["version"], unit.state["slot"]) == ("staged", "1.1.0", "a")
    assert unit.names == {"omamori-1.0.0.efi", "omamori-1.1.0+3.efi"}
    assert unit.slot_bytes("a") == before
    unit.write("run/omamori/agent/reboot", b"")
    assert unit.updater().apply()
    assert (unit.phase, unit.reboots) == ("trial", 1)
    assert not unit.paths.reboot.exists()
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert (unit.phase, unit.state["slot"], unit.state["healthy"]) == ("committed", "b", True)
    assert unit.names == {"omamori-1.0.0.efi", "omamori-1.1.0.efi"}
    assert "1.1.0: committed " in unit.log
    assert unit.run()
    assert unit.phase == "committed"


def test_the_next_release_goes_to_the_first_slot_again(unit, fleet):
    for version in ("1.1.0", "1.2.0", "1.3.0-rc.1"):
        fleet.release(version)
        unit.want(firmware=version)
        assert unit.run()
        assert unit.updater().apply()
        assert unit.power_on() == version
        unit.start_services()
        assert unit.phase == "committed"
    assert unit.boots == ["a", "b", "a", "b"]
    assert unit.names == {"omamori-1.2.0.efi", "omamori-1.3.0-rc.1.efi"}


def test_an_unhealthy_trial_falls_back_with_one_restart_and_is_never_tried_again(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.broken.add("1.1.0")
    unit.run()
    unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert unit.boots == ["a", "b", "a"]
    assert (unit.phase, unit.error) == ("failed", "bridge: says nothing")
    assert unit.state["update"]["version"] == "1.1.0"
    assert unit.names == {"omamori-1.0.0.efi"}
    fleet.server.asked.clear()
    unit.run()
    assert (unit.phase, unit.error) == ("failed", "bridge: says nothing")
    assert not fleet.server.asked
    fleet.release("1.1.1")
    unit.want(firmware="1.1.1")
    unit.run()
    assert unit.phase == "staged"


def test_a_slot_that_does_not_start_is_reported_by_the_old_one(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.updater().apply()
    unit.patch("root-b", b"bit rot")
    assert unit.power_on() == "1.0.0"
    assert unit.boots == ["a", "panic", "panic", "panic", "a"]
    unit.start_services()
    assert (unit.phase, unit.error) == ("failed", "trial: did not start")


def test_pulling_the_plug_is_a_natural_way_to_apply(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert unit.phase == "committed"


def test_a_staged_slot_that_never_starts_by_itself_is_reported_too(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.patch("root-b", b"bit rot")
    assert unit.power_on() == "1.0.0"
    unit.start_services()
    assert (unit.phase, unit.error) == ("failed", "trial: did not start")


def test_a_trial_must_reach_the_fleet_if_it_was_reached_before(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.updater().apply()
    unit.power_on()
    unit.agent(activated=True, connected=False)
    unit.start_services()
    assert (unit.phase, unit.error) == ("failed", "agent: does not reach the fleet")


def test_a_fleet_that_was_away_before_does_not_fail_a_trial(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.agent(activated=True, connected=False)
    unit.run()
    unit.updater().apply()
    unit.power_on()
    unit.start_services()
    assert unit.phase == "committed"


def test_a_port_that_does_not_forward_fails_a_trial(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.power_on()
    unit.write("sys/class/net/lan0/brport/state", b"1\n")
    unit.start_services()
    assert unit.error == "port lan0: does not forward (state 1)"


def test_success_is_only_what_the_blessed_slot_says(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.updater().apply()
    unit.power_on()
    assert unit.updater().health()
    unit.run()
    assert unit.phase == "trial"
    unit.bless()
    unit.updater().committed()
    assert unit.phase == "committed"


def test_a_restart_that_cannot_be_ordered_leaves_it_staged(unit, fleet):
    def refuse() -> None:
        raise OSError("no bus")

    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    assert not unit.updater(reboot=refuse).apply()
    assert (unit.phase, unit.error) == ("staged", "slot: cannot restart: no bus")


def test_apply_without_anything_staged_does_not_restart(unit):
    assert unit.updater().apply()
    assert unit.reboots == 0


def test_what_is_no_longer_wanted_does_not_start(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.want(firmware="1.0.0")
    unit.run()
    assert unit.phase == "idle"
    assert unit.names == {"omamori-1.0.0.efi"}
    assert unit.power_on() == "1.0.0"


def test_the_same_version_fetches_nothing(unit, fleet):
    unit.want(firmware="1.0.0")
    assert unit.run()
    assert unit.phase == "idle"
    assert not fleet.server.asked


def test_an_older_version_is_refused(unit, fleet):
    fleet.release("0.9.0")
    unit.want(firmware="0.9.0")
    assert not unit.run()
    assert (unit.phase, unit.error) == ("failed", "unsuitable: 0.9.0 is older than 1.0.0, which runs")


def test_staging_again_writes_nothing_that_is_there(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    before = (unit.root / "dev/disk/by-partlabel/root-b").stat().st_mtime_ns
    fleet.server.asked.clear()
    assert unit.run()
    assert not fleet.server.asked
    assert (unit.root / "dev/disk/by-partlabel/root-b").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_id": "another"}, "unsuitable: for another test"),
        ({"claims": "9.9.9"}, "unsuitable: the bundle of 1.1.0 says it is 9.9.9"),
        ({"format": 7}, "bundle:"),
        ({"files": []}, "bundle:"),
    ],
)
def test_a_signed_bundle_that_is_not_for_this_unit_never_reaches_the_slot(unit, fleet, changes, reason):
    fleet.release("1.1.0", **changes)
    unit.want(firmware="1.1.0")
    before = unit.slot_bytes("b")
    unit.run()
    assert unit.phase == "failed"
    assert unit.error.startswith(reason)
    assert unit.slot_bytes("b") == before


def test_a_signed_but_truncated_bundle_never_reaches_the_slot(unit, fleet):
    path = fleet.place / "short.bundle"
    path.write_bytes(fleet.release("1.1.0").read_bytes()[:200_000])
    fleet.sign_unchecked("firmware", "firmware/test-1.2.0.bundle", path)
    unit.want(firmware="1.2.0")
    before = unit.slot_bytes("b")
    unit.run()
    assert unit.error.startswith("bundle:")
    assert unit.slot_bytes("b") == before


def test_a_boot_image_for_the_running_slot_is_never_installed(unit, fleet, uki_of):
    """A bundle whose slot-b image names slot a would start the old root under a new name."""
    from omamori.firmware.update.errors import BadBundle

    disk = SlotDisk(unit.paths, "a")
    source = fleet.place / "wrong.efi"
    source.write_bytes(uki_of("a", "1.1.0", b"root"))
    with source.open("rb") as file, pytest.raises(BadBundle):
        disk.install("omamori-1.1.0+3.efi", file, "b", unit.version)
    assert unit.names == {"omamori-1.0.0.efi"}


def test_the_running_slot_is_never_written(unit):
    from omamori.firmware.update.errors import SlotProblem

    for running in ("a", ""):
        with pytest.raises(SlotProblem):
            SlotDisk(unit.paths, running).write("root-a", None, 1)


def test_without_a_boot_partition_nothing_is_staged_or_committed(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    (unit.root / "efi").rename(unit.root / "efi.gone")
    before = (unit.root / "dev/disk/by-partlabel/root-b").read_bytes()
    unit.run()
    assert unit.error.startswith("slot: the boot partition is not mounted")
    assert (unit.root / "dev/disk/by-partlabel/root-b").read_bytes() == before
    (unit.root / "efi.gone").rename(unit.root / "efi")
    assert unit.run()
    assert unit.phase == "staged"


def test_an_image_larger_than_its_partition_is_refused(unit, fleet):
    (unit.root / "dev/disk/by-partlabel/root-b").write_bytes(bytes(1000))
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    assert unit.error == "bundle: 300,000 bytes do not fit partition root-b of 1,000"
    assert unit.names == {"omamori-1.0.0.efi"}


def test_a_clock_at_1970_refuses_new_updates_and_keeps_running(unit, fleet):
    fleet.release("1.1.0")
    fleet.release_pack("2026.11.1")
    unit.want(firmware="1.1.0", pack="2026.11.1")
    unit.clock = lambda: datetime(1970, 1, 1, tzinfo=UTC)
    fleet.server.asked.clear()
    assert not unit.run(agreed=lambda _: None)
    assert unit.error.startswith("clock: the clock says 1970-01-01 00:00, it is after 2023-11-14")
    assert not fleet.server.asked
    unit.clock = lambda: datetime.now(UTC)
    assert unit.run()
    assert unit.phase == "staged"


def test_a_clock_before_the_last_known_time_is_wrong_too(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    fleet.release("1.2.0")
    unit.want(firmware="1.2.0")
    unit.clock = lambda: datetime.now(UTC) - timedelta(days=3)
    unit.run(agreed=lambda _: None)
    assert unit.error.startswith("clock:")


def test_a_damaged_journal_and_want_stop_nothing(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.write("var/lib/omamori/update/journal.json", b'{"phase": "no such"')
    assert unit.run()
    assert unit.phase == "staged"
    unit.write("var/lib/omamori/agent/want.json", b"\xff not JSON")
    assert unit.run()
    assert unit.phase == "staged"
    assert any(line.startswith("cannot read what is wanted") for line in unit.log)


def test_an_error_is_said_once_and_shown_until_it_is_over(unit, fleet):
    unit.want(firmware="1.1.0")
    for _ in range(3):
        assert not unit.run()
        assert unit.phase == "downloading"
        assert unit.error == "unpublished: firmware/test-1.1.0.bundle is not in the repository"
    assert len([line for line in unit.log if line.startswith("unpublished")]) == 1
    fleet.release("1.1.0")
    assert unit.run()
    assert unit.error == ""


def test_the_state_file_is_what_the_agent_expects(unit):
    unit.run()
    assert unit.state == {
        "update": {"phase": "idle", "version": None, "error": "", "changed": None},
        "pack": None,
        "slot": "a",
        "healthy": False,
        "fetched": 0,
    }
    assert json.loads(unit.paths.update_state.read_bytes())["slot"] == "a"
