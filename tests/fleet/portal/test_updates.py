"""The updates page: what waits and for what, postponing, the way, the security deadline; in both languages."""

from datetime import timedelta

import pytest
from django.utils import timezone

from omamori.fleet.accounts.actor import System
from omamori.fleet.rollouts.operations import add_release
from omamori.fleet.units.applying import POSTPONE_MOST
from omamori.fleet.units.models import Want
from tests.fleet.portal.test_pages import WINDOW, text

PAGE = "/units/om-0001/updates/"


@pytest.fixture
def announced(company):
    """Version 1.1.0, which waits for a restart, is what the fleet wants of it since three days."""
    since = timezone.now() - timedelta(days=3)
    Want.objects.filter(pk="om-0001").update(firmware="1.1.0", firmware_since=since)
    return company


def tokyo(days):
    """The day that many days from now where the unit stands, as a browser sends it."""
    with timezone.override("Asia/Tokyo"):
        return (timezone.localdate() + timedelta(days=days)).isoformat()


@pytest.mark.usefixtures("announced")
def test_an_update_is_postponed_to_a_day_of_the_calendar(visit):
    client = visit()
    page = text(client.get(PAGE))
    assert f'min="{tokyo(1)}"' in page
    assert f'max="{tokyo(27)}"' in page
    page = text(client.post(f"{PAGE}postpone/", {"until": tokyo(5)}, follow=True))
    assert f"The update is postponed to {tokyo(5)}" in page
    assert f"the first window after {tokyo(5)}" in page
    assert Want.objects.get(pk="om-0001").postponed_until.isoformat() == f"{tokyo(4)}T15:00:00+00:00"
    page = text(client.post(f"{PAGE}postpone/", {"end": "1"}, follow=True))
    assert "not postponed any more" in page
    assert Want.objects.get(pk="om-0001").postponed_until is None


@pytest.mark.usefixtures("announced")
@pytest.mark.parametrize(("language", "said"), [("en", "Choose a day from"), ("ja", "日を選んでください")])
def test_days_that_cannot_be_are_refused_with_those_that_can(visit, language, said):
    client = visit(language=language)
    for day in ("", "tomorrow", "9999-12-31", "2020-01-01", "0001-01-01", tokyo(28), None):
        body = {} if day is None else {"until": day}
        page = text(client.post(f"{PAGE}postpone/", body, follow=True))
        assert said in page, day
        assert tokyo(1) in page
        assert tokyo(27) in page
    assert Want.objects.get(pk="om-0001").generation == 1


@pytest.mark.usefixtures("announced")
@pytest.mark.parametrize(
    ("language", "said"), [("en", "cannot be postponed any longer"), ("ja", "これ以上延期できません")]
)
def test_after_the_limit_it_cannot_be_postponed(visit, language, said):
    Want.objects.filter(pk="om-0001").update(firmware_since=timezone.now() - POSTPONE_MOST)
    client = visit(language=language)
    page = text(client.get(PAGE))
    assert said in page
    assert 'name="until"' not in page
    assert said in text(client.post(f"{PAGE}postpone/", {"until": tokyo(2)}, follow=True))
    assert Want.objects.get(pk="om-0001").postponed_until is None


def test_nothing_to_postpone_is_said(visit):
    client = visit()
    assert 'name="until"' not in text(client.get("/units/om-0002/updates/"))
    page = text(client.post("/units/om-0002/updates/postpone/", {"until": tokyo(2)}, follow=True))
    assert "No update waits" in page


@pytest.mark.usefixtures("announced")
@pytest.mark.parametrize(("language", "said"), [("en", "wait five seconds"), ("ja", "5秒待って")])
def test_at_the_next_power_cycle(visit, language, said):
    client = visit(language=language)
    assert said not in text(client.get(PAGE))
    page = text(client.post(PAGE, WINDOW | {"way": "power-cycle"}, follow=True))
    assert said in page
    assert 'name="until"' not in page, "it never restarts by itself: there is nothing to put off"
    want = Want.objects.get(pk="om-0001")
    assert (want.at_power_cycle, want.start) == (True, "22:00")
    text(client.post(PAGE, WINDOW, follow=True))
    assert Want.objects.get(pk="om-0001").at_power_cycle, "what is not said stays"
    text(client.post(PAGE, WINDOW | {"way": "window"}, follow=True))
    assert not Want.objects.get(pk="om-0001").at_power_cycle
    assert 'role="alert"' in text(client.post(PAGE, WINDOW | {"way": "never"}))


@pytest.mark.usefixtures("announced")
@pytest.mark.parametrize(
    ("language", "said"), [("en", "at the latest, whatever is chosen here"), ("ja", "遅くとも")]
)
def test_a_security_deadline_is_shown_and_bounds_the_calendar(visit, language, said):
    deadline = timezone.now() + timedelta(days=4)
    client = visit(language=language)
    assert said not in text(client.get(PAGE))
    Want.objects.filter(pk="om-0001").update(deadline=deadline)
    page = text(client.get(PAGE))
    assert said in page
    with timezone.override("Asia/Tokyo"):
        shown = timezone.localtime(deadline)
    assert f"{shown:%Y-%m-%d}" in page
    assert f"{shown:%H:%M}" in page
    assert f'max="{tokyo(4)}"' in page


@pytest.mark.usefixtures("announced")
def test_before_it_is_staged_it_is_announced_and_can_be_put_off(visit):
    from omamori.fleet.units.models import Unit

    Unit.objects.filter(pk="om-0001").update(update_phase="downloading")
    page = text(visit().get(PAGE))
    assert "Version 1.1.0 is on its way to the unit." in page
    assert "Restart now" not in page
    assert 'name="until"' in page


@pytest.mark.usefixtures("announced")
@pytest.mark.parametrize("body", [{"until": "2027-01-01"}, {"end": "1"}])
def test_anothers_unit_cannot_be_postponed_nor_without_the_forms_token(visit, body):
    assert visit("someone-else").post(f"{PAGE}postpone/", body).status_code == 404
    assert visit(enforce_csrf_checks=True).post(f"{PAGE}postpone/", body).status_code == 403
    assert visit().get(f"{PAGE}postpone/").status_code == 405
    assert Want.objects.get(pk="om-0001").generation == 1


ABOUT = {
    "ja": "メール添付の検査が速くなりました。",
    "en": "Mail attachments are <b>inspected</b> faster.",
    "severity": "important",
    "cves": ["CVE-2026-12345"],
    "restart": {"needed": True, "seconds": 45},
}


@pytest.mark.usefixtures("announced")
@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "are &lt;b&gt;inspected",
                "Urgency: important",
                "traffic stops for at most 45 s",
                "CVE-2026-12345",
            ),
        ),
        ("ja", ("メール添付の検査", "重要度: 重要", "通信の停止は最大45秒", "CVE-2026-12345")),
    ],
)
def test_a_release_says_what_it_changes_in_the_readers_words(visit, language, words):
    add_release(System(), "firmware", "1.1.0", about=ABOUT)
    page = text(visit(language=language).get(PAGE))
    for each in words:
        assert each in page


@pytest.mark.usefixtures("announced")
def test_a_release_that_says_nothing_proper_shows_its_plain_notes(visit):
    add_release(System(), "firmware", "1.1.0", notes="only <words>", about={"en": "<script>"})
    page = text(visit().get(PAGE))
    assert "only &lt;words&gt;" in page
    assert "<script>" not in page.split("<main", 1)[1]
