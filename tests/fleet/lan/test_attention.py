"""The daily question: which units need the help desk though nobody called."""

import json
from dataclasses import asdict
from datetime import timedelta
from string import Formatter

import pytest
from click.testing import CliRunner

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.models import Site
from omamori.fleet.accounts.operations import add_site, describe_site
from omamori.fleet.commands import coverage as commands
from omamori.fleet.errors import NotAllowed
from omamori.fleet.ingest import operations
from omamori.fleet.lan import customer
from omamori.fleet.lan.attention import ARRIVES, STEPS, attention, plain
from omamori.fleet.lan.declarations import Declaration
from omamori.fleet.lan.evidence import SENTENCES, Evidence, Reason
from omamori.fleet.lan.models import CoverageDay
from omamori.fleet.units.models import Unit
from omamori.protocol import messages as m
from omamori.protocol.codes import CODES
from omamori.protocol.vocabulary import WiringCode

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def fleet(fleet):
    """A unit that is online, activated a month ago, and told of traffic an hour ago."""
    fleet.unit("om-well")
    live(fleet, "om-well")
    operations.store([fleet.detection(1, unit="om-well", time=fleet.now - HOUR)])
    return fleet


def live(fleet, unit, *, online=True, last=timedelta(0), activated=30 * DAY):
    Unit.objects.filter(pk=unit).update(
        activated=fleet.now - activated, online=online, last_seen=fleet.now - last
    )


def told(fleet, actor=None):
    return {row.unit.pk: row.reason.value for row in attention(actor or System(), now=fleet.now)}


def diagnosed(fleet, unit, *codes):
    findings = tuple(m.Finding(code, 0.9, fleet.now) for code in codes)
    operations.store([m.Upward(unit, fleet.boot, 70, m.Wiring(fleet.now, findings))])


def test_a_unit_that_is_well_is_not_told(fleet):
    assert told(fleet) == {}


def test_a_unit_that_was_shipped_and_never_came_is_told_after_its_time(fleet):
    for unit, ago in (("om-late", ARRIVES + DAY), ("om-fresh", ARRIVES - DAY)):
        fleet.unit(unit, activated=False)
        Unit.objects.filter(pk=unit).update(registered=fleet.now - ago)
    (row,) = attention(System(), now=fleet.now)
    assert (row.unit.pk, row.reason, row.since) == ("om-late", "never-came", fleet.now - ARRIVES - DAY)
    assert row.evidence.said.en == "registered 15 days ago, never activated"


def test_a_unit_that_went_silent_is_told_but_not_one_of_the_weekend(fleet):
    for unit, last in (("om-gone", 4 * DAY), ("om-weekend", 2 * DAY)):
        fleet.unit(unit)
        live(fleet, unit, online=False, last=last)
    assert told(fleet) == {"om-gone": "went-silent"}


def test_a_unit_that_came_and_never_said_a_word_is_silent_too(fleet):
    fleet.unit("om-mute")
    live(fleet, "om-mute", online=False)
    Unit.objects.filter(pk="om-mute").update(last_seen=None)
    assert told(fleet) == {"om-mute": "went-silent"}


@pytest.mark.parametrize(
    ("sign", "heard"), [("", False), ("old", False), ("detection", True), ("usage", True)]
)
def test_a_unit_that_is_online_and_logs_nothing_is_told(fleet, sign, heard):
    fleet.unit("om-idle")
    subject = m.Usage(
        fleet.now - HOUR, 3600, (m.UsageHost("10.0.0.1"),), (m.UsageSubject(),), ((0, 0, 1, 9, 9),)
    )
    said = {
        "old": fleet.detection(5, unit="om-idle", time=fleet.now - 5 * DAY),
        "detection": fleet.detection(5, unit="om-idle", time=fleet.now - DAY),
        "usage": m.Upward("om-idle", fleet.boot, 5, subject),
    }
    operations.store([said[sign]] if sign else [])
    live(fleet, "om-idle")
    assert told(fleet) == ({} if heard else {"om-idle": "logs-nothing"})
    live(fleet, "om-idle", activated=2 * DAY)
    assert told(fleet) == {}, "a new unit is given time"


def test_a_site_that_covers_far_fewer_hosts_than_declared_is_told(fleet):
    site = fleet.sites[0].pk
    customer.declare(System(), site, [Declaration(f"pc-{n}") for n in range(5)])
    operations.store([fleet.hosts(*_pcs(fleet, 2), sequence=2, unit="om-well")])
    (row,) = attention(System(), now=fleet.now)
    assert (row.unit.pk, row.reason.value) == ("om-well", "few-hosts")
    assert row.evidence.said.en == "2 of 5 declared hosts are covered, 0 are on the wrong side"
    operations.store([fleet.hosts(*_pcs(fleet, 3), sequence=3, unit="om-well")])
    assert told(fleet) == {}


def _pcs(fleet, count):
    return [fleet.host(f"02:00:00:00:02:{n:02x}", name=f"PC-{n}") for n in range(count)]


