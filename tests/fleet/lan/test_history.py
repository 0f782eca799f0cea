"""The coverage of a site day by day: counted once a day, never altered, for its own tenants only."""

import csv
import io
import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from django.utils import timezone

from omamori.fleet.accounts.actor import System
from omamori.fleet.commands import coverage as commands
from omamori.fleet.commands.daily import daily
from omamori.fleet.errors import NotFound
from omamori.fleet.ingest.operations import store
from omamori.fleet.lan import customer
from omamori.fleet.lan.declarations import Declaration
from omamori.fleet.lan.history import COLUMNS, LONGEST, history, snapshot
from omamori.fleet.lan.models import CoverageDay, Ownership
from omamori.fleet.portal.chart import chart
from tests.fleet.api.test_api import programs  # noqa: F401 - a fixture

DAY = timedelta(days=1)


@pytest.fixture
def fleet(fleet):
    """A site with a unit that covers two hosts, and one that was declared and never seen; another without units."""
    fleet.unit()
    two = [fleet.host(f"02:00:00:00:00:0{n}", name=f"pc-{n}") for n in (1, 2)]
    store([fleet.hosts(*two)])
    customer.declare(System(), fleet.sites[0].pk, [Declaration("server", "")])
    return fleet


def days(fleet, actor=None, **options):
    return history(actor or System(), fleet.sites[0].pk, now=fleet.now + 5 * DAY, **options)


def test_a_day_is_counted_once_and_never_altered(fleet):
    assert [snapshot(now=fleet.now), snapshot(now=fleet.now + timedelta(hours=2))] == [1, 0]
    customer.declare(System(), fleet.sites[0].pk, [Declaration("printer", "")])
    assert snapshot(now=fleet.now + timedelta(hours=4)) == 0
    (first,) = days(fleet)
    assert (first.counts["covered"], first.counts["never-seen"], first.declared) == (2, 1, 1)
    assert (first.share, first.taken) == (67, fleet.now)
    assert snapshot(now=fleet.now + DAY) == 1
    assert [day.counts["never-seen"] for day in days(fleet)] == [1, 2]


def test_a_day_is_one_of_the_fleets_time_zone(fleet):
    """03:00 UTC is noon in Japan; 15:00 UTC is the next day's midnight there."""
    assert [snapshot(now=fleet.now + timedelta(hours=n)) for n in (0, 11, 12)] == [1, 0, 1]
    assert [str(day.day) for day in days(fleet)] == ["2026-11-20", "2026-11-21"]


def test_what_happens_is_seen_day_by_day(fleet):
    snapshot(now=fleet.now)
    (host,) = fleet.sites[0].hosts.filter(mac="02:00:00:00:00:02")
    customer.describe(System(), host.pk, ownership=Ownership.PRIVATE)
    snapshot(now=fleet.now + DAY)
    assert [(day.counts["covered"], day.counts["private"], day.share) for day in days(fleet)] == [
        (2, 0, 67),
        (1, 1, 50),
    ]


def test_a_site_without_an_active_unit_is_not_counted(fleet):
    fleet.unit("om-0002", 1, activated=False)
    snapshot(now=fleet.now)
    assert {row.site_id for row in CoverageDay.objects.all()} == {fleet.sites[0].pk}


def test_nobody_sees_another_customers_days(fleet):
    snapshot(now=fleet.now)
    for level in ("customer", "reseller", "operator"):
        assert len(days(fleet, fleet.member(level))) == 1
    for level in ("customer", "reseller"):
        with pytest.raises(NotFound):
            days(fleet, fleet.member(level, site=1))


def test_the_command_line_counts_and_shows_the_days(fleet):
    done = CliRunner().invoke(daily, ["--json"], catch_exceptions=False)
    assert json.loads(done.output)["sites_counted"] == 1
    place = ["--site", str(fleet.sites[0].pk), "--history"]
    found = json.loads(
        CliRunner().invoke(commands.coverage, [*place, "--json"], catch_exceptions=False).output
    )
    (day,) = found["days"]
    assert (found["name"], day["covered"], day["never-seen"], day["share"]) == ("Site A", 2, 1, 67)
    assert day["day"] == f"{timezone.localdate()}"
    table = CliRunner().invoke(commands.coverage, [*place, "--csv"], catch_exceptions=False).output
    (row,) = csv.DictReader(io.StringIO(table))
    assert tuple(row) == COLUMNS
    assert (row["covered"], row["share"]) == ("2", "67")
    assert "covered" in CliRunner().invoke(commands.coverage, place, catch_exceptions=False).output.lower()


def test_the_history_is_answered_to_its_own(programs, fleet):  # noqa: F811 - the fixture
    _, mine, theirs = programs
    snapshot(now=timezone.now())
    path = f"/sites/{fleet.sites[0].pk}/coverage/history"
    (day,) = mine("GET", path).json()["days"]
    assert (day["covered"], day["never_seen"], day["share"]) == (2, 1, 67)
    assert mine("GET", f"{path}.csv").content.decode("utf-8-sig").splitlines()[0] == ",".join(COLUMNS)
    assert theirs("GET", path).status_code == 404
    assert theirs("GET", f"{path}.csv").status_code == 404
    assert mine("GET", f"{path}?days={LONGEST + 1}").status_code == 422


def test_the_chart_stacks_what_ought_to_be_covered_and_leaves_gaps(fleet):
    for back in (3, 1, 0):
        snapshot(now=fleet.now + (5 - back) * DAY)
    found = chart(days(fleet), span=90, today=days(fleet)[-1].day)
    assert (found.most, found.width) == (3, 280)
    assert [bar.left for bar in found.bars] == [240, 260, 270]
    for bar in found.bars:
        covered, never = bar.parts
        assert (covered.height, never.height) == (66.67, 33.33)
        assert covered.top + covered.height == pytest.approx(100)
        assert never.top == pytest.approx(0, abs=0.02)


def test_a_chart_of_nothing_is_empty(fleet):
    assert chart([], span=90, today=fleet.now.date()).bars == ()
