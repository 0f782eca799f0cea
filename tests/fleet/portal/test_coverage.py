"""The pages of what is covered: the report, the list that is typed or uploaded, and what is said of a host."""

import csv
import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from omamori.fleet.accounts.models import Audit
from omamori.fleet.lan.declarations import BYTES_CAP, Wrong
from omamori.fleet.lan.models import Declared, Host
from omamori.fleet.portal.coverage import FAULTS
from tests.fleet.portal.test_pages import text


@pytest.fixture
def page(company):
    return f"/sites/{company.sites[0].pk}/coverage/"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["on the wrong side", "never seen", "covered", "Several devices are behind it.", "Plug it in behind"]),
        ("ja", ["接続場所が違う", "未確認", "保護対象", "この先に複数の機器があります。", "つなぎ直してください"]),
    ],
)  # fmt: skip
def test_the_report_says_what_is_where(visit, page, language, said):
    client = visit(language=language)
    text(client.post(page, {"typed": "second-server\n"}, follow=True))
    told = text(client.get(page))
    for words in (*said, "second-server", "MacBook-Air", "keiri-pc"):
        assert words in told
    assert "<script" not in told
    assert "style=" not in told


def test_a_typed_list_is_added_and_a_host_taken_off_again(visit, page):
    client = visit()
    told = text(client.post(page, {"typed": "keiri-pc\nserver, 02-00-00-00-00-0a"}, follow=True))
    assert "2 devices were added to the list." in told
    row = Declared.objects.get(mac="02:00:00:00:00:0a")
    assert "off the list" in text(client.post(f"/declared/{row.pk}/withdraw/", follow=True))
    assert [row.name for row in Declared.objects.all()] == ["keiri-pc"]
    assert Audit.objects.filter(operation__startswith="hosts.").count() == 2


def test_an_uploaded_list_goes_before_a_typed_one(visit, page):
    upload = SimpleUploadedFile("hosts.csv", "名前\n経理PC\n".encode("cp932"))
    visit().post(page, {"typed": "x", "upload": upload})
    assert [row.name for row in Declared.objects.all()] == ["経理PC"]


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "Line 2: This is no MAC address. “oops”"), ("ja", "2行目: MACアドレスではありません。 “oops”")],
)
def test_a_fault_is_told_by_its_line_and_nothing_is_added(visit, page, language, said):
    told = text(visit(language=language).post(page, {"typed": "pc\nserver,oops\n"}))
    assert said in told
    assert "server,oops" in told, "what was typed is still there"
    assert not Declared.objects.exists()


@pytest.mark.parametrize("field", ["typed", "upload"])
def test_a_list_that_is_too_big_is_refused(visit, page, field):
    much = b"pc\n" * (BYTES_CAP // 3 + 10)
    value = SimpleUploadedFile("hosts.csv", much) if field == "upload" else much.decode()
    assert "64 KB" in text(visit().post(page, {field: value}))


def test_text_that_is_none_is_refused(visit, page):
    assert "This is no text" in text(visit().post(page, {"typed": "pc\x00"}))


def test_every_fault_has_words():
    assert set(FAULTS) == set(Wrong)


def test_the_report_is_exported(visit, page, company):
    Host.objects.filter(name="keiri-pc").update(name="=1+1")
    client = visit()
    answer = client.get(f"{page}export.csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert {"'=1+1", "MacBook-Air"} <= {row["name"] for row in rows}
    assert "attachment" in answer.headers["Content-Disposition"]
    told = json.loads(client.get(f"{page}export.json").content)
    assert (told["site"], told["counts"]["wrong-side"]) == (company.sites[0].pk, 1)
    assert "=1+1" in {row["name"] for row in told["hosts"]}


def test_a_host_is_named_and_called_private_by_its_customer(visit):
    client, row = visit(), Host.objects.get(name="keiri-pc")
    assert "keiri-pc" in text(client.get(f"/hosts/{row.pk}/"))
    said = text(
        client.post(f"/hosts/{row.pk}/", {"name": "<b>経理</b>", "ownership": "private"}, follow=True)
    )
    assert "&lt;b&gt;経理" in said
    assert "経理" in text(client.get("/units/om-0001/detections/")), "detections about it have the new name"
    assert Host.objects.get(pk=row.pk).ownership == "private"
    assert 'role="alert"' in text(client.post(f"/hosts/{row.pk}/", {"name": "bell\x07"}))
    assert 'role="alert"' in text(client.post(f"/hosts/{row.pk}/", {"ownership": "landlord"}))


def test_anothers_site_and_hosts_do_not_exist(visit, page):
    client, row = visit("someone-else"), Host.objects.first()
    Declared.objects.create(site=row.site, name="x", added=row.first_seen)
    for path in (page, f"{page}export.csv", f"{page}export.json", f"/hosts/{row.pk}/"):
        assert client.get(path).status_code == 404, path
    assert client.post(page, {"typed": "y"}).status_code == 404
    assert client.post(f"/hosts/{row.pk}/", {"name": "y"}).status_code == 404
    assert client.post(f"/declared/{Declared.objects.get().pk}/withdraw/").status_code == 404
    assert (Declared.objects.count(), Host.objects.filter(given_name="y").count()) == (1, 0)
