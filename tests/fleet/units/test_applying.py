"""When a firmware may restart a unit: what its customer chooses, how far it can be put off, and who may choose."""

from datetime import timedelta

import pytest
from django.utils import timezone

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.models import Audit
from omamori.fleet.errors import Conflict, Invalid, NotFound
from omamori.fleet.ingest.operations import raised, store
from omamori.fleet.units import applying, operations, queries
from omamori.fleet.units.models import Unit, Want
from omamori.protocol.fetching import Fetching
from omamori.protocol.messages import UpdateState, decode, encode
from omamori.protocol.messages import Want as Document
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase

NEW = Version.parse("1.1.0")
DAY = timedelta(days=1)


@pytest.fixture
def announced(fleet):
    """A unit that runs 1.0.0 and is to have 1.1.0, since now."""
    fleet.unit()
    store([fleet.state(1)])
    operations.want_versions(["om-0001"], firmware=NEW)
    return fleet


def document():
    """What the unit fetches, as it travels."""
    return decode(Document, encode(queries.want("om-0001")))


def test_a_postponement_reaches_the_unit(announced):
    now = timezone.now()
    until = now.replace(microsecond=0) + 3 * DAY
    generation = applying.postpone(announced.member("customer"), "om-0001", until, now=now)
    assert (document().generation, document().postponed_until) == (generation, until)
    assert raised() == [("om-0001", generation)]
    assert Audit.objects.get(operation="unit.postpone").actor.startswith("someone-customer")
    applying.resume(announced.member("customer"), "om-0001")
    assert document().postponed_until is None


@pytest.mark.usefixtures("announced")
def test_how_updates_come_reaches_the_unit_where_it_was_chosen():
    assert document().fetching is None
    generation = operations.set_fetching(System(), "om-0001", Fetching(125_000, "http://nas/"))
    assert (document().generation, document().fetching) == (generation, Fetching(125_000, "http://nas"))
    with pytest.raises(Invalid, match="at least 16,384"):
        operations.set_fetching(System(), "om-0001", Fetching(1))
    operations.set_fetching(System(), "om-0001", Fetching())
    assert document().fetching is None


@pytest.mark.usefixtures("announced")
@pytest.mark.parametrize("until", [timedelta(0), -DAY, applying.POSTPONE_MOST + DAY, timedelta(days=20_000)])
def test_nothing_is_put_off_to_the_past_or_beyond_the_limit(until):
    now = timezone.now()
    with pytest.raises(Invalid, match="a moment from now to"):
        applying.postpone(System(), "om-0001", now + until, now=now)
    assert document().postponed_until is None


@pytest.mark.usefixtures("announced")
def test_the_limit_does_not_move_with_each_postponement():
    begun = timezone.now()
    for day in (1, 9, 19, 29):
        applying.postpone(System(), "om-0001", begun + day * DAY, now=begun + (day - 1) * DAY)
    late = begun + applying.POSTPONE_MOST + timedelta(hours=1)
    with pytest.raises(Conflict, match="cannot be postponed any longer"):
        applying.postpone(System(), "om-0001", late + DAY, now=late)


@pytest.mark.usefixtures("fleet")
def test_a_deadline_is_the_limit_where_it_comes_first(fleet):
    fleet.unit()
    now = timezone.now()
    operations.want_versions(["om-0001"], firmware=NEW, deadline=now + 2 * DAY)
    assert document().deadline == now + 2 * DAY
    with pytest.raises(Invalid):
        applying.postpone(System(), "om-0001", now + 3 * DAY, now=now)
    applying.postpone(System(), "om-0001", now + DAY, now=now)


@pytest.mark.parametrize(
    "update", [UpdateState(UpdatePhase.COMMITTED, NEW), UpdateState(UpdatePhase.FAILED, NEW)]
)
def test_only_what_is_still_to_come_can_be_put_off(announced, update):
    runs = NEW if update.phase is UpdatePhase.COMMITTED else Version.parse("1.0.0")
    store([announced.state(2, update=update, firmware=runs)])
    with pytest.raises(Conflict, match="nothing to postpone"):
        applying.postpone(System(), "om-0001", timezone.now() + DAY, now=timezone.now())


def test_without_a_wanted_firmware_there_is_nothing_to_put_off(fleet):
    fleet.unit()
    with pytest.raises(Conflict):
        applying.postpone(System(), "om-0001", timezone.now() + DAY, now=timezone.now())
    assert applying.limit(Want.objects.get()) is None


@pytest.mark.usefixtures("announced")
def test_the_newest_choice_counts():
    now = timezone.now()
    operations.apply_now(System(), "om-0001")
    applying.postpone(System(), "om-0001", now + DAY, now=now)
    assert (document().apply, document().postponed_until) == ("window", now + DAY)
    operations.apply_now(System(), "om-0001")
    assert (document().apply, document().postponed_until) == ("now", None)
    applying.choose_way(System(), "om-0001", at_power_cycle=True)
    assert (document().apply, document().at_power_cycle) == ("window", True)


@pytest.mark.usefixtures("announced")
def test_the_next_firmware_is_put_off_by_nobody_but_keeps_the_way():
    now = timezone.now()
    applying.postpone(System(), "om-0001", now + DAY, now=now)
    applying.choose_way(System(), "om-0001", at_power_cycle=True)
    operations.want_versions(["om-0001"], pack=Version.parse("2026.11.9"))
    assert document().postponed_until == now + DAY, "a pack changes nothing about the firmware"
    operations.want_versions(["om-0001"], firmware=Version.parse("1.2.0"))
    assert (document().postponed_until, document().deadline) == (None, None)
    assert document().at_power_cycle


@pytest.mark.usefixtures("announced")
def test_what_a_staged_firmware_waits_for():
    now = timezone.now()
    said = [applying.waits_for(Want.objects.get(), now)]
    applying.postpone(System(), "om-0001", now + DAY, now=now)
    said += [
        applying.waits_for(Want.objects.get(), now),
        applying.waits_for(Want.objects.get(), now + 2 * DAY),
    ]
    applying.choose_way(System(), "om-0001", at_power_cycle=True)
    said.append(applying.waits_for(Want.objects.get(), now))
    operations.apply_now(System(), "om-0001")
    said.append(applying.waits_for(Want.objects.get(), now))
    assert said == ["window", "postponement", "window", "power cycle", "now"]


@pytest.mark.parametrize("level", ["operator", "reseller", "customer"])
def test_each_level_chooses_for_its_own_units_only(announced, level):
    announced.unit("om-0002", site=1)
    operations.want_versions(["om-0002"], firmware=NEW)
    now = timezone.now()
    mine = announced.member(level, 0)
    applying.postpone(mine, "om-0001", now + DAY, now=now)
    applying.choose_way(mine, "om-0001", at_power_cycle=True)
    applying.resume(mine, "om-0001")
    if level == "operator":
        return
    for choose in (
        lambda: applying.postpone(mine, "om-0002", now + DAY, now=now),
        lambda: applying.choose_way(mine, "om-0002", at_power_cycle=True),
        lambda: applying.resume(mine, "om-0002"),
    ):
        with pytest.raises(NotFound):
            choose()
    theirs = Unit.objects.get(pk="om-0002").want
    assert (theirs.generation, theirs.postponed_until, theirs.at_power_cycle) == (2, None, False)
