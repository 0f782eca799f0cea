"""Back to an older version, only by an order that the firmware role signed, and through the same trial as forward."""

from datetime import UTC, datetime

import pytest

from omamori.firmware.update.updater import Updater
from omamori.protocol.version import Version
from omamori.signing import downgrade
from omamori.signing.errors import TargetError

OLD = Version(0, 9, 0)


def order(fleet, *newer: str) -> None:
    listed = [Version.parse(text) for text in newer]
    downgrade.allow(fleet.repository, "test", OLD, listed, datetime.now(UTC))
    fleet.publish()


@pytest.fixture
def wanting(unit, fleet):
    fleet.release("0.9.0")
    unit.want(firmware="0.9.0")
    return unit


def test_without_an_order_it_is_refused_and_with_one_it_is_tried_and_committed(wanting, fleet):
    assert not wanting.run()
    assert not wanting.run()
    assert (wanting.phase, wanting.error) == ("failed", "unsuitable: 0.9.0 is older than 1.0.0, which runs")
    assert len([line for line in wanting.log if "is older than" in line]) == 1
    order(fleet, "1.0.0", "1.0.1")
    assert wanting.run()
    assert (wanting.phase, wanting.error) == ("staged", "")
    assert wanting.names == {"omamori-1.0.0+0.efi", "omamori-0.9.0+3.efi"}
    assert wanting.updater().apply()
    assert wanting.power_on() == "0.9.0"
    wanting.start_services()
    assert wanting.phase == "committed"
    assert wanting.power_on() == "0.9.0", "the newer one comes back by itself"


def test_an_order_for_other_versions_is_none_for_this_one(wanting, fleet):
    order(fleet, "1.0.1", "2.0.0")
    assert not wanting.run()
    assert wanting.error.startswith("unsuitable: 0.9.0 is older")
    assert wanting.names == {"omamori-1.0.0.efi"}


def test_an_order_that_was_signed_away_is_over(wanting, fleet):
    order(fleet, "1.0.0")
    order(fleet)
    assert not wanting.run()
    assert wanting.error.startswith("unsuitable: 0.9.0 is older")


def test_an_older_one_that_is_not_healthy_falls_back_to_the_newer(wanting, fleet):
    order(fleet, "1.0.0")
    wanting.broken.add("0.9.0")
    assert wanting.run()
    assert wanting.power_on() == "0.9.0"
    wanting.start_services()
    assert wanting.boots[-1] == "a"
    assert str(wanting.version) == "1.0.0"
    assert (wanting.phase, wanting.error) == ("failed", "bridge: says nothing")
    assert wanting.names == {"omamori-1.0.0.efi"}, "blessed again, by its own health"
    assert wanting.run() is False
    assert wanting.names == {"omamori-1.0.0.efi"}, "tried once, never again"


def test_an_older_one_that_does_not_start_falls_back_too(wanting, fleet):
    order(fleet, "1.0.0")
    assert wanting.run()
    wanting.patch("root-b", b"bit rot")
    assert wanting.power_on() == "1.0.0"
    wanting.start_services()
    assert (wanting.phase, wanting.error) == ("failed", "trial: did not start")


def test_a_fleet_that_changes_its_mind_leaves_everything_as_it_was(wanting, fleet):
    order(fleet, "1.0.0")
    assert wanting.run()
    wanting.want(firmware="1.0.0")
    assert wanting.run()
    assert (wanting.phase, wanting.names) == ("idle", {"omamori-1.0.0.efi"})
    assert wanting.power_on() == "1.0.0"


def test_power_lost_before_the_newer_one_stepped_back_changes_nothing(wanting, fleet, power_cut):
    """The older entry is there, and the newer one is still first: the next run goes on from there."""
    order(fleet, "1.0.0")
    disk = wanting.world().disk

    def cut(*_: object) -> None:
        raise power_cut

    disk.rename = cut
    with pytest.raises(power_cut):
        Updater(wanting.world(disk=disk)).run()
    assert wanting.power_on() == "1.0.0"
    wanting.start_services()
    assert wanting.run()
    assert wanting.phase == "staged"
    assert wanting.power_on() == "0.9.0"


def test_forward_again_after_going_back(wanting, fleet):
    order(fleet, "1.0.0")
    wanting.run()
    wanting.power_on()
    wanting.start_services()
    fleet.release("1.1.0")
    wanting.want(firmware="1.1.0")
    assert wanting.run()
    assert wanting.power_on() == "1.1.0"
    wanting.start_services()
    assert wanting.phase == "committed"


def test_orders_that_make_no_sense_are_not_signed(fleet):
    fleet.release("0.9.0")
    now = datetime.now(UTC)
    for version, newer in ((OLD, [OLD]), (OLD, [Version(0, 8, 0)]), (Version(0, 7, 0), [OLD])):
        with pytest.raises(TargetError):
            downgrade.allow(fleet.repository, "test", version, newer, now)
    with pytest.raises(TargetError):
        downgrade.allow(fleet.repository, "test", OLD, [Version(1, 0, n) for n in range(51)], now)
