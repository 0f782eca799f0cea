"""Every page by Django's client: what it says in both languages, and that nobody sees another's unit."""

import pytest
from django.test import Client
from django.utils import timezone

from omamori.fleet.accounts.models import Audit, User
from omamori.fleet.portal.signing_in import TRIES_A_MINUTE
from omamori.fleet.units.models import Unit, Want
from tests.fleet.portal.conftest import PASSWORD, PHISHING

UNIT_PAGES = ("", "detections/", "hosts/", "wiring/", "updates/", "support/")
PEOPLE = {"hanako": 3, "seller": 3, "operator": 4, "someone-else": 1}
WINDOW = {"weekdays": ["6", "7"], "start": "22:00", "end": "05:30", "timezone": "Asia/Tokyo"}


def text(response) -> str:
    assert response.status_code == 200, response
    return response.content.decode()


@pytest.mark.usefixtures("company")
def test_nobody_sees_a_page_without_signing_in():
    client = Client(SERVER_NAME="127.0.0.1")
    for page in ("/", *(f"/units/om-0001/{page}" for page in UNIT_PAGES)):
        response = client.get(page)
        assert (response.status_code, response.url) == (302, f"/sign-in/?next={page}")


@pytest.mark.parametrize(("person", "count"), PEOPLE.items())
def test_people_see_the_units_of_their_tenant(visit, person, count):
    page = text(visit(person).get("/"))
    assert page.count('class="unit ') == count
    assert ("Kyoto office" in page) == (person in {"operator", "someone-else"})


@pytest.mark.parametrize("page", UNIT_PAGES)
@pytest.mark.parametrize("key", ["om-0900", "om-9999", "..", "%2e%2e"])
def test_anothers_unit_does_not_exist(visit, page, key):
    assert visit("hanako").get(f"/units/{key}/{page}").status_code == 404


def test_anothers_unit_cannot_be_changed(visit):
    client = visit("hanako")
    assert client.post("/units/om-0900/updates/", WINDOW).status_code == 404
    assert client.post("/units/om-0900/updates/now/").status_code == 404
    want = Want.objects.get(pk="om-0900")
    assert (want.generation, want.apply) == (1, "window")


def test_somebody_who_belongs_nowhere_is_told_so(visit):
    client = visit("hanako")
    User.objects.get(username="hanako").membership.delete()
    response = client.get("/")
    assert response.status_code == 403
    assert "Please ask whoever set it up" in response.content.decode()


# --- what pages say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["Packets that were stopped", "Attack guard", "1,234", "too many came at once"]),
        ("ja", ["止めたパケット", "攻撃対策", "1,234", "一度に届いた量が多すぎたもの"]),
    ],
)
def test_a_unit_says_what_was_stopped_or_not_inspected_and_why(visit, language, said):
    counted = {"ips": 1234, "<b>a newer word": 7, "av": 0}
    reasons = {"dropped": counted, "uninspected": {"queue full": 3}, "unfollowed": {}}
    Unit.objects.filter(pk="om-0001").update(reasons=reasons)
    page = text(visit(language=language).get("/units/om-0001/"))
    assert [word for word in said if word not in page] == []
    assert "&lt;b&gt;a newer word" in page
    assert "最後まで検査しなかった" not in page


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["Important alert", "The unit is in front of the router", "Offline", "1.0.0", "2026.11.1"]),
        ("ja", ["重要な警告", "本体がルーターより手前にあります", "オフライン", "1.0.0", "2026.11.1"]),
    ],
)
def test_the_list_says_what_matters_of_each_unit(visit, language, said):
    page = text(visit(language=language).get("/"))
    assert f'<html lang="{language}">' in page
    for words in said:
        assert words in page


def test_the_list_can_be_searched(visit):
    page = text(visit("operator").get("/", {"q": "Kyoto"}))
    assert page.count('class="unit ') == 1
    assert "No unit matches." in text(visit("operator").get("/", {"q": "<script>"}))


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            [
                "A device of yours sent traffic that looks like malware",
                "It was stopped.",
                "Made harmless",
                "Act at once",
            ],
        ),
        ("ja", ["マルウェアや攻撃とみられる通信", "通信を止めました。", "無害化", "すぐに対処"]),
    ],
)
def test_detections_are_told_in_plain_words_with_the_host(visit, language, said):
    page = text(visit(language=language).get("/units/om-0001/detections/"))
    for words in (
        *said,
        "keiri-pc",
        "192.168.1.20",
        PHISHING,
        "JSIG-RAT GHOST-Activity-9",
        "★★★",
        "★☆☆",
        "1586334621-10",
    ):
        assert words in page
    assert page.count('class="detection ') == 5


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"severity": "3"}, 1),
        ({"severity": "2"}, 2),
        ({"guard": "av"}, 1),
        ({"text": "keiri"}, 2),
        ({"severity": "9"}, 5),
        ({"page": "zzz"}, 5),
        ({"text": "nothing"}, 0),
    ],
)
def test_detections_can_be_filtered(visit, query, count):
    assert text(visit().get("/units/om-0001/detections/", query)).count('class="detection ') == count


