"""The pages of messages about hosts, of units that need attention, and of hosts that an operator parts."""

from datetime import timedelta

import pytest
from django.utils import timezone

from omamori.fleet.accounts.actor import System
from omamori.fleet.lan.models import Apart, Host
from omamori.fleet.notices import operations
from omamori.fleet.notices.models import Letter, Notice, Recipient
from omamori.fleet.units.models import Unit
from tests.fleet.portal.test_pages import text


@pytest.fixture
def page(company):
    site = company.sites[0]
    reader = operations.add(System(), site.pk, "soumu@shop.example", language="ja")
    news = [{"what": "new", "mac": "02:00:00:00:00:09", "name": "<guest>"}, {"what": "of 2031", "mac": "x"}]
    notice = Notice.objects.create(site=site, day=timezone.localdate(), created=timezone.now(), news=news)
    Letter.objects.create(notice=notice, recipient=reader, created=timezone.now(), again=timezone.now())
    return f"/sites/{site.pk}/notices/"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ("Messages about devices", "soumu@shop.example", "waiting")),
        ("ja", ("機器のお知らせ", "送信待ち")),
    ],
)
def test_the_page_shows_what_was_told_and_to_whom(visit, page, language, said):
    answer = visit(language=language).get(page)
    for words in (*said, "&lt;guest&gt;", "of 2031"):
        assert words in (answer.content.decode() if "&" in words else text(answer))


def test_an_address_is_added_and_removed(visit, page):
    client = visit()
    client.post(page, {"address": "president@shop.example", "language": "en"})
    added = Recipient.objects.get(address="president@shop.example")
    assert (added.language, added.stopped) == ("en", None)
    client.post(f"/notices/{added.pk}/remove/")
    added.refresh_from_db()
    assert added.stopped
    assert (
        "president@shop.example"
        not in text(client.get(page)).split("Who gets them by mail")[1].split("Add")[0]
    )
    client.post(page, {"address": "no address", "language": "en"})
    assert Recipient.objects.count() == 2


def test_another_customer_finds_nothing(visit, page):
    client = visit("someone-else")
    assert client.get(page).status_code == 404
    assert client.post(page, {"address": "x@shop.example", "language": "en"}).status_code == 404
    assert client.post(f"/notices/{Recipient.objects.get().pk}/remove/").status_code == 404
    assert Recipient.objects.get().stopped is None


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ("shipped, never came", "registered 30 days ago, never activated", "Call the customer")),
        ("ja", ("発送後、未接続", "登録から30日たちましたが、一度も有効化されていません", "お客様に電話し")),
    ],
)
def test_attention_is_for_the_help_desk(visit, company, language, said):
    company.unit("om-0999", activated=False)
    Unit.objects.filter(pk="om-0999").update(registered=timezone.now() - timedelta(days=30))
    told = text(visit("operator", language=language).get("/attention/"))
    assert "om-0999" in told
    for words in said:
        assert words in told
    assert "om-0999" in text(visit("seller").get("/attention/"))
    assert visit("hanako").get("/attention/").status_code == 403


def test_a_reseller_sees_no_others_units_in_need(visit, company):
    company.unit("om-0998", 1, activated=False)
    Unit.objects.filter(pk="om-0998").update(registered=timezone.now() - timedelta(days=30))
    assert "om-0998" not in text(visit("seller").get("/attention/"))


def test_the_operator_parts_hosts_on_their_page_and_joins_them_again(visit, company):  # noqa: ARG001 - it is there
    host = Host.objects.exclude(device="").get()
    client = visit("operator")
    page = f"/hosts/{host.pk}/"
    assert "for one device" in text(client.get(page))
    assert "Say why" in text(client.post(f"{page}part/", {"reason": " "}, follow=True))
    assert "two devices from now on" in text(client.post(f"{page}part/", {"reason": "two"}, follow=True))
    pair = Apart.objects.get()
    assert "Set apart" in text(client.get(page))
    client.post(f"/hosts/apart/{pair.pk}/rejoin/", {"reason": "one"})
    assert not Apart.objects.exists()


def test_a_customer_is_not_offered_to_part_hosts_and_may_not(visit, company):  # noqa: ARG001 - it is there
    host = Host.objects.exclude(device="").get()
    client = visit("hanako")
    assert "for one device" not in text(client.get(f"/hosts/{host.pk}/"))
    assert client.post(f"/hosts/{host.pk}/part/", {"reason": "two"}).status_code == 403
    assert visit("someone-else").post(f"/hosts/{host.pk}/part/", {"reason": "two"}).status_code == 403
