"""Packs: fetched, linked, taken by the bridge, or rolled back; and only what was verified ever gets a name."""

import subprocess

import pytest

from omamori.firmware.update import packs
from omamori.protocol.version import Version


def test_a_pack_is_in_force_once_the_bridge_says_so(unit, fleet):
    source = fleet.release_pack("2026.11.1")
    unit.want(pack="2026.11.1")
    assert unit.run()
    assert unit.state["pack"] == "2026.11.1"
    assert unit.paths.current_pack.resolve().read_bytes() == source.read_bytes()
    assert unit.phase == "idle"
    assert "pack 2026.11.1 is in force" in unit.log


def test_the_one_before_is_kept_and_older_ones_are_not(unit, fleet):
    for version in ("2026.11.1", "2026.11.2", "2026.11.3"):
        fleet.release_pack(version)
        unit.want(pack=version)
        assert unit.run()
    assert {path.name for path in unit.paths.packs.iterdir()} == {
        "2026.11.2.pack",
        "2026.11.3.pack",
        "current.pack",
    }


def test_a_pack_the_bridge_refuses_is_rolled_back_once(unit, fleet):
    for version in ("2026.11.1", "2026.11.2"):
        fleet.release_pack(version)
    unit.want(pack="2026.11.1")
    unit.run()
    unit.refuses.add("2026.11.2")
    unit.want(pack="2026.11.2")
    assert not unit.run()
    assert unit.state["pack"] == "2026.11.1"
    assert unit.error == "pack: the bridge did not take 2026.11.2: back to 2026.11.1"
    fleet.server.asked.clear()
    assert not unit.run()
    assert not fleet.server.asked
    fleet.release_pack("2026.11.3")
    unit.want(pack="2026.11.3")
    assert unit.run()
    assert (unit.state["pack"], unit.error) == ("2026.11.3", "")


def test_the_first_pack_refused_goes_back_to_the_factorys(unit, fleet):
    fleet.release_pack("2026.11.1")
    unit.refuses.add("2026.11.1")
    unit.want(pack="2026.11.1")
    assert not unit.run()
    assert unit.error == "pack: the bridge did not take 2026.11.1: back to the factory pack"
    assert not unit.paths.current_pack.is_symlink()
    assert packs.current(unit.paths) is None