def test_the_next_step_is_what_the_wiring_says_where_it_explains_the_silence(fleet):
    fleet.unit("om-idle")
    diagnosed(fleet, "om-idle", WiringCode.HOSTS_BYPASS, WiringCode.DOUBLE_NAT)
    live(fleet, "om-idle")
    (row,) = attention(System(), now=fleet.now)
    assert (row.reason, row.wiring) == (Reason.LOGS_NOTHING, "HOSTS_BYPASS")
    assert row.step == CODES[WiringCode.HOSTS_BYPASS].desk
    live(fleet, "om-idle", online=False, last=9 * DAY)
    (row,) = attention(System(), now=fleet.now)
    assert row.step == STEPS[Reason.WENT_SILENT], "what was wrong with its cables then is no news now"
    assert all(asdict(step)["ja"] for step in STEPS.values())
    assert set(STEPS) == set(SENTENCES) == set(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_the_evidence_says_the_same_figures_in_both_languages(reason):
    names = [{name for _, name, *_ in Formatter().parse(text) if name} for text in sentences(reason)]
    assert names[0] == names[1]
    figures = {name: 70 + place for place, name in enumerate(sorted(names[0]))}
    for text in sentences(Evidence(reason, figures)):
        assert all(str(figure) in text for figure in figures.values())
    japanese = sentences(Evidence(reason, figures))[1]
    assert not any(letter.isascii() and letter.isalpha() for letter in japanese)


def sentences(of):
    told = of.said if isinstance(of, Evidence) else SENTENCES[of]
    return told.en, told.ja


def test_a_wiring_that_is_well_explains_nothing(fleet):
    fleet.unit("om-idle")
    diagnosed(fleet, "om-idle", WiringCode.OK)
    live(fleet, "om-idle")
    (row,) = attention(System(), now=fleet.now)
    assert (row.wiring, plain(row)["next_step"]) == ("", STEPS[Reason.LOGS_NOTHING].en)


@pytest.mark.parametrize("level", ["customer", "reseller"])
def test_each_is_told_of_their_own(fleet, level):
    for unit, site in (("om-aaaa", 0), ("om-bbbb", 1)):
        fleet.unit(unit, site)
        live(fleet, unit, online=False, last=9 * DAY)
    customer.declare(System(), fleet.sites[1].pk, [Declaration(f"pc-{n}") for n in range(5)])
    assert told(fleet, fleet.member(level, 0)) == {"om-aaaa": "went-silent"}
    assert told(fleet, fleet.member(level, 1)) == {"om-bbbb": "went-silent"}
    assert set(told(fleet)) == {"om-aaaa", "om-bbbb"}


def test_the_command_lists_the_next_step(fleet):
    fleet.unit("om-late", activated=False)
    Unit.objects.filter(pk="om-late").update(registered=fleet.now - 400 * DAY)
    rows = json.loads(CliRunner().invoke(commands.attention, ["--json"]).stdout)
    late = next(row for row in rows if row["unit"] == "om-late")
    assert (late["reason"], late["next_step"]) == ("never-came", STEPS[Reason.NEVER_CAME].en)
    days = late["figures"]["days"]
    assert late["evidence"] == f"registered {days} days ago, never activated"
    assert late["evidence_ja"] == f"登録から{days}日たちましたが、一度も有効化されていません"
    assert "never-came" in CliRunner().invoke(commands.attention, []).stdout


def similar(fleet, covered, *, business="dentist", staff=10):
    """A site that covered so many yesterday."""
    number = Site.objects.count()
    names = {"reseller": "Reseller B", "customer": f"Customer {number}", "site": f"Site {number}"}
    site = add_site(System(), **names)
    describe_site(System(), site.pk, business=business, staff=staff)
    counts = dict.fromkeys(("wrong_side", "never_seen", "gone", "private", "declared"), 0)
    CoverageDay.objects.create(
        site=site, day=(fleet.now - DAY).date(), taken=fleet.now, covered=covered, **counts
    )
    return site


@pytest.mark.parametrize(
    ("others", "business", "staff", "listed"),
    [
        ((12, 9, 10, 11, 30), "dentist", 10, True),
        ((12, 9, 10, 11), "dentist", 10, False),
        ((5, 6, 6, 5, 30), "dentist", 10, False),
        ((12, 9, 10, 11, 30), "Baker", 10, False),
        ((12, 9, 10, 11, 30), "Dentist", 19, True),
        ((12, 9, 10, 11, 30), "dentist", 21, False),
    ],
)
def test_a_site_that_covers_far_fewer_than_its_like_is_told(fleet, others, business, staff, listed):
    for covered in others:
        similar(fleet, covered)
    few = similar(fleet, 3, business=business, staff=staff)
    Unit.objects.filter(pk="om-well").update(site=few)
    assert told(fleet) == ({"om-well": "fewer-than-similar"} if listed else {})
    if listed:
        (row,) = attention(System(), now=fleet.now)
        assert row.evidence.said.en == "3 hosts are covered; the middle one of 5 similar sites covers 11"
        assert told(fleet, fleet.member("customer")) == {}, "another customer is told nothing"


def test_old_counts_and_sites_nobody_described_are_not_compared(fleet):
    for covered in (12, 9, 10, 11, 30):
        similar(fleet, covered)
    few = similar(fleet, 3)
    Unit.objects.filter(pk="om-well").update(site=few)
    assert told(fleet) == {"om-well": "fewer-than-similar"}
    describe_site(System(), few.pk, business="")
    assert told(fleet) == {}
    describe_site(System(), few.pk, business="dentist")
    CoverageDay.objects.filter(site=few).update(day=(fleet.now - 9 * DAY).date())
    assert told(fleet) == {}


def test_only_the_operator_describes_a_site(fleet):
    with pytest.raises(NotAllowed):
        describe_site(fleet.member("customer"), fleet.sites[0].pk, business="x")
