"""The operators' API as a program uses it: tokens, tenancy, pages, filters, changes, export, and the published schema."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from omamori.fleet.accounts import operations as accounts
from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.models import Token
from omamori.fleet.ingest.operations import store
from omamori.fleet.rollouts.operations import add_release
from omamori.fleet.units.models import Want
from omamori.protocol.vocabulary import Guard, Severity

SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"


class Program:
    """A client with a token."""

    def __init__(self, token):
        self._client, self.token = Client(), token

    def __call__(self, method, path, body=None, **query):
        return self._client.generic(
            method,
            f"/api/v1{path}",
            json.dumps(body) if body is not None else b"",
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.token}", "Host": "127.0.0.1"},
            query_params=query,
        )

    def get(self, path, **query):
        answer = self("GET", path, **query)
        assert answer.status_code == 200, answer.content
        return answer.json()


@pytest.fixture
def programs(fleet):
    """Tokens of an operator and of both customers, over a unit with detections at each."""
    for number, site in (("om-aaaa", 0), ("om-bbbb", 1)):
        fleet.unit(number, site)
        store([fleet.detection(n, unit=number, time=fleet.now + timedelta(minutes=n)) for n in range(1, 6)])
    users = [fleet.user("op"), fleet.user("ca", "customer", 0), fleet.user("cb", "customer", 1)]
    return [Program(accounts.add_token(System(), user, "test", now=datetime.now(UTC))) for user in users]


@pytest.mark.parametrize("change", [
    lambda t: t[:0], lambda t: t[:-1], lambda t: t + "x", lambda t: "omk_" + "0" * 12 + "_" + t.split("_", 2)[2],
    lambda t: t.split("_")[1], lambda t: t[:4] + "_", lambda t: "\u00e9" + t,
])  # fmt: skip
def test_only_the_whole_token_opens(programs, change):
    program = Program(change(programs[0].token))
    assert program("GET", "/units").status_code == 401


def test_tokens_are_stored_as_digests_and_can_expire_and_go(fleet):
    user = fleet.user("op")
    text = accounts.add_token(System(), user, "short", lifetime=timedelta(hours=1), now=datetime.now(UTC))
    row = Token.objects.get()
    assert text.split("_", 2)[2] not in (row.digest, row.public)
    program = Program(text)
    assert program("GET", "/units").status_code == 200
    Token.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
    assert program("GET", "/units").status_code == 401
    Token.objects.update(expires=None)
    type(user).objects.update(is_active=False)
    assert program("GET", "/units").status_code == 401
    type(user).objects.update(is_active=True)
    accounts.remove_token(System(), row.public)
    assert program("GET", "/units").status_code == 401


def test_each_sees_its_own(programs):
    operator, a, b = programs
    assert [unit["id"] for unit in operator.get("/units")["items"]] == ["om-aaaa", "om-bbbb"]
    assert [unit["id"] for unit in a.get("/units")["items"]] == ["om-aaaa"]
    assert {row["unit"] for row in b.get("/detections")["items"]} == {"om-bbbb"}
    assert a("GET", "/units/om-bbbb").status_code == 404
    assert a("PUT", "/units/om-bbbb/window", WINDOW).status_code == 404
    assert a("GET", "/units/om-bbbb/log").json()["count"] == 0


def test_pages_and_filters(programs, fleet):
    operator = programs[0]
    page = operator.get("/detections", limit=3, offset=3)
    assert (page["count"], len(page["items"])) == (10, 3)
    store(
        [fleet.detection(90, unit="om-aaaa", guard=Guard.WG, severity=Severity.ONE, detail="phish.example")]
    )
    assert operator.get("/detections", guard="wg")["count"] == 1
    assert operator.get("/detections", severity=2)["count"] == 10
    assert operator.get("/detections", text="PHISH")["count"] == 1
    assert (
        operator.get("/detections", unit="om-aaaa", since=(fleet.now + timedelta(minutes=4)).isoformat())[
            "count"
        ]
        == 2
    )
    assert operator("GET", "/detections", guard="nonsense").status_code == 422
    assert operator("GET", "/detections", since="2026-01-01T00:00:00").status_code == 422, (
        "a time without zone"
    )
    assert operator("GET", "/detections", limit=501).status_code == 422


@pytest.mark.parametrize("path", ["/hosts/{}", "/detections/{}", "/rollouts/{}", "/units/{}"])
@pytest.mark.parametrize("key", ["-1", "9" * 40, "0", "%00", "' OR 1=1 --"])
def test_keys_that_are_none(programs, path, key):
    assert programs[0]("GET", path.format(key)).status_code in {404, 422}


def test_numbers_that_no_column_holds(programs):
    operator = programs[0]
    assert operator("GET", "/detections", offset=10**30).status_code == 422
    assert operator("GET", "/detections", site=10**30).status_code == 422
    assert operator.get("/detections", text="\x00")["count"] == 0


WINDOW = {"timezone": "Asia/Tokyo", "weekdays": [6, 7], "start": "03:00", "end": "04:30"}


def test_the_window_is_set_by_its_customer(programs):
    customer = programs[1]
    assert customer("PUT", "/units/om-aaaa/window", WINDOW).json() == {"generation": 2}
    assert customer.get("/units/om-aaaa/window") == WINDOW
    assert customer.get("/units/om-aaaa")["want"]["window"] == WINDOW


@pytest.mark.parametrize(
    "change",
    [
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"weekdays": []},
        {"weekdays": [0]},
        {"weekdays": [8]},
        {"weekdays": ["Monday"]},
        {"start": "25:00"},
        {"start": "3"},
        {"start": "04:30"},
        {"end": None},
    ],
)
def test_windows_that_cannot_be(programs, change):
    answer = programs[0]("PUT", "/units/om-aaaa/window", WINDOW | change)
    assert answer.status_code == 422, answer.content
    assert answer.json()["detail"]
    assert Want.objects.get(pk="om-aaaa").generation == 1


def test_a_release_goes_out_by_the_operator_only(programs):
    operator, customer, _ = programs
    add_release(System(), "pack", "2.0.0", notes="new")
    body = {"kind": "pack", "version": "2.0.0", "units": ["om-aaaa"]}
    assert customer("POST", "/rollouts", body).status_code == 403
    made = operator("POST", "/rollouts", body)
    assert (made.status_code, made.json()["progress"]) == (201, {"wanted": 1})
    key = made.json()["id"]
    assert operator.get(f"/rollouts/{key}/members")["items"][0]["unit"] == "om-aaaa"
    assert customer.get("/rollouts")["count"] == 1
    assert programs[2].get("/rollouts")["count"] == 0
    assert operator("POST", f"/rollouts/{key}/advance").status_code == 409
    assert operator("POST", "/rollouts", body | {"units": []}).status_code == 422
    assert operator("POST", "/rollouts", body | {"version": "9.9.9"}).status_code == 404


def test_a_unit_is_registered_and_wanted_now(programs, fleet):
    operator, customer, _ = programs
    body = {"id": "om-cccc", "site": fleet.sites[0].pk}
    made = operator("POST", "/units", body)
    assert (made.status_code, len(made.json()["secret"]) >= 40) == (201, True)
    assert operator("POST", "/units", body).status_code == 409
    assert operator("POST", "/units", body | {"id": "NO"}).status_code == 422
    assert customer("POST", "/units", body | {"id": "om-dddd"}).status_code == 403
    assert customer("POST", "/units/om-aaaa/apply-now").json() == {"generation": 2}


def test_export_gives_everything_and_no_formulas(programs, fleet):
    hostile = '=HYPERLINK("http://evil.example")'
    store([fleet.detection(70, unit="om-aaaa", detail=hostile, signature='日本語, "quoted"\n')])
    answer = programs[1]("GET", "/detections/export", form="csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == 6
    assert {row["unit"] for row in rows} == {"om-aaaa"}
    odd = next(row for row in rows if row["alert"].endswith("-70"))
    assert (odd["detail"], odd["signature"]) == ("'" + hostile, '日本語, "quoted"\n')
    lines = b"".join(programs[1]("GET", "/detections/export", form="jsonl").streaming_content).splitlines()
    assert hostile in [json.loads(line)["detail"] for line in lines]


def test_hosts_and_wiring_and_audit_answer(programs, fleet):
    held = ("192.168.1.20", fleet.now, fleet.now)
    store([fleet.hosts(fleet.host("02:00:00:00:00:01", held, name="pc"), unit="om-aaaa", sequence=60)])
    found = programs[1].get("/hosts", unit="om-aaaa")["items"]
    assert [row["addresses"][0]["address"] for row in found] == ["192.168.1.20"]
    assert programs[1].get(f"/hosts/{found[0]['id']}")["name"] == "pc"
    assert programs[2]("GET", f"/hosts/{found[0]['id']}").status_code == 404
    assert (found[0]["kind"], found[0]["shared"], found[0]["shared_reasons"]) == ("", 0.0, [])
    assert programs[1].get("/detections")["items"][0]["host_shared"] is False
    assert programs[0].get("/wiring")["count"] == 0
    assert programs[0].get("/audit")["count"] > 0
    assert programs[0].get("/sites")["count"] == 2
    assert programs[0].get("/releases")["count"] == 0


def test_the_published_schema_is_the_real_one(programs):
    """After a change: `omamori fleet openapi > docs/reference/openapi.json`, and a changelog line."""
    real = programs[0].get("/openapi.json")
    assert real == json.loads(SCHEMA.read_text("utf-8"))
