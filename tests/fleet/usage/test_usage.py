"""Usage from the units' messages to the portal: each message once, each tenant its own, sums that are right."""

from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.fleet.ingest import operations
from omamori.fleet.usage import operations as usage_operations
from omamori.fleet.usage import queries
from omamori.fleet.usage.models import Report, Usage
from omamori.fleet.usage.queries import By, Filter
from omamori.protocol import messages as m

PASSWORD = "correct horse battery"
PC, PHONE = m.UsageHost("192.168.1.20", "02:00:00:00:00:01", "keiri-pc"), m.UsageHost("192.168.1.21")
SUBJECTS = (m.UsageSubject("YouTube", "video"), m.UsageSubject("", "shopping"), m.UsageSubject())
ROWS = ((0, 0, 2, 10, 1000, 0), (0, 2, 5, 1, 2, 1), (1, 1, 1, 7, 70, 0))


def said(fleet, sequence=1, unit="om-0001", rows=ROWS, **changes):
    body = m.Usage(
        **(
            {"start": fleet.now, "seconds": 3600, "hosts": (PC, PHONE), "subjects": SUBJECTS, "rows": rows}
            | changes
        )
    )
    return m.Upward(unit, fleet.boot, sequence, body)


def test_messages_of_a_day_are_summed_each_once(fleet):
    fleet.unit()
    operations.store([said(fleet, 1), said(fleet, 2)])
    operations.store([said(fleet, 2), said(fleet, 1)])
    assert Report.objects.count() == 2
    row = Usage.objects.get(application="YouTube")
    assert (row.flows, row.sent, row.received, row.blocked) == (4, 20, 2000, 0)
    assert (row.host_mac, row.host_name, row.category, row.site) == (
        PC.mac,
        "keiri-pc",
        "video",
        fleet.sites[0],
    )
    assert row.day == date(2026, 11, 20)
    assert Usage.objects.count() == 3


def test_sums_by_group_and_filter(fleet):
    fleet.unit()
    operations.store([said(fleet, 1), said(fleet, 2, start=fleet.now - timedelta(days=1))])
    actor = fleet.member("customer")
    by_kind = [queries.plain(row) for row in queries.sums(actor, Filter(), By.CATEGORY)]
    assert [(row["category"], row["received"]) for row in by_kind] == [
        ("video", 2000),
        ("shopping", 140),
        ("", 4),
    ]
    days = [row["day"] for row in queries.sums(actor, Filter(unit="om-0001"), By.DAY)]
    assert days == [date(2026, 11, 20), date(2026, 11, 19)]
    (only,) = queries.sums(actor, Filter(host=PHONE.address, since=date(2026, 11, 20)), By.HOST)
    assert queries.plain(only)["sent"] == 7


def test_no_tenant_sees_another_ones_usage(fleet):
    fleet.unit()
    fleet.unit("om-0900", site=1)
    operations.store([said(fleet), said(fleet, unit="om-0900")])
    for level in ("customer", "reseller"):
        assert {row.unit_id for row in queries.usage(fleet.member(level, site=1))} == {"om-0900"}
    assert {row.unit_id for row in queries.usage(fleet.member())} == {"om-0001", "om-0900"}


def test_what_cannot_be_is_left_out_and_the_rest_kept(fleet):
    fleet.unit()
    bad = ((9, 0, 1, 1, 1, 0), (0, 9, 1, 1, 1, 0), (0, 0, -1, 1, 1, 0), (0, 0), (-1, 0, 1, 1, 1, 0))
    operations.store([said(fleet, rows=(*bad, (0, 0, 1, 2**63 - 1, 3, 0), (0, 0, 1, 5, 3, 0)))])
    row = Usage.objects.get()
    assert (row.flows, row.sent, row.received) == (2, 2**63 - 1, 6)


@settings(max_examples=40)
@given(rows=st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=7).map(tuple), max_size=6))
def test_no_rows_stop_a_batch(fleet, rows):
    key = f"om-{Usage.objects.count()}-{Report.objects.count()}"
    fleet.unit(key)
    operations.store([said(fleet, unit=key, rows=tuple(rows))])
    assert Report.objects.filter(unit=key).count() == 1


def test_a_unit_cannot_fill_the_database(fleet, monkeypatch):
    monkeypatch.setattr(usage_operations, "ROWS_A_DAY", 5)
    fleet.unit()
    hosts = tuple(m.UsageHost(f"10.0.0.{n}") for n in range(30))
    operations.store([said(fleet, hosts=hosts, rows=tuple((n, n % 3, 1, 1, 1, 0) for n in range(30)))])
    assert Usage.objects.count() <= 6
    assert sum(row.flows for row in Usage.objects.all()) == 30


def test_old_days_are_pruned(fleet):
    fleet.unit()
    operations.store([said(fleet, 1), said(fleet, 2, start=fleet.now - timedelta(days=200))])
    assert operations.prune(now=fleet.now + timedelta(days=1))["usage"] == 3
    assert Usage.objects.filter(day__lt=date(2026, 11, 1)).count() == 0
    operations.prune(now=fleet.now + timedelta(days=400))
    assert (Usage.objects.count(), Report.objects.count()) == (0, 0)


@pytest.fixture
def portal(fleet):
    from django.conf import settings as fleet_settings

    fleet.unit()
    fleet.unit("om-0900", site=1)
    fleet.user("hanako", "customer")
    today = timezone.now()
    operations.store([said(fleet, start=today), said(fleet, unit="om-0900", start=today)])
    client = Client(
        HTTP_HOST=next(host for host in [*fleet_settings.ALLOWED_HOSTS, "localhost"] if host != "*")
    )
    client.login(username="hanako", password=PASSWORD)
    return client


@pytest.mark.parametrize(("language", "word"), [("en", "without a name"), ("ja", "名前なし")])
def test_the_page_shows_kinds_applications_and_devices(portal, language, word):
    text = portal.get("/units/om-0001/usage/", headers={"accept-language": language}).content.decode()
    for expected in ("YouTube", "keiri-pc", "shopping", "<rect", word):
        assert expected in text
    assert portal.get("/units/om-0900/usage/").status_code == 404


def test_the_page_narrows_to_a_kind_and_survives_nonsense(portal):
    text = portal.get("/units/om-0001/usage/?category=video&days=7").content.decode()
    assert "YouTube" in text
    assert "192.168.1.21" not in text
    for nonsense in ("?days=x", "?category=%00", "?days=99999&category=<b>"):
        page = portal.get(f"/units/om-0001/usage/{nonsense}")
        assert page.status_code == 200
        assert b'<b>"' not in page.content


def test_the_export_is_for_spreadsheets_and_of_this_unit_only(portal):
    done = portal.get("/units/om-0001/usage/export.csv")
    lines = done.content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("day,unit,site,address")
    assert len(lines) == 4
    assert all("om-0001" in line for line in lines[1:])