def test_a_refusal_is_told_beside_a_firmware_that_failed_before(unit, fleet):
    fleet.release("1.1.0")
    unit.broken.add("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.power_on()
    unit.start_services()
    assert unit.phase == "failed"
    failed = unit.error
    fleet.release_pack("2026.11.2")
    unit.refuses.add("2026.11.2")
    unit.want(firmware="1.1.0", pack="2026.11.2", generation=2)
    unit.run()
    assert unit.error.startswith("pack: the bridge did not take 2026.11.2:"), "by which the fleet knows it"
    assert unit.error.endswith(f"; {failed}")


def test_a_silent_bridge_decides_later(unit, fleet):
    fleet.release_pack("2026.11.1")
    unit.want(pack="2026.11.1")
    unit.silent = True
    unit.bridge()
    assert not unit.run()
    assert unit.error == "pack: 2026.11.1 waits for the bridge, which says nothing"
    unit.silent = False
    unit.refuses.add("2026.11.1")
    assert not unit.run()
    assert unit.error.startswith("pack: the bridge did not take")


def test_an_older_pack_may_be_wanted_again(unit, fleet):
    for version in ("2026.11.1", "2026.11.2"):
        fleet.release_pack(version)
    for version in ("2026.11.2", "2026.11.1"):
        unit.want(pack=version)
        assert unit.run()
        assert unit.state["pack"] == version


def test_a_failing_pack_does_not_hold_up_firmware(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0", pack="2026.11.9")
    assert not unit.run()
    assert unit.phase == "staged"
    assert unit.error == "unpublished: signatures/2026.11.9.pack is not in the repository"


def test_a_strange_link_counts_as_none(unit):
    unit.paths.packs.mkdir(parents=True)
    unit.paths.current_pack.symlink_to("../../etc/passwd")
    assert packs.current(unit.paths) is None
    packs.link(unit.paths, Version.parse("1.2.3"))
    assert packs.current(unit.paths) == Version.parse("1.2.3")


def test_the_factorys_pack_is_not_fetched_when_it_is_what_is_wanted(unit, fleet):
    unit.want(pack="0.9.0")
    assert unit.run()
    assert not fleet.server.asked


@pytest.mark.root
def test_a_pack_is_applied_where_packs_and_downloads_are_mounted_apart(unit, fleet):
    """As the sandbox of the service has it: a rename does not cross mounts."""
    place = unit.paths.packs
    place.mkdir(parents=True, exist_ok=True)
    source = fleet.release_pack("2026.11.1")
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        unit.want(pack="2026.11.1")
        assert unit.run()
        assert unit.paths.current_pack.resolve().read_bytes() == source.read_bytes()
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_pack_wanted_while_a_firmware_is_fetched_is_applied_in_the_same_run(unit, fleet):
    """Nothing starts the service again for a change it slept through."""
    fleet.release("1.1.0")
    fleet.release_pack("2026.11.1")

    def want_more(handler) -> None:
        unit.want(firmware="1.1.0", pack="2026.11.1")
        handler.whole()

    fleet.server.faults[".bundle"] = want_more
    unit.want(firmware="1.1.0")
    assert unit.run()
    assert unit.phase == "staged"
    assert unit.state["pack"] == "2026.11.1"


def test_a_pack_ordered_while_a_firmware_is_fetched_goes_first(unit, fleet):
    fleet.release("1.1.0")
    fleet.release_pack("2026.11.1")
    unit.want(firmware="1.1.0")

    def order_half_way(handler):
        handler.server.faults.clear()
        whole = fleet.served("targets/firmware/*.bundle").read_bytes()
        handler.answer(whole[: len(whole) // 2], length=len(whole))
        unit.want(firmware="1.1.0", pack="2026.11.1")
        handler.wfile.write(whole[len(whole) // 2 :])

    fleet.server.faults[".bundle"] = order_half_way
    assert unit.run()
    assert (unit.phase, unit.state["pack"]) == ("staged", "2026.11.1")
    asked = [(path, range_) for path, range_ in fleet.server.asked if "/targets/" in path]
    targets = [(path, range_) for path, range_ in asked if not path.endswith(".chunks")]
    assert [path.split("/")[3] for path, _ in targets] == ["firmware", "signatures", "firmware"]
    assert targets[2][1].startswith("bytes="), "the half that was there is fetched again"
    staged = next(line for line in unit.log if line.startswith("1.1.0 is staged in slot b"))
    assert unit.log.index("pack 2026.11.1 is in force") < unit.log.index(staged)


def test_a_pack_ordered_while_another_is_fetched_goes_before_the_firmware(unit, fleet):
    """The one on its way was withdrawn: the one before is not to wait for the firmware."""
    fleet.release("1.1.0")
    for version in ("2026.11.1", "2026.11.2"):
        fleet.release_pack(version)
    unit.want(firmware="1.1.0", pack="2026.11.2")

    def withdrawn_meanwhile(handler):
        handler.server.faults.clear()
        unit.want(firmware="1.1.0", pack="2026.11.1", generation=2)
        handler.whole()

    fleet.server.faults[".pack"] = withdrawn_meanwhile
    assert unit.run()
    assert (unit.phase, unit.state["pack"]) == ("staged", "2026.11.1")
    staged = next(line for line in unit.log if line.startswith("1.1.0 is staged"))
    assert (
        unit.log.index("1.1.0 waits for a pack")
        < unit.log.index("pack 2026.11.1 is in force")
        < unit.log.index(staged)
    )


def test_an_order_that_changes_no_pack_does_not_disturb_a_download(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")

    def touch_half_way(handler):
        unit.want(firmware="1.1.0")
        handler.whole()

    fleet.server.faults[".bundle"] = touch_half_way
    assert unit.run()
    assert sum(path.endswith(".bundle") for path, _ in fleet.server.asked) == 1
