"""What one firmware wrote, another one reads: forward after an update, and back after a fall-back."""

import json

EARLIER = {"phase": "failed", "version": "1.1.0", "error": "bridge: says nothing", "rejected": "1.1.0"}


def keep(unit, value: dict) -> None:
    unit.write("var/lib/omamori/update/journal.json", json.dumps(value).encode())


def test_a_journal_of_an_earlier_firmware_still_says_what_must_not_be_tried_again(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    keep(unit, EARLIER)
    unit.run()
    assert (unit.phase, unit.error) == ("failed", "bridge: says nothing")
    assert not fleet.server.asked


def test_a_journal_of_a_later_firmware_is_read_as_far_as_it_is_understood(unit, fleet):
    """The later one fell back, and left fields that this one has never heard of."""
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    keep(unit, {**EARLIER, "format": 9, "of 2031": {"x": [1]}, "by_hand": None, "fetched": 7})
    unit.run()
    assert (unit.phase, unit.state["fetched"]) == ("failed", 7)
    assert not fleet.server.asked


def test_a_phase_that_only_a_later_firmware_knows_hides_nothing_else(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    keep(unit, {**EARLIER, "phase": "rehearsing"})
    unit.run()
    assert unit.phase == "idle"
    assert not any(path.endswith(".bundle") for path, _ in fleet.server.asked)


def test_settings_of_a_later_firmware_keep_their_brake(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.write("var/lib/omamori/update/fetching.json", b'{"rate": 5000000, "hours": [1, 5]}')
    assert unit.run()
    assert unit.phase == "staged"
