"""Exceptions and policies over the operators' API: who may, what is refused, what is told."""

from datetime import UTC, datetime

import pytest

from omamori.fleet.accounts import operations as accounts
from omamori.fleet.accounts.actor import System
from tests.fleet.api.test_api import Program


@pytest.fixture
def programs(fleet):
    """Tokens of the operator and of the first customer."""
    fleet.unit("om-aaaa", 0)
    fleet.unit("om-bbbb", 1)
    users = [fleet.user("op"), fleet.user("ca", "customer", 0)]
    return [Program(accounts.add_token(System(), user, "test", now=datetime.now(UTC))) for user in users]


ASKED = {"unit": "om-aaaa", "rule": "2010001", "seconds": 3600, "reason": "a false alarm"}


def test_an_exception_from_its_begin_to_its_end(programs):
    operator, customer = programs
    made = operator("POST", "/exceptions", ASKED)
    assert made.status_code == 201
    key = made.json()["id"]
    assert [row["id"] for row in customer.get("/exceptions", unit="om-aaaa")["items"]] == [key]
    assert customer.get("/units/om-aaaa/policy")["exemptions"][0]["rule"] == "1:2010001"
    assert customer("POST", f"/exceptions/{key}/end", {"reason": "x"}).status_code == 403
    ended = operator("POST", f"/exceptions/{key}/end", {"reason": "done"})
    assert (ended.status_code, ended.json()["ended_by"].split()[0]) == (200, "op")
    assert operator("POST", f"/exceptions/{key}/end", {"reason": "done"}).status_code == 409
    assert operator.get("/exceptions")["items"] == []
    assert len(operator.get("/exceptions", active="false")["items"]) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"rule": ""}, 422),
        ({"seconds": 0}, 422),
        ({"reason": ""}, 422),
        ({"unit": "om-cccc"}, 404),
        ({"site": 1}, 422),
        ({"destination": "0.0.0.0/0"}, 422),
    ],
)
def test_bad_requests(programs, change, status):
    assert programs[0]("POST", "/exceptions", ASKED | change).status_code == status


def test_others_do_not_exist_for_a_customer(programs):
    customer = programs[1]
    assert customer("POST", "/exceptions", ASKED).status_code == 403
    assert customer("POST", "/exceptions", ASKED | {"unit": "om-bbbb"}).status_code == 404
    assert customer("GET", "/units/om-bbbb/policy").status_code == 404


def test_categories_and_responses(programs):
    operator, customer = programs
    body = {"unit": "om-aaaa", "categories": ["games"]}
    assert operator("POST", "/policy/categories", body).json() == {"blocked": ["games"]}
    assert customer("POST", "/policy/categories", body).status_code == 403
    body = {"unit": "om-aaaa", "subject": "ips", "response": "log", "reason": "trial"}
    assert operator("POST", "/policy/respond", body).status_code == 204
    assert (
        operator("POST", "/policy/respond", body | {"subject": "uf", "response": "block"}).status_code == 422
    )
    assert customer("POST", "/policy/respond", body).status_code == 403
    found = customer.get("/units/om-aaaa/policy")
    assert (found["blocked_categories"], found["changes"]) == (
        ["games"],
        [{"subject": "ips", "response": "log"}],
    )
