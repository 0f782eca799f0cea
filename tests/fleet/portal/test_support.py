"""The page of helpers: what the customer reads, ends, refuses and allows; in both languages, and nobody else's."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from omamori.fleet.ingest.operations import store
from omamori.fleet.support.models import Call, Refusal
from omamori.protocol.ids import boot_id, unit_id
from omamori.protocol.messages import Support, Upward
from omamori.protocol.vocabulary import SupportPhase
from tests.fleet.portal.test_pages import text

PAGE = "/units/om-0001/support/"


@pytest.fixture
def called(company, monkeypatch):
    """A helper is asked onto the unit, and was there an hour ago."""
    monkeypatch.setitem(settings.FLEET, "support_bind", "127.0.0.1:8444")
    now = timezone.now()
    unit = unit_id("om-0001")
    for number, (phase, minutes) in enumerate(
        [(SupportPhase.OPENED, -60), (SupportPhase.ENTERED, -55), (SupportPhase.CLOSED, -30)]
    ):
        body = Support(
            now + timedelta(minutes=minutes),
            "old",
            phase,
            "<b>佐藤</b>",
            "前回",
            now,
            now + timedelta(hours=1),
        )
        store([Upward(unit, boot_id("f" * 32), number, body)])
    Call.objects.create(
        unit_id=unit,
        call="c0ffee",
        made=now,
        made_by="operator",
        until=now + timedelta(hours=2),
        who="鈴木",
        why="通信が遅い",
    )
    return company


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("End it now", "Who was here", "Refuse support")),
        ("ja", ("今すぐ終了する", "これまでの接続", "サポートを断る")),
    ],
)
def test_the_customer_reads_who_when_and_why(visit, language, words):
    page = text(visit(language=language).get(PAGE))
    for each in (*words, "鈴木", "通信が遅い", "&lt;b&gt;佐藤&lt;/b&gt;", "前回"):
        assert each in page
    assert "<b>佐藤" not in page


@pytest.mark.usefixtures("called")
def test_the_customer_ends_refuses_and_allows(visit):
    client = visit()
    assert "closes within a minute" in text(client.post(f"{PAGE}choose/", {"end": "1"}, follow=True))
    assert Call.objects.get().ended_by.startswith("hanako")
    assert "Nobody is asked onto the unit" in text(client.post(f"{PAGE}choose/", {"end": "1"}, follow=True))
    page = text(client.post(f"{PAGE}choose/", {"refuse": "1"}, follow=True))
    assert "Allow support again" in page
    assert Refusal.objects.get().by.startswith("hanako")
    client.post(f"{PAGE}choose/", {"allow": "1"})
    assert not Refusal.objects.exists()


@pytest.mark.usefixtures("called")
def test_nobody_elses_unit(visit):
    client = visit("someone-else")
    assert client.get(PAGE).status_code == 404
    assert client.post(f"{PAGE}choose/", {"refuse": "1"}).status_code == 404
    assert not Refusal.objects.exists()
    assert visit().get(f"{PAGE}choose/").status_code == 405
