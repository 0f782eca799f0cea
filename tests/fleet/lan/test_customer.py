"""What a customer says of hosts: kept for the device at its site, audited, and nobody else's business."""

from datetime import timedelta

import pytest

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.queries import audit
from omamori.fleet.detections.queries import Filter, detections
from omamori.fleet.errors import Conflict, Invalid, NotFound
from omamori.fleet.ingest.operations import store
from omamori.fleet.lan import customer, queries
from omamori.fleet.lan.declarations import Declaration
from omamori.fleet.lan.models import Declared, Host, Ownership

MAC = "02:00:00:00:00:0a"
PC, SERVER = Declaration("reception-pc", MAC), Declaration("server")


@pytest.fixture
def key(seen):
    """The number of that device at the first unit."""
    assert len(seen.sites) == 2
    return queries.hosts(System(), unit="om-aaaa").get().pk


@pytest.fixture
def seen(fleet):
    """The same device at two units of one site, and its like at another's."""
    for unit, site in (("om-aaaa", 0), ("om-aaab", 0), ("om-bbbb", 1)):
        fleet.unit(unit, site)
        store([fleet.hosts(fleet.host(MAC, name="desktop-1"), unit=unit)])
    return fleet


def test_a_name_and_an_owner_hold_at_every_unit_of_the_site(seen):
    mine = seen.member("customer")
    key = queries.hosts(mine, unit="om-aaaa").get().pk
    said = customer.describe(mine, key, name="  経理のPC ", ownership=Ownership.PRIVATE)
    assert (str(said), said.name, said.ownership) == ("経理のPC", "desktop-1", "private")
    told = {row.unit_id: (row.called, row.ownership) for row in Host.objects.all()}
    assert told == {
        "om-aaaa": ("経理のPC", "private"),
        "om-aaab": ("経理のPC", "private"),
        "om-bbbb": ("desktop-1", ""),
    }
    record = audit(mine).first()
    assert (record.operation, record.target, record.actor) == ("host.describe", MAC, str(mine))
    assert record.details == {"given_name": "経理のPC", "ownership": "private"}


def test_what_was_said_outlives_reports_and_reaches_another_unit(seen):
    customer.describe(System(), queries.hosts(System(), unit="om-aaaa").get().pk, name="Keiri")
    seen.unit("om-aaac", 0)
    later = seen.host(MAC, name="desktop-2", seen=timedelta(hours=2))
    store([seen.hosts(later, sequence=9, unit=unit) for unit in ("om-aaaa", "om-aaac")])
    assert {row.called for row in queries.hosts(seen.member("customer"))} == {"Keiri"}


def test_saying_the_same_again_is_no_change(key):
    for _ in range(2):
        customer.describe(System(), key, name="Keiri")
    assert audit(System()).filter(operation="host.describe").count() == 1
    assert customer.describe(System(), key, name="").called == "desktop-1"


def test_detections_are_found_by_the_customers_name(seen):
    store([seen.detection(5, unit="om-aaaa", host=MAC)])
    customer.describe(System(), queries.hosts(System(), unit="om-aaaa").get().pk, name="Keiri")
    assert detections(System(), Filter(text="keiri")).count() == 1


@pytest.mark.parametrize("name", ["x" * 121, "bell\x07", "a\nb"])
def test_names_that_cannot_be(key, name):
    with pytest.raises(Invalid):
        customer.describe(System(), key, name=name)


def test_a_list_grows_and_can_be_replaced(fleet):
    mine, site = fleet.member("customer"), fleet.sites[0].pk
    assert customer.declare(mine, site, [PC, SERVER]) == customer.Change(added=2, kept=0)
    assert customer.declare(mine, site, [SERVER, Declaration("nas")]) == customer.Change(added=1, kept=2)
    change = customer.declare(mine, site, [Declaration("front desk", MAC)], replace=True)
    assert change == customer.Change(added=0, kept=1, removed=2)
    row = queries.declared(mine, site).get()
    assert (row.name, row.mac) == ("front desk", MAC)
    assert audit(mine).first().details == {"added": [], "count": 0, "removed": 2}
    customer.withdraw(mine, row.pk)
    assert not Declared.objects.exists()


def test_a_list_has_an_end(fleet):
    full = [Declaration(f"pc-{number}") for number in range(customer.DECLARED_CAP)]
    customer.declare(System(), fleet.sites[0].pk, full)
    with pytest.raises(Conflict):
        customer.declare(System(), fleet.sites[0].pk, [Declaration("one-more")])
    customer.declare(System(), fleet.sites[0].pk, [Declaration("one-more")], replace=True)
    assert Declared.objects.count() == 1


@pytest.mark.parametrize("level", ["customer", "reseller"])
def test_anothers_hosts_and_lists_do_not_exist(seen, level):
    mine, theirs, site = seen.member(level, 0), seen.member(level, 1), seen.sites[1].pk
    customer.declare(theirs, site, [PC])
    key, declared = queries.hosts(theirs).get().pk, queries.declared(theirs, site).get().pk
    assert not queries.declared(mine, site)
    for refused in (
        lambda: customer.describe(mine, key, name="mine now"),
        lambda: customer.declare(mine, site, [SERVER]),
        lambda: customer.withdraw(mine, declared),
    ):
        with pytest.raises(NotFound):
            refused()
    assert queries.hosts(theirs).get().called == "desktop-1"
