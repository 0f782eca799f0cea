"""Postponing, the way and the security deadline, as a program of an operator or a customer asks for them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from omamori.fleet.accounts.actor import System
from omamori.fleet.ingest.operations import store
from omamori.fleet.rollouts.operations import add_release
from omamori.fleet.units.models import Want
from omamori.protocol.messages import UpdateState
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase
from tests.fleet.api.test_api import programs  # noqa: F401 - a fixture

BODY = {"kind": "firmware", "version": "1.1.0", "everything": True}


def iso(days):
    return (timezone.now() + timedelta(days=days)).isoformat()


@pytest.fixture
def rolled_out(programs):  # noqa: F811 - the fixture
    """Firmware 1.1.0 is wanted of both units, within ten days."""
    add_release(System(), "firmware", "1.1.0")
    made = programs[0]("POST", "/rollouts", BODY | {"deadline": iso(10)})
    assert made.status_code == 201, made.content
    return programs


def test_a_customer_postpones_chooses_the_way_and_sees_the_bounds(rolled_out):
    customer = rolled_out[1]
    want = customer.get("/units/om-aaaa")["want"]
    assert want["postpone_limit"] == want["deadline"]
    assert (want["postponed_until"], want["at_power_cycle"]) == (None, False)
    until = iso(3)
    assert customer("PUT", "/units/om-aaaa/postponement", {"until": until}).json() == {"generation": 3}
    assert customer("PUT", "/units/om-aaaa/way", {"at_power_cycle": True}).json() == {"generation": 4}
    want = customer.get("/units/om-aaaa")["want"]
    assert want["postponed_until"][:19] == until[:19]
    assert want["at_power_cycle"]
    assert customer("DELETE", "/units/om-aaaa/postponement").json() == {"generation": 5}
    assert customer.get("/units/om-aaaa")["want"]["postponed_until"] is None


def test_what_cannot_be_postponed(rolled_out):
    customer = rolled_out[1]
    for until in (iso(11), iso(-1), "2026-12-01T18:00:00", "soon", None, 10**30, "9999-12-31T23:00-12:00"):
        answer = customer("PUT", "/units/om-aaaa/postponement", {"until": until})
        assert (answer.status_code, bool(answer.json()["detail"])) == (422, True), until
    assert customer("PUT", "/units/om-aaaa/way", {}).status_code == 422
    Want.objects.update(firmware="")
    assert customer("PUT", "/units/om-aaaa/postponement", {"until": iso(1)}).status_code == 409


def test_a_customer_chooses_how_updates_come(rolled_out):
    customer, page = rolled_out[1], "/units/om-aaaa/fetching"
    assert (
        customer.get(page) == customer.get("/units/om-aaaa")["want"]["fetching"] == {"rate": 0, "mirror": ""}
    )
    chosen = {"rate": 125_000, "mirror": "http://nas.example/x/"}
    assert customer("PUT", page, chosen).json() == {"generation": 3}
    assert customer.get(page) == {"rate": 125_000, "mirror": "http://nas.example/x"}
    for body in (
        {"rate": 5},
        {"rate": -1},
        {"rate": 10**30},
        {"mirror": "nas"},
        {"mirror": "x" * 300},
        {"rate": None},
    ):
        answer = customer("PUT", page, body)
        assert (answer.status_code, bool(answer.json()["detail"])) == (422, True), body
    assert customer("PUT", "/units/om-bbbb/fetching", chosen).status_code == 404


def test_anothers_unit_is_not_found(rolled_out):
    customer = rolled_out[1]
    assert customer("PUT", "/units/om-bbbb/postponement", {"until": iso(1)}).status_code == 404
    assert customer("DELETE", "/units/om-bbbb/postponement").status_code == 404
    assert customer("PUT", "/units/om-bbbb/way", {"at_power_cycle": True}).status_code == 404
    assert Want.objects.get(pk="om-bbbb").generation == 2


def test_the_deadline_is_the_operators(rolled_out):
    operator, customer, _ = rolled_out
    (rollout,) = operator.get("/rollouts")["items"]
    path = f"/rollouts/{rollout['id']}/deadline"
    assert rollout["deadline"] == operator.get("/units/om-aaaa")["want"]["deadline"]
    assert customer("PUT", path, {"deadline": None}).status_code == 403
    assert operator("PUT", path, {"deadline": iso(-1)}).status_code == 422
    assert operator("PUT", path, {}).status_code == 422
    assert operator("PUT", path, {"deadline": "9999-12-31T23:59:59-12:00"}).status_code == 422
    assert operator("PUT", path, {"deadline": None}).json()["deadline"] is None
    assert customer.get("/units/om-aaaa")["want"]["deadline"] is None
    assert operator("POST", "/rollouts", BODY | {"deadline": "2026-12-01T18:00:00"}).status_code == 422


def test_the_operator_sees_what_a_staged_unit_waits_for(rolled_out, fleet):
    operator, customer, _ = rolled_out
    staged = UpdateState(UpdatePhase.STAGED, Version.parse("1.1.0"))
    store([fleet.state(50, unit="om-aaaa", update=staged, generation=2)])
    customer("PUT", "/units/om-aaaa/way", {"at_power_cycle": True})
    key = operator.get("/rollouts")["items"][0]["id"]
    said = {row["unit"]: row["waits_for"] for row in operator.get(f"/rollouts/{key}/members")["items"]}
    assert said == {"om-aaaa": "power cycle", "om-bbbb": ""}
