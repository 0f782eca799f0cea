"""An operator undoes a merge: for the operator alone, told to every unit of the site, and taken back the same way."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.models import Audit
from omamori.fleet.commands.hosts import hosts as commands
from omamori.fleet.errors import Conflict, Invalid, NotAllowed, NotFound
from omamori.fleet.ingest.operations import store
from omamori.fleet.lan import apart
from omamori.fleet.lan.models import Apart, Host
from omamori.fleet.units.models import Unit, Want
from omamori.protocol.messages import MAX_APART

ONE, TWO = "02:00:00:00:00:01", "02:00:00:00:00:02"
WHY = "the customer has two of them"


@pytest.fixture
def host(fleet):
    """A second host that its unit takes for the first."""
    fleet.unit()
    fleet.unit("om-0002")
    fleet.unit("om-0009", 1)
    joined = replace(fleet.host(TWO), device=ONE, device_reason="interfaces")
    store([fleet.hosts(fleet.host(ONE), joined)])
    return Host.objects.get(mac=TWO)


def generations():
    return dict(Want.objects.values_list("unit_id", "generation"))


def test_two_hosts_are_parted_and_every_unit_of_the_site_is_told(fleet, host):
    before = generations()
    pair = apart.part(System(), host.pk, reason=WHY, now=fleet.now)
    assert (pair.first, pair.second, pair.reason) == (ONE, TWO, WHY)
    raised = {unit for unit, number in generations().items() if number > before[unit]}
    assert raised == {"om-0001", "om-0002"}
    for key, pairs in (("om-0001", ((ONE, TWO),)), ("om-0002", ((ONE, TWO),)), ("om-0009", ())):
        assert apart.pairs_for(Unit.objects.get(pk=key)) == pairs
    assert Host.objects.get(mac=TWO).device == ""
    (row,) = Audit.objects.filter(operation="hosts.part")
    assert (row.target, row.site, row.details) == (f"{ONE} and {TWO}", fleet.sites[0], {"reason": WHY})


def test_it_is_taken_back_with_a_reason_and_leaves_its_record(fleet, host):
    pair = apart.part(System(), host.pk, reason=WHY, now=fleet.now)
    before = generations()
    apart.rejoin(System(), pair.pk, reason="they are one after all")
    assert not Apart.objects.exists()
    assert apart.pairs_for(Unit.objects.get(pk="om-0001")) == ()
    assert generations()["om-0001"] > before["om-0001"]
    assert Audit.objects.filter(operation="hosts.rejoin").count() == 1


def test_only_the_operator_may_and_only_where_it_sees(fleet, host):
    pair = apart.part(System(), host.pk, reason=WHY, now=fleet.now)
    for level in ("customer", "reseller"):
        with pytest.raises(NotAllowed):
            apart.part(fleet.member(level), host.pk, reason=WHY, now=fleet.now)
        with pytest.raises(NotAllowed):
            apart.rejoin(fleet.member(level), pair.pk, reason=WHY)
    for call in (
        lambda: apart.part(fleet.member(), 10**9, reason=WHY, now=fleet.now),
        lambda: apart.rejoin(fleet.member(), 10**9, reason=WHY),
    ):
        with pytest.raises(NotFound):
            call()
    apart.rejoin(fleet.member(), pair.pk, reason=WHY)


def test_what_cannot_be_parted_is_refused_and_nothing_is_told(fleet, host):
    first, before = Host.objects.get(mac=ONE), generations()
    with pytest.raises(Conflict):
        apart.part(System(), first.pk, reason=WHY, now=fleet.now)
    with pytest.raises(Invalid):
        apart.part(System(), host.pk, reason="  ", now=fleet.now)
    full = [
        Apart(site=host.site, first=ONE, second=f"02:00:00:00:01:{n:02x}", added=fleet.now)
        for n in range(MAX_APART)
    ]
    Apart.objects.bulk_create(full)
    with pytest.raises(Conflict):
        apart.part(System(), host.pk, reason=WHY, now=fleet.now)
    assert generations() == before


def test_a_late_report_of_the_old_conclusion_may_be_parted_again(fleet, host):
    apart.part(System(), host.pk, reason=WHY, now=fleet.now)
    late = replace(fleet.host(TWO, seen=timedelta(minutes=1)), device=ONE, device_reason="interfaces")
    store([fleet.hosts(late, sequence=2)])
    apart.part(System(), host.pk, reason=WHY, now=fleet.now)
    assert (Host.objects.get(mac=TWO).device, Apart.objects.count()) == ("", 1)


def test_the_command_line_parts_lists_and_rejoins(fleet, host):
    def run(*words):
        done = CliRunner().invoke(commands, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    number = run("part", str(host.pk), "--reason", WHY).strip()
    (row,) = json.loads(run("apart", "--site", str(fleet.sites[0].pk), "--json"))
    assert (str(row["pair"]), row["first"], row["second"], row["reason"]) == (number, ONE, TWO, WHY)
    assert json.loads(run("apart", "--site", str(fleet.sites[1].pk), "--json")) == []
    run("rejoin", number, "--reason", "one after all")
    assert json.loads(run("apart", "--json")) == []
