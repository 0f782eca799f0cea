"""Usage by the operators' API and the command line: sums, filters, exports, tenancy."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from django.test import Client
from django.utils import timezone

from omamori.fleet.accounts import operations as accounts
from omamori.fleet.accounts.actor import System
from omamori.fleet.ingest.operations import store
from omamori.protocol import messages as m


def report(fleet, unit, start):
    hosts = (m.UsageHost("192.168.1.20", "02:00:00:00:00:01", "=cmd()"), m.UsageHost("192.168.1.21"))
    subjects = (m.UsageSubject("YouTube", "video"), m.UsageSubject("Dropbox", "file-sharing"))
    rows = ((0, 0, 2, 10, 1000), (1, 0, 1, 5, 500), (1, 1, 4, 4000, 40, 4))
    return m.Upward(unit, fleet.boot, 1, m.Usage(start, 3600, hosts, subjects, rows))


@pytest.fixture
def programs(fleet):
    """Who asks by API: the operator, and the customer of the second site."""
    for key, site in (("om-aaaa", 0), ("om-bbbb", 1)):
        fleet.unit(key, site)
        store([report(fleet, key, timezone.now())])
    users = fleet.user("op"), fleet.user("cb", "customer", 1)
    return [accounts.add_token(System(), user, "test", now=datetime.now(UTC)) for user in users]


def get(token, path, **query):
    headers = {"Authorization": f"Bearer {token}", "Host": "127.0.0.1"}
    return Client().get(f"/api/v1{path}", headers=headers, query_params=query)


def test_sums_by_several_groups_and_filters(programs):
    operator, _ = programs
    found = get(operator, "/usage", unit="om-aaaa").json()
    assert [(row["application"], row["received"], row["blocked"]) for row in found] == [
        ("YouTube", 1500, 0),
        ("Dropbox", 40, 4),
    ]
    found = get(operator, "/usage", unit="om-aaaa", by=["host", "category"], category="video").json()
    assert [(row["address"], row["category"], row["flows"]) for row in found] == [
        ("192.168.1.20", "video", 2),
        ("192.168.1.21", "video", 1),
    ]
    assert "application" not in found[0]
    assert get(operator, "/usage", since="2099-01-01").json() == []


def test_a_customer_gets_its_own_only(programs):
    _, customer = programs
    assert get(customer, "/usage", by="host").json()[0]["flows"] == 2
    text = b"".join(get(customer, "/usage/export").streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["unit"] for row in rows} == {"om-bbbb"}
    assert {row["host_name"] for row in rows} == {"'=cmd()", ""}, "no spreadsheet runs a host's name"
    lines = b"".join(get(customer, "/usage/export", form="jsonl").streaming_content).splitlines()
    assert sum(json.loads(line)["received"] for line in lines) == 1540


@pytest.mark.parametrize("query", [{"by": "nonsense"}, {"since": "soon"}, {"limit": "0"}, {"site": "-1"}])
def test_what_cannot_be_asked_is_refused(programs, query):
    assert get(programs[0], "/usage", **query).status_code == 422


@pytest.mark.usefixtures("programs")
def test_the_command_line_lists_and_exports():
    from omamori.fleet.commands.usage import usage

    run = CliRunner().invoke
    listed = json.loads(run(usage, ["list", "--unit", "om-aaaa", "--by", "category", "--json"]).output)
    assert [(row["category"], row["sent"]) for row in listed] == [("video", 15), ("file-sharing", 4000)]
    assert "YouTube" in run(usage, ["list"]).output
    exported = list(csv.DictReader(io.StringIO(run(usage, ["export", "--unit", "om-bbbb"]).output)))
    assert len(exported) == 3
    assert json.loads(run(usage, ["export", "--format", "json"]).output.splitlines()[0])["unit"].startswith(
        "om-"
    )