def test_many_detections_come_in_pages(visit, company):
    from omamori.fleet.ingest.operations import store

    store([company.detection(100 + number) for number in range(60)])
    first = text(visit().get("/units/om-0001/detections/", {"severity": "3"}))
    assert first.count('class="detection ') == 50
    assert "?severity=3&amp;page=2" in first
    assert (
        text(visit().get("/units/om-0001/detections/", {"severity": "3", "page": "2"})).count(
            'class="detection '
        )
        == 11
    )


def test_markup_from_the_network_is_only_text(visit, company):
    from omamori.fleet.ingest.operations import store

    evil = "<script>alert(1)</script>"
    store(
        [
            company.detection(99, time=timezone.now(), detail=evil, signature=evil, host_name=evil),
            company.hosts(company.host(name=evil), sequence=98),
        ]
    )
    for page in ("", "detections/", "hosts/"):
        said = text(visit().get(f"/units/om-0001/{page}"))
        assert evil not in said
        assert "&lt;script&gt;" in said


@pytest.mark.parametrize(
    ("language", "protected", "outside"), [("en", "protected", "not protected"), ("ja", "保護中", "保護の外")]
)
def test_hosts_are_listed_with_their_side(visit, language, protected, outside):
    page = text(visit(language=language).get("/units/om-0001/hosts/"))
    for words in ("keiri-pc", "00:16:3e:11:22:33", "192.168.1.20", "Dell Inc.", "MacBook-Air"):
        assert words in page
    assert page.count(f">{protected}</span>") == 4
    assert page.count(f">{outside}</span>") == 1


@pytest.mark.parametrize(
    ("key", "code", "english", "japanese"),
    [
        ("om-0001", "OK", "Wired correctly", "正しく配線されています"),
        ("om-0002", "PPPOE_UPSTREAM", "back into the router", "元どおりルーターに差し込みます"),
        ("om-0003", "NO_HOSTS_BEHIND", "Nothing was heard on the port LAN", "LANポートから何も聞こえない"),
        ("om-0900", "PORTS_SWAPPED", "The two cables are swapped", "2本のケーブルが逆になっています"),
    ],
)
def test_a_wiring_verdict_comes_with_steps_and_evidence(visit, key, code, english, japanese):
    for language, words in (("en", english), ("ja", japanese)):
        page = text(visit("operator", language).get(f"/units/{key}/wiring/"))
        assert words in page
        assert f"{code}" in page
        assert ('<ol class="steps">' in page) == (code != "OK")
        assert "lan0" in page


def test_what_a_verdict_was_read_from_is_told_in_the_readers_language(visit):
    pages = [text(visit(language=language).get("/units/om-0003/wiring/")) for language in ("en", "ja")]
    facts = (
        "lan0 has had link for 12 min and no host",
        "lan0は12分前からリンクしていますが、端末が見つかりません",
    )
    assert [[fact in page for fact in facts] for page in pages] == [[True, False], [False, True]]


def test_a_verdict_from_the_future_is_shown_as_it_is(visit):
    from omamori.fleet.lan.models import Finding

    Finding.objects.filter(wiring__unit="om-0001").update(code="ROGUE_DHCP")
    assert "ROGUE_DHCP" in text(visit().get("/units/om-0001/wiring/"))


def test_a_unit_that_never_came_says_what_to_do(visit, company):
    company.unit("om-0004", activated=False)
    page = text(visit(language="ja").get("/units/om-0004/"))
    assert "本体の有効化ボタンを押してください" in page
    for rest in UNIT_PAGES:
        text(visit().get(f"/units/om-0004/{rest}"))


# --- updates --------------------------------------------------------------------------------------------------------


def test_updates_say_what_waits_and_when(visit):
    page = text(visit().get("/units/om-0001/updates/"))
    for words in (
        "1.0.0",
        "Version 1.1.0 waits for a restart.",
        "Next window",
        "02:00 – 05:00",
        "Restart now",
    ):
        assert words in page
    assert "Restart now" not in text(visit().get("/units/om-0002/updates/"))


def test_the_window_is_set_by_its_customer(visit):
    response = visit().post("/units/om-0001/updates/", WINDOW, follow=True)
    assert "The restart window is saved." in text(response)
    want = Want.objects.get(pk="om-0001")
    assert (want.generation, want.weekdays, want.start, want.end) == (2, [6, 7], "22:00", "05:30")
    assert Audit.objects.get(operation="unit.window").actor.startswith("hanako")


