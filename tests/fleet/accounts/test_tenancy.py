"""Tenancy: every query, for every level, gives one's own and nothing of anybody else's."""

import pytest
from django.contrib.auth.models import AnonymousUser

from omamori.fleet.accounts import operations as accounts
from omamori.fleet.accounts.actor import Member, System, actor_of
from omamori.fleet.accounts.models import Audit, Membership, Operator, User
from omamori.fleet.accounts.queries import audit, customers, sites
from omamori.fleet.detections import export
from omamori.fleet.detections.queries import Filter, detection, detections
from omamori.fleet.errors import Conflict, Invalid, NotAllowed, NotFound
from omamori.fleet.ingest.operations import store
from omamori.fleet.ingest.queries import log
from omamori.fleet.lan.queries import host, hosts, wiring
from omamori.fleet.rollouts import operations as rollout_operations
from omamori.fleet.rollouts import queries as rollout_queries
from omamori.fleet.units import operations as unit_operations
from omamori.fleet.units import queries as unit_queries
from omamori.protocol.messages import Finding, Log, Upward, Wiring
from omamori.protocol.vocabulary import WiringCode
from omamori.protocol.window import RebootWindow

WINDOW = RebootWindow("Asia/Tokyo", (6,), "02:00", "04:00")


@pytest.fixture
def both(fleet):
    """One unit at each of two customers of two resellers, each with one of everything."""
    for number, site in (("om-aaaa", 0), ("om-bbbb", 1)):
        fleet.unit(number, site)
        store(
            [
                fleet.hosts(
                    fleet.host("02:00:00:00:00:01", name=f"host-of-{number}"), sequence=1, unit=number
                ),
                fleet.detection(2, unit=number, host="02:00:00:00:00:01"),
                Upward(number, fleet.boot, 3, Wiring(fleet.now, (Finding(WiringCode.OK, 1.0, fleet.now),))),
                Upward(number, fleet.boot, 4, Log(fleet.now, "agent", "info", number)),
            ]
        )
        unit_operations.set_window(System(), number, WINDOW)
    release = rollout_operations.add_release(System(), "pack", "2.0.0")
    rollout_operations.create(System(), release, rollout_operations.Audience(units=("om-bbbb",)))
    return fleet


