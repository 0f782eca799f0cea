"""The API of what customers say of hosts."""

from datetime import timedelta

from omamori.fleet.ingest.operations import store
from omamori.fleet.units.models import Unit
from tests.fleet.api.test_api import programs  # noqa: F401 - a fixture

MAC = "02:00:00:00:00:01"


def test_a_host_is_described_by_its_customer(programs, fleet):  # noqa: F811 - the fixture
    _, mine, theirs = programs
    store([fleet.hosts(fleet.host(MAC), unit="om-aaaa", sequence=60)])
    (host,) = mine.get("/hosts")["items"]
    path = f"/hosts/{host['id']}"
    said = mine("PATCH", path, {"given_name": "Keiri", "ownership": "company"}).json()
    assert (said["given_name"], said["ownership"], said["name"]) == ("Keiri", "company", "")
    assert mine("PATCH", path, {"ownership": ""}).json()["given_name"] == "Keiri"
    assert mine("PATCH", path, {"ownership": "landlord"}).status_code == 422
    assert theirs("PATCH", path, {"given_name": "x"}).status_code == 404


def test_hosts_are_declared_and_withdrawn(programs, fleet):  # noqa: F811 - the fixture
    _, mine, theirs = programs
    path = f"/sites/{fleet.sites[0].pk}/declared"
    hosts = [{"name": "pc", "mac": "02-00-00-00-00-01"}, {"name": "server"}]
    assert mine("POST", path, {"hosts": hosts}).json() == {"added": 2, "kept": 0, "removed": 0}
    listed = mine.get(path)["items"]
    assert [(row["name"], row["mac"]) for row in listed] == [("pc", MAC), ("server", "")]
    refused = mine("POST", path, {"hosts": [{"name": "x"}, {"name": "y", "mac": "no"}]})
    assert refused.status_code == 422
    assert refused.json()["detail"] == "line 2: this is no MAC address: 'no'"
    assert theirs("POST", path, {"hosts": hosts}).status_code == 404
    assert theirs("GET", path).status_code == 404
    assert theirs("DELETE", f"/declared/{listed[0]['id']}").status_code == 404
    assert mine("DELETE", f"/declared/{listed[0]['id']}").status_code == 204
    assert [row["name"] for row in mine.get(path)["items"]] == ["server"]


def test_the_coverage_of_a_site_is_answered_to_its_own(programs, fleet):  # noqa: F811 - the fixture
    _, mine, theirs = programs
    path = f"/sites/{fleet.sites[0].pk}/coverage"
    mine("POST", f"/sites/{fleet.sites[0].pk}/declared", {"hosts": [{"name": "-server"}]})
    told = mine.get(path)
    assert (told["counts"]["never-seen"], told["hosts"][0]["name"]) == (1, "-server")
    assert "never-seen,'-server,True" in mine("GET", f"{path}.csv").content.decode("utf-8-sig")
    assert theirs("GET", path).status_code == theirs("GET", f"{path}.csv").status_code == 404


def test_units_that_need_attention_are_listed_to_their_own(programs, fleet):  # noqa: F811 - the fixture
    operator, mine, theirs = programs
    fleet.unit("om-late", activated=False)
    Unit.objects.filter(pk="om-late").update(registered=fleet.now - timedelta(days=400))
    (late,) = [row for row in mine.get("/attention")["items"] if row["unit"] == "om-late"]
    assert (late["reason"], late["since"]) == ("never-came", "2025-10-16T03:00:00Z")
    assert late["next_step"]
    assert late["figures"]["days"] >= 400
    assert f"{late['figures']['days']}日" in late["evidence_ja"]
    assert "om-late" in {row["unit"] for row in operator.get("/attention")["items"]}
    assert "om-late" not in {row["unit"] for row in theirs.get("/attention")["items"]}
    assert operator.get("/attention", limit=1)["count"] == operator.get("/attention")["count"]