@pytest.mark.parametrize(
    "change",
    [
        {"weekdays": []},
        {"weekdays": ["8"]},
        {"start": "25:00"},
        {"start": "05:30"},
        {"end": ""},
        {"timezone": "Mars/Base"},
    ],
)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_window_that_cannot_be_is_refused_with_a_reason(visit, change, language):
    page = text(visit(language=language).post("/units/om-0001/updates/", WINDOW | change))
    assert 'role="alert"' in page
    assert Want.objects.get(pk="om-0001").generation == 1


def test_now_needs_something_that_waits(visit):
    client = visit()
    assert "restarts within a minute" in text(client.post("/units/om-0001/updates/now/", follow=True))
    assert Want.objects.get(pk="om-0001").apply == "now"
    assert "No update waits" in text(client.post("/units/om-0002/updates/now/", follow=True))
    assert Want.objects.get(pk="om-0002").apply == "window"
    assert client.get("/units/om-0001/updates/now/").status_code == 405


def test_a_failed_update_says_that_the_unit_went_back(visit):
    Unit.objects.filter(pk="om-0001").update(
        update_phase="failed", update_version="1.1.0", update_error="no health in 300 s"
    )
    page = text(visit(language="ja").get("/units/om-0001/updates/"))
    assert "前のバージョンに戻り" in page
    assert "no health in 300 s" in page


@pytest.mark.parametrize(
    "page", ["/units/om-0001/updates/", "/units/om-0001/updates/now/", "/sign-out/", "/language/"]
)
def test_changes_need_the_forms_own_token(visit, page):
    response = visit(enforce_csrf_checks=True, language="ja").post(page, WINDOW)
    assert response.status_code == 403
    assert "もう一度送信してください" in response.content.decode()


# --- signing in -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("company")
def test_signing_in_and_out():
    client = Client(SERVER_NAME="127.0.0.1", headers={"accept-language": "en"})
    response = client.post(
        "/sign-in/?next=/units/om-0001/",
        {"username": "hanako", "password": PASSWORD, "next": "/units/om-0001/"},
    )
    assert response.url == "/units/om-0001/"
    assert client.get("/sign-in/").url == "/"
    assert client.post("/sign-out/").url == "/sign-in/"
    assert client.get("/").status_code == 302


@pytest.mark.usefixtures("company")
def test_signing_in_never_leads_to_another_server():
    client = Client(SERVER_NAME="127.0.0.1")
    response = client.post(
        "/sign-in/", {"username": "hanako", "password": PASSWORD, "next": "https://evil.example.test/"}
    )
    assert response.url == "/"


@pytest.mark.usefixtures("company")
def test_guessing_passwords_is_slowed_down():
    client = Client(SERVER_NAME="127.0.0.1", headers={"accept-language": "ja"})
    for _ in range(TRIES_A_MINUTE):
        assert "試行回数" not in text(client.post("/sign-in/", {"username": "Hanako", "password": "wrong"}))
    assert "試行回数" in text(client.post("/sign-in/", {"username": "hanako", "password": PASSWORD}))


@pytest.mark.usefixtures("company")
def test_a_persons_own_language_is_kept_after_signing_in():
    User.objects.filter(username="hanako").update(language="ja")
    client = Client(SERVER_NAME="127.0.0.1", headers={"accept-language": "en"})
    client.post("/sign-in/", {"username": "hanako", "password": PASSWORD})
    assert "重要な警告" in text(client.get("/"))


def test_the_language_can_be_changed(visit):
    client = visit(language="en")
    assert client.post("/language/", {"language": "ja", "next": "/units/om-0001/"}).url == "/units/om-0001/"
    assert "概要" in text(client.get("/units/om-0001/"))


def test_pages_carry_no_script_and_a_strict_policy(visit):
    response = visit().get("/units/om-0002/wiring/")
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    page = text(response)
    assert "<script" not in page
    assert "style=" not in page


def test_the_list_costs_the_same_for_one_unit_and_for_many(visit, company):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = visit("operator")
    costs = []
    for count in (0, 20):
        for number in range(count):
            company.unit(f"om-1{number:03}")
        with CaptureQueriesContext(connection) as few:
            client.get("/")
        costs.append(len(few))
    assert costs[0] == costs[1] <= 12


def test_a_fault_of_ours_is_told_without_its_details(visit, monkeypatch):
    from omamori.fleet.units import queries

    monkeypatch.setattr(queries, "units", lambda actor: actor.no_such_thing)
    client = visit(raise_request_exception=False)
    response = client.get("/")
    assert response.status_code == 500
    assert "no_such_thing" not in response.content.decode()
    assert "ただいま表示できません" in response.content.decode()
