"""The page of exceptions: each sees what holds at their own sites, in both languages, and nothing is markup."""

from datetime import timedelta

import pytest
from django.utils import timezone

from omamori.fleet.accounts.actor import System
from omamori.fleet.policies import operations
from omamori.fleet.policies.operations import Criteria, scope


@pytest.fixture
def several(company):
    """At a unit, at its site, at another customer's, and one that has ended."""
    now = timezone.now()

    def add(reason, *, unit="", site=None, lasts=timedelta(hours=1), at=now, **criteria):
        where = scope(System(), unit=unit, site=site)
        return operations.add(System("desk"), where, Criteria(**criteria), lasts=lasts, reason=reason, now=at)

    add("<b>own scanner</b>", unit="om-0001", host="02:00:00:00:00:20", rule="2010001")
    add("listed by mistake", site=company.sites[0].pk, destination="shop.example")
    add("of another", unit="om-0900", destination="other.example")
    add("long ago", unit="om-0002", rule="7", at=now - timedelta(days=3))
    return company


def text(response):
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(
    ("person", "theirs"),
    [("operator", {"own scanner", "listed by mistake", "of another"}), ("hanako", {"own scanner", "listed by mistake"}),
     ("someone-else", {"of another"})],
)  # fmt: skip
def test_each_sees_what_holds_at_their_own_sites(visit, person, theirs):
    page = text(visit(person).get("/exceptions/"))
    assert {
        each for each in ("own scanner", "listed by mistake", "of another", "long ago") if each in page
    } == theirs
    assert "<b>own scanner" not in page


@pytest.mark.usefixtures("several")
def test_what_has_ended_is_shown_when_asked_for(visit):
    page = text(visit("operator").get("/exceptions/?all=1"))
    assert "long ago" in page
    assert "ended" in page
    assert "1:2010001" in page


@pytest.mark.usefixtures("several")
def test_in_japanese_and_found_from_the_units(visit):
    client = visit("operator")
    assert "/exceptions/" in text(client.get("/"))
    client.post("/language/", {"language": "ja", "next": "/"})
    assert "<h1>例外</h1>" in text(client.get("/exceptions/"))
    assert "/exceptions/" not in text(visit("hanako").get("/"))


@pytest.mark.usefixtures("company")
def test_without_any_it_says_so(visit):
    assert "There is no exception." in text(visit("hanako").get("/exceptions/"))
    assert visit("hanako").post("/exceptions/").status_code == 405
