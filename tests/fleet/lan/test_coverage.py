"""The coverage report: what it says of each device, whatever hosts and declarations come together."""

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from omamori.fleet.accounts.actor import System
from omamori.fleet.commands import coverage as commands
from omamori.fleet.errors import NotFound
from omamori.fleet.ingest.operations import store
from omamori.fleet.lan import customer
from omamori.fleet.lan.coverage import LATELY, report
from omamori.fleet.lan.declarations import Declaration
from omamori.fleet.lan.models import Host, Ownership
from omamori.protocol.vocabulary import Side

PC, WIFI, ROUTER, PHONE = (f"02:00:00:00:00:0{digit}" for digit in "abcd")
HOUR = timedelta(hours=1)


class Site:
    """A site whose unit tells hosts, and its report."""

    def __init__(self, fleet):
        fleet.unit()
        self.fleet, self.key, self._sequence = fleet, fleet.sites[0].pk, 0

    def tell(self, *hosts, unit="om-0001"):
        self._sequence += 1
        store([self.fleet.hosts(*hosts, sequence=self._sequence, unit=unit)])

    def host(self, mac, name="", *, side=Side.BEHIND, seen=timedelta(0), **changes):
        return replace(self.fleet.host(mac, name=name, seen=seen), side=side, **changes)

    def declare(self, *hosts):
        customer.declare(System(), self.key, hosts)

    def report(self, *, later=HOUR, actor=None):
        return report(actor or System(), self.key, now=self.fleet.now + later)

    def states(self, **kwargs):
        return {row.name or row.mac: row.state.value for row in self.report(**kwargs).rows}


@pytest.fixture
def site(fleet):
    return Site(fleet)


def test_each_device_is_in_the_state_it_is_in(site):
    site.tell(
        site.host(PC, "keiri"),
        site.host(WIFI, "sales", side=Side.ROUTER),
        site.host(ROUTER, side=Side.ROUTER, kind="router"),
        site.host(PHONE, "phone"),
    )
    site.declare(Declaration("server"), Declaration("front desk", PC))
    customer.describe(System(), Host.objects.get(mac=PHONE).pk, ownership=Ownership.PRIVATE)
    assert site.states() == {
        "sales": "wrong-side",
        "server": "never-seen",
        "front desk": "covered",
        "phone": "private",
    }
    assert site.report().counts == {
        "covered": 1, "wrong-side": 1, "never-seen": 1, "gone": 0, "private": 1, "declared": 2,
    }  # fmt: skip


def test_a_router_that_was_declared_is_told(site):
    site.tell(site.host(ROUTER, side=Side.ROUTER, kind="router"))
    assert site.states() == {}
    site.declare(Declaration("second router", ROUTER))
    assert site.states() == {"second router": "wrong-side"}


def test_cable_and_wifi_of_one_pc_are_one_device_where_it_was_seen_last(site):
    site.tell(
        site.host(PC, "note"), site.host(WIFI, side=Side.ROUTER, seen=HOUR, device=PC, device_reason="interfaces")
    )  # fmt: skip
    assert site.states() == {"note": "wrong-side"}
    site.tell(site.host(PC, "note", seen=2 * HOUR))
    assert site.states(later=3 * HOUR) == {"note": "covered"}
    site.declare(Declaration("by its Wi-Fi", WIFI))
    assert site.states(later=3 * HOUR) == {"by its Wi-Fi": "covered"}


def test_what_one_unit_takes_for_one_device_is_one_for_the_site(site, fleet):
    fleet.unit("om-0002")
    site.tell(site.host(PC, "note"), site.host(WIFI, device=PC, device_reason="interfaces"))
    site.tell(site.host(WIFI, side=Side.ROUTER), unit="om-0002")
    assert site.states() == {"note": "covered"}


def test_behind_one_unit_is_covered_though_another_hears_it_from_the_router(site, fleet):
    fleet.unit("om-0002")
    site.tell(site.host(PC, "pc"))
    site.tell(site.host(PC, "pc", side=Side.ROUTER, seen=HOUR), unit="om-0002")
    assert site.states() == {"pc": "covered"}
    assert site.report().rows[0].unit == "om-0001"
    site.tell(site.host(PC, "pc", side=Side.ROUTER, seen=LATELY + HOUR), unit="om-0002")
    assert site.states(later=LATELY + 2 * HOUR) == {"pc": "wrong-side"}


def test_what_was_not_seen_for_long_is_gone_if_it_was_declared_and_forgotten_if_not(site):
    site.tell(site.host(PC, "pc"), site.host(WIFI, "visitor"))
    site.declare(Declaration("PC"))
    assert site.states() == {"PC": "covered", "visitor": "covered"}
    assert site.states(later=LATELY + HOUR) == {"PC": "gone"}


def test_two_declarations_of_one_name_are_two_devices(site):
    site.declare(Declaration("pc"), Declaration("pc", PHONE))
    site.tell(site.host(PC, "pc"))
    assert [(row.state.value, row.mac) for row in site.report().rows] == [
        ("never-seen", PHONE),
        ("covered", PC),
    ]
    customer.declare(System(), site.key, [Declaration("pc", PC), Declaration("pc")], replace=True)
    assert [row.state.value for row in site.report().rows] == ["never-seen", "covered"]


def test_a_shared_device_is_marked(site):
    site.tell(site.host(PC, "ap", shared=0.8), site.host(WIFI, "pc", shared=0.4))
    assert {row.name: row.shared for row in site.report().rows} == {"ap": True, "pc": False}


@pytest.mark.parametrize("level", ["customer", "reseller"])
def test_a_report_is_its_tenants_alone(site, level):
    site.tell(site.host(PC, "pc"))
    assert len(site.report(actor=site.fleet.member(level)).rows) == 1
    with pytest.raises(NotFound):
        site.report(actor=site.fleet.member(level, 1))


def test_the_report_costs_the_same_for_one_host_and_for_many(site):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    costs = []
    for number in (1, 60):
        site.tell(*(site.host(f"02:00:00:00:01:{n:02x}", f"pc{n}") for n in range(number)))
        with CaptureQueriesContext(connection) as asked:
            assert len(site.report().rows) == number
        costs.append(len(asked))
    assert costs[0] == costs[1] <= 4


def test_the_command_prints_the_report_for_people_programs_and_spreadsheets(site):
    site.declare(Declaration("=HYPERLINK(1)"), Declaration("server"))

    def run(*words):
        done = CliRunner().invoke(commands.coverage, ["--site", str(site.key), *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    told = json.loads(run("--json"))
    assert (told["counts"]["never-seen"], told["hosts"][1]["name"]) == (2, "server")
    assert told["hosts"][1]["last_seen"] == ""
    rows = list(csv.DictReader(io.StringIO(run("--csv"))))
    assert [(row["state"], row["name"]) for row in rows] == [
        ("never-seen", "'=HYPERLINK(1)"),
        ("never-seen", "server"),
    ]
    assert "never-seen" in run()
