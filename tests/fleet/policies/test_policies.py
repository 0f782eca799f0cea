"""Exceptions and policies in the fleet: whose they are, who may change them, what a unit is told, and their bounds."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from omamori.fleet.accounts.actor import Member, System
from omamori.fleet.accounts.models import Audit, Operator
from omamori.fleet.accounts.operations import add_site
from omamori.fleet.commands import policies as commands
from omamori.fleet.errors import Conflict, Invalid, NotAllowed, NotFound
from omamori.fleet.policies import operations, queries
from omamori.fleet.policies.models import Exemption
from omamori.fleet.policies.operations import Criteria, scope
from omamori.fleet.units.models import Want as WantRow
from omamori.fleet.units.operations import move
from omamori.protocol import policy as wire
from omamori.protocol.messages import Want, encode

HOUR = timedelta(hours=1)
MAC = "02:00:00:00:00:20"


@pytest.fixture
def two(fleet):
    """Two units at the first site, one at the second."""
    fleet.unit("om-aaaa", 0)
    fleet.unit("om-aaab", 0)
    fleet.unit("om-bbbb", 1)
    return fleet


def generation(unit):
    return WantRow.objects.get(pk=unit).generation


def add(fleet, actor=None, *, unit="", site=None, lasts=HOUR, reason="a false alarm", **criteria):
    who = actor or System()
    criteria = Criteria(**(criteria or {"rule": "2010001"}))
    return operations.add(
        who, scope(who, unit=unit, site=site), criteria, lasts=lasts, reason=reason, now=fleet.now
    )


def policy(fleet, unit, after=timedelta(0)):
    return queries.policy_of(queries.Unit.objects.get(pk=unit), now=fleet.now + after)


def test_a_unit_is_told_its_own_and_its_sites_exceptions_until_they_end(two):
    before = {unit: generation(unit) for unit in ("om-aaaa", "om-aaab", "om-bbbb")}
    mine = add(two, unit="om-aaaa", host=MAC.upper().replace(":", "-"), destination="*.Shop.example")
    all_ = add(two, site=two.sites[0].pk, lasts=2 * HOUR)
    assert policy(two, "om-aaaa").exemptions == (
        wire.Exemption(mine.pk, mine.until, MAC, "", "shop.example"),
        wire.Exemption(all_.pk, all_.until, None, "1:2010001", ""),
    )
    assert [each.number for each in policy(two, "om-aaab").exemptions] == [all_.pk]
    assert policy(two, "om-bbbb") == wire.Policy()
    assert [each.number for each in policy(two, "om-aaaa", HOUR).exemptions] == [all_.pk]
    assert {unit: generation(unit) - was for unit, was in before.items()} == {
        "om-aaaa": 2,
        "om-aaab": 1,
        "om-bbbb": 0,
    }


def test_an_exception_is_ended_once_and_kept_for_the_record(two):
    made = add(two, unit="om-aaaa")
    raised = generation("om-aaaa")
    operations.end(System("desk"), made.pk, reason="not needed", now=two.now)
    assert policy(two, "om-aaaa").exemptions == ()
    assert generation("om-aaaa") == raised + 1
    with pytest.raises(Conflict):
        operations.end(System(), made.pk, reason="again", now=two.now)
    with pytest.raises(NotFound):
        operations.end(System(), 10**9, reason="x", now=two.now)
    kept = queries.exemptions(System(), unit="om-aaaa").get()
    assert (kept.ended, kept.ended_by, kept.reason) == (two.now, "desk", "a false alarm")
    trail = [
        (row.operation, row.actor, row.details["reason"])
        for row in Audit.objects.filter(operation__startswith="exception")
    ]
    assert trail == [("exception.add", "system", "a false alarm"), ("exception.end", "desk", "not needed")]


def test_only_the_operator_changes_and_everyone_sees_ones_own(two):
    operator = two.member("operator")
    made = add(two, operator, unit="om-aaaa")
    other = add(two, operator, site=two.sites[1].pk)
    for level in ("reseller", "customer"):
        who = two.member(level, 0)
        assert [row.pk for row in queries.exemptions(who)] == [made.pk]
        with pytest.raises(NotFound):
            queries.exemption(who, other.pk)
        with pytest.raises(NotAllowed):
            add(two, who, unit="om-aaaa")
        with pytest.raises(NotAllowed):
            operations.end(who, made.pk, reason="x", now=two.now)
        with pytest.raises(NotAllowed):
            operations.block_categories(who, scope(who, unit="om-aaaa"), ["games"], blocked=True)
        with pytest.raises(NotAllowed):
            operations.respond(who, scope(who, unit="om-aaaa"), "ips", "log", reason="x")
        with pytest.raises(NotAllowed):
            operations.set_trial(who, scope(who, unit="om-aaaa"), 5)
        with pytest.raises(NotFound):
            scope(who, unit="om-bbbb")
        with pytest.raises(NotFound):
            scope(who, site=two.sites[1].pk)
    stranger = Member("stranger", operator.level, Operator.objects.create(name="Other").pk)
    assert not queries.exemptions(stranger)
    with pytest.raises(NotFound):
        operations.end(stranger, made.pk, reason="x", now=two.now)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rule": "", "host": " "}, "names a host, a rule or a destination"),
        ({"host": "02:00"}, "not a MAC address"),
        ({"rule": "drop everything"}, "not a rule"),
        ({"destination": "0.0.0.0/0"}, "all addresses"),
        ({"destination": "a b"}, "not an address, network or domain"),
        ({"lasts": timedelta(0)}, "lasts up to 366 days"),
        ({"lasts": timedelta(days=367)}, "lasts up to 366 days"),
        ({"reason": " \n"}, "say why"),
        ({"unit": "", "site": None}, "a unit or a site"),
        ({"unit": "om-aaaa", "site": 1}, "a unit or a site"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(two, changes, said):
    raised = generation("om-aaaa")
    with pytest.raises(Invalid, match=said):
        add(two, **({"unit": "om-aaaa"} | changes))
    assert not Exemption.objects.exists()
    assert generation("om-aaaa") == raised


def test_no_unit_gets_more_than_fit_one_message(two):
    for number in range(wire.MAX_EXEMPTIONS - 1):
        add(
            two,
            unit="om-aaaa",
            rule="wg:" + "x" * 70 + f"{number}",
            destination="d." * 120 + "example",
            host=MAC,
        )
    add(two, site=two.sites[0].pk)
    for place in ({"unit": "om-aaaa"}, {"site": two.sites[0].pk}):
        with pytest.raises(Conflict, match="100 exceptions already"):
            add(two, **place)
    add(two, unit="om-aaab")
    found = policy(two, "om-aaaa")
    assert len(found.exemptions) == wire.MAX_EXEMPTIONS
    assert len(encode(Want(1, policy=found))) < 64 * 1024
    two.now += 2 * HOUR
    add(two, unit="om-aaaa")


def test_standing_policy_of_site_and_unit(two):
    site, unit = scope(System(), site=two.sites[0].pk), scope(System(), unit="om-aaaa")
    operations.block_categories(System(), site, ["Games", "dating"], blocked=True)
    operations.block_categories(System(), unit, ["chat"], blocked=True)
    operations.respond(System(), site, "2024897", "log", reason="noisy")
    operations.respond(System(), site, "av", "block", reason="wanted so")
    operations.respond(System(), unit, "2024897", "block", reason="but not here")
    operations.set_trial(System(), site, 7)
    operations.set_trial(System(), unit, 0)
    assert policy(two, "om-aaaa") == wire.Policy(
        (),
        ("chat", "dating", "games"),
        (wire.Change("1:2024897", "block"), wire.Change("av", "block")),
        0,
    )
    assert policy(two, "om-aaab").trial_days == 7
    assert policy(two, "om-bbbb") == wire.Policy()
    operations.block_categories(System(), site, ["dating", "games"], blocked=False)
    operations.respond(System(), site, "av", "", reason="back")
    assert policy(two, "om-aaaa") == wire.Policy((), ("chat",), (wire.Change("1:2024897", "block"),), 0)


@pytest.mark.usefixtures("two")
def test_standing_policy_is_bounded_and_checked():
    unit = scope(System(), unit="om-aaaa")
    with pytest.raises(Invalid):
        operations.block_categories(System(), unit, ["no/category"], blocked=True)
    with pytest.raises(Conflict):
        operations.block_categories(System(), unit, [f"c{n}" for n in range(60)], blocked=True)
    with pytest.raises(Invalid):
        operations.respond(System(), unit, "uf", "block", reason="x")
    with pytest.raises(Invalid):
        operations.set_trial(System(), unit, 1000)
    for number in range(wire.MAX_CHANGES // 2):
        operations.respond(System(), unit, f"1:{number}", "log", reason="x")
    with pytest.raises(Conflict):
        operations.respond(System(), unit, "1:99999", "log", reason="x")


def test_a_unit_that_moves_leaves_its_policy_with_the_site(two):
    add(two, unit="om-aaaa")
    unit = scope(System(), unit="om-aaaa")
    operations.block_categories(System(), unit, ["games"], blocked=True)
    raised = generation("om-aaaa")
    move(System(), "om-aaaa", two.sites[1])
    assert policy(two, "om-aaaa") == wire.Policy()
    assert generation("om-aaaa") == raised + 1
    operations.block_categories(System(), scope(System(), unit="om-aaaa"), ["chat"], blocked=True)
    assert policy(two, "om-aaaa").blocked_categories == ("chat",)
    assert [row.site_id for row in queries.exemptions(two.member("customer", 0))] == [two.sites[0].pk]


def run(group, *words):
    done = CliRunner().invoke(group, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def test_the_command_line(two):
    said = run(
        commands.exceptions, "add", "--unit", "om-aaaa", "--rule", "7", "--for", "30m", "--reason", "why"
    )
    number = said.output.strip()
    (row,) = json.loads(run(commands.exceptions, "list", "--unit", "om-aaaa", "--json").output)
    assert (str(row["exception"]), row["rule"], row["reason"], row["active"]) == (number, "1:7", "why", True)
    run(commands.exceptions, "end", number, "--reason", "done")
    assert json.loads(run(commands.exceptions, "list", "--json").output) == []
    assert len(json.loads(run(commands.exceptions, "list", "--all", "--json").output)) == 1
    run(commands.policy, "block", "--site", str(two.sites[0].pk), "games")
    run(commands.policy, "respond", "--unit", "om-aaaa", "ips", "log", "--reason", "trial")
    run(commands.policy, "trial", "--unit", "om-aaaa", "14")
    shown = json.loads(run(commands.policy, "show", "om-aaaa", "--json").output)
    assert shown == {
        "exemptions": [],
        "blocked_categories": ["games"],
        "changes": [{"subject": "ips", "response": "log"}],
        "trial_days": 14,
    }
    run(commands.policy, "unblock", "--site", str(two.sites[0].pk), "games")
    assert run(commands.policy, "show", "om-aaaa").output.startswith("exemptions")


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("text", ["", "7", "7w", "-1d", "1.5h", "9999999999d"])
def test_durations_that_are_none(text):
    with pytest.raises(Invalid):
        run(commands.exceptions, "add", "--unit", "om-aaaa", "--rule", "7", "--for", text, "--reason", "why")
    assert not Exemption.objects.exists()


def test_which_units_have_not_fetched_it_yet(two):
    mine, all_ = add(two, unit="om-aaaa"), add(two, site=two.sites[0].pk)
    assert (queries.waiting(mine), queries.waiting(all_)) == (1, 2)
    WantRow.objects.filter(pk="om-aaaa").update(taken=generation("om-aaaa"))
    assert (queries.waiting(mine), queries.waiting(all_)) == (0, 1)


def test_a_second_site_of_a_customer_is_another_scope(two):
    place = add_site(System(), reseller="Reseller A", customer="Customer A", site="Site C")
    add(two, site=place.pk)
    assert policy(two, "om-aaaa") == wire.Policy()