LISTINGS = {
    "sites": lambda actor: {row.name[-1] for row in sites(actor)},
    "customers": lambda actor: {row.name[-1] for row in customers(actor)},
    "units": lambda actor: {row.site.name[-1] for row in unit_queries.units(actor)},
    "detections": lambda actor: {row.site.name[-1] for row in detections(actor)},
    "export": lambda actor: {str(row["site"])[-1] for row in export.rows(actor, Filter())},
    "hosts": lambda actor: {row.site.name[-1] for row in hosts(actor)},
    "wiring": lambda actor: {row.site.name[-1] for row in wiring(actor)},
    "log": lambda actor: {row.site.name[-1] for row in log(actor)},
    "members": lambda actor: {row.unit.site.name[-1] for row in rollout_queries.members(actor)} | {"A"},
    "audit": lambda actor: {row.site.name[-1] for row in audit(actor) if row.site},
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_a_listing_shows_ones_own_only(both, listing):
    seen = LISTINGS[listing]
    assert seen(System()) == seen(both.member("operator")) == {"A", "B"}
    for level in ("reseller", "customer"):
        assert seen(both.member(level, 0)) == {"A"}
        assert seen(both.member(level, 1)) - {"A"} == {"B"}


def test_another_operator_sees_nothing(both):
    stranger = Member("stranger", both.member("operator").level, Operator.objects.create(name="Other").pk)
    for name, seen in LISTINGS.items():
        assert not seen(stranger) - ({"A"} if name == "members" else set()), name


@pytest.mark.parametrize("level", ["reseller", "customer"])
def test_what_belongs_to_others_does_not_exist(both, level):
    mine, theirs = both.member(level, 0), both.member(level, 1)
    found = {"unit": "om-bbbb", "detection": detections(theirs).get().pk, "host": hosts(theirs).get().pk}
    single = {"unit": unit_queries.unit, "detection": detection, "host": host}
    for name, query in single.items():
        query(theirs, found[name])
        with pytest.raises(NotFound):
            query(mine, found[name])
    with pytest.raises(NotFound):
        unit_operations.set_window(mine, "om-bbbb", WINDOW)
    with pytest.raises(NotFound):
        unit_operations.apply_now(mine, "om-bbbb")


def test_rollouts_are_seen_by_those_they_touch(both):
    assert rollout_queries.rollouts(both.member("operator")).count() == 1
    assert rollout_queries.rollouts(both.member("customer", 1)).count() == 1
    assert rollout_queries.rollouts(both.member("customer", 0)).count() == 0
    assert (
        rollout_queries.progress(
            both.member("customer", 0), rollout_queries.rollouts(System()).get().pk
        ).total
        == 0
    )


def test_a_unit_that_moves_takes_no_history_with_it(both):
    unit_operations.move(System(), "om-aaaa", both.sites[1])
    store([both.detection(50, unit="om-aaaa")])
    assert {row.sequence for row in detections(both.member("customer", 0))} == {2}
    assert {(row.unit_id, row.sequence) for row in detections(both.member("customer", 1))} == {
        ("om-bbbb", 2),
        ("om-aaaa", 50),
    }
    assert hosts(both.member("customer", 0)).count() == 1
    assert hosts(both.member("customer", 1), unit="om-aaaa").count() == 0


@pytest.mark.parametrize("level", ["reseller", "customer"])
def test_only_the_operator_changes_security_releases_and_people(both, level):
    actor = both.member(level)
    release = rollout_queries.releases(System()).get()
    refused = (
        lambda: unit_operations.register(actor, "om-cccc", both.sites[0]),
        lambda: unit_operations.renew_claim(actor, "om-aaaa"),
        lambda: unit_operations.readmit(actor, "om-aaaa"),
        lambda: unit_operations.move(actor, "om-aaaa", both.sites[1]),
        lambda: rollout_operations.add_release(actor, "pack", "3.0.0"),
        lambda: rollout_operations.create(actor, release, rollout_operations.Audience(everything=True)),
        lambda: accounts.add_site(actor, reseller="R", customer="C", site="S"),
        lambda: accounts.add_user(actor, "u", "p", accounts.Belonging(actor.level, actor.tenant)),
    )
    for attempt in refused:
        with pytest.raises(NotAllowed):
            attempt()


def test_a_customer_may_choose_the_window_and_apply_now(both):
    customer = both.member("customer", 0)
    unit_operations.set_window(customer, "om-aaaa", RebootWindow("Europe/Paris", (1, 2), "12:00", "13:00"))
    unit_operations.apply_now(customer, "om-aaaa")
    latest = Audit.objects.order_by("-pk")[:2]
    assert [(row.operation, row.actor) for row in latest] == [
        ("unit.apply-now", str(customer)),
        ("unit.window", str(customer)),
    ]


def test_an_operator_cannot_roll_out_to_units_of_another(both):
    other = accounts.Operator.objects.create(name="Other")
    stranger = Member("stranger", both.member("operator").level, other.pk)
    release = rollout_queries.releases(stranger).get()
    with pytest.raises(Invalid, match="om-aaaa"):
        rollout_operations.create(stranger, release, rollout_operations.Audience(units=("om-aaaa",)))
    with pytest.raises(Invalid):
        rollout_operations.create(stranger, release, rollout_operations.Audience(everything=True))


def test_a_person_acts_for_one_tenant(both):
    user = both.user("hanako", "customer", 1)
    assert actor_of(user) == Member("hanako", both.member("customer").level, both.sites[1].customer_id)


def test_nobody_and_the_unattached_have_no_actor(both):
    with pytest.raises(NotAllowed):
        actor_of(AnonymousUser())
    with pytest.raises(NotAllowed):
        actor_of(User.objects.create(username="stray"))
    user = both.user("left")
    user.is_active = False
    with pytest.raises(NotAllowed):
        actor_of(user)


def test_a_membership_has_exactly_one_tenant(both):
    from django.db import IntegrityError, transaction

    user = User.objects.create(username="two")
    for tenants in ({}, {"operator": both.operator, "customer": both.sites[0].customer}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Membership.objects.create(user=user, **tenants)


@pytest.mark.parametrize("password", ["", "short", "password123", "12345678901"])
def test_weak_passwords_are_refused(fleet, password):
    belonging = accounts.Belonging(fleet.member().level, fleet.operator.pk)
    with pytest.raises(Invalid):
        accounts.add_user(System(), "weak", password, belonging)
    assert not User.objects.exists()


def test_a_name_is_taken_once(fleet):
    fleet.user("taro")
    with pytest.raises(Conflict):
        fleet.user("taro")
