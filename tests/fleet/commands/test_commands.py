"""`omamori fleet` as an operator types it: real processes over a real database, one fleet for the whole module."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from omamori.protocol.label import label_code

OMAMORI = Path(sys.prefix) / "bin/omamori"
UNIT = "om-0001"
EMPTY = ("detections", "hosts", "usage", "wiring", "log", "releases", "rollouts")
"""Listings of a fleet whose units never spoke."""


class Fleet:
    """A fleet's state, and its command line."""

    def __init__(self, state: Path) -> None:
        self._environment = {**os.environ, "OMAMORI_STATE": str(state), "LC_ALL": "C.UTF-8"}

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [OMAMORI, "fleet", *words]
        return subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )

    def python(self, code: str) -> None:
        """Something that no command does, in this fleet."""
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env=self._environment,
            check=True,
            timeout=60,
            capture_output=True,
        )

    def text(self, *words: str) -> str:
        done = self.call(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str):
        return json.loads(self.text(*words, "--json"))

    def refusal(self, *words: str) -> str:
        """What it says when it refuses; never a traceback."""
        done = self.call(*words)
        assert done.returncode in {1, 2}, done.stdout
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    made = Fleet(tmp_path_factory.mktemp("fleet"))
    made.text("init", "--user", "operator", "--password", "a-long-enough-word")
    made.text("sites", "add", "Osaka", "--customer", "Naniwa Seisakusho", "--reseller", "Osaka Chamber")
    made.text("sites", "add", "Sakai", "--customer", "Naniwa Seisakusho", "--reseller", "Osaka Chamber")
    osaka = str(made.json("sites", "list")[0]["site"])
    made.text("units", "register", UNIT, "--site", osaka, "--name", "Osaka, 1st floor")
    return made


def test_the_label_shows_a_code_made_from_the_claim(fleet, tmp_path):
    file = tmp_path / "claim.json"
    file.write_text(fleet.text("units", "renew-claim", UNIT))
    claim = json.loads(file.read_text())
    code = fleet.text("units", "label", str(file)).strip()
    assert code == label_code(UNIT, claim["secret"])
    assert len(code) == 9
    file.write_text("{}")
    assert "not a claim" in fleet.refusal("units", "label", str(file))


def test_a_unit_is_registered_once_and_listed(fleet):
    (listed,) = [unit for unit in fleet.json("units", "list") if unit["unit"] == UNIT]
    assert not listed["online"]
    shown = fleet.json("units", "show", UNIT)
    assert shown["unit"] == UNIT
    assert [shown[kind] for kind in ("dropped", "uninspected", "unfollowed")] == [{}] * 3
    assert UNIT in fleet.text("units", "list", "--offline")
    assert UNIT not in fleet.text("units", "list", "--online")
    assert UNIT in fleet.refusal("units", "register", UNIT, "--site", "1")


def test_a_claim_is_shown_when_it_is_made_and_not_again(fleet):
    claim = json.loads(fleet.text("units", "renew-claim", UNIT))
    assert claim["unit"] == UNIT
    assert claim["secret"] not in fleet.text("units", "show", UNIT)
    assert claim["secret"] not in fleet.text("audit")


def test_a_unit_moves_between_sites(fleet):
    sites = {site["name"]: str(site["site"]) for site in fleet.json("sites", "list")}
    here = fleet.json("units", "show", UNIT)["site"]
    other = "Sakai" if here == "Osaka" else "Osaka"
    fleet.text("units", "move", UNIT, "--site", sites[other])
    assert fleet.json("units", "show", UNIT)["site"] == other
    assert [unit["unit"] for unit in fleet.json("units", "list", "--site", sites[other])] == [UNIT]
    assert fleet.json("units", "list", "--site", sites[here]) == []


def test_the_window_is_set_and_a_bad_one_is_refused(fleet):
    fleet.text("window", "set", UNIT, "--weekdays", "6,7", "--start", "22:30", "--end", "04:00")
    window = fleet.json("window", "show", UNIT)
    assert (window["timezone"], window["weekdays"]) == ("Asia/Tokyo", [6, 7])
    assert (window["start"], window["end"]) == ("22:30", "04:00")
    good = ("window", "set", UNIT, "--start", "01:00", "--end", "05:00")
    assert "Asia/Tokio" in fleet.refusal(*good, "--timezone", "Asia/Tokio")
    assert "8" in fleet.refusal(*good, "--weekdays", "1,8")
    assert "25:00" in fleet.refusal("window", "set", UNIT, "--start", "25:00", "--end", "05:00")
    assert fleet.json("window", "show", UNIT) == window


def test_a_token_is_printed_once_and_can_be_taken_back(fleet):
    secret = fleet.text("tokens", "add", "operator", "--name", "backup", "--days", "7").split()[-1]
    listed = fleet.json("tokens", "list")
    assert secret not in json.dumps(listed)
    (token,) = [token for token in listed if token["name"] == "backup"]
    fleet.text("tokens", "remove", str(token["token"]))
    assert not [token for token in fleet.json("tokens", "list") if token["name"] == "backup"]


def test_people_are_added_with_a_role_and_a_password_that_is_not_listed(fleet):
    fleet.text(
        "users", "add", "keiri", "--customer", "1", "--password", "another-long-word", "--language", "ja"
    )
    listed = fleet.json("users", "list")
    assert {"operator", "keiri"} <= {user["user"] for user in listed}
    assert "another-long-word" not in json.dumps(listed)
    assert fleet.refusal("users", "add", "nobody")


@pytest.mark.parametrize("listing", EMPTY)
def test_an_empty_listing_is_an_empty_list(fleet, listing):
    assert fleet.json(listing, "list") == []


def test_exports_have_their_header_without_a_row(fleet):
    rows = list(csv.reader(io.StringIO(fleet.text("detections", "export").lstrip("\ufeff"))))
    assert len(rows) == 1
    assert "signature" in rows[0]


def test_what_was_done_is_in_the_audit(fleet):
    said = json.dumps(fleet.json("audit", "--limit", "100"))
    assert UNIT in said
    assert len(fleet.json("audit", "--limit", "1")) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("units", "show", "om-9999"),
        ("units", "register", "UPPER.case"),
        ("units", "move", UNIT, "--site", "999"),
        ("apply-now", "om-9999"),
        ("releases", "add", "firmware", "1.4.0"),
        ("releases", "add", "pack", "not-a-version"),
        ("rollouts", "create", "pack", "2026.11.3", "--all"),
        ("rollouts", "advance", "77"),
        ("tokens", "remove", "77"),
        ("sites", "add", "", "--customer", "C", "--reseller", "R"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_refused_in_one_sentence(fleet, words):
    assert 0 < len(fleet.refusal(*words).strip().splitlines()) <= 4


def test_without_a_fleet_the_next_step_is_named(tmp_path):
    assert "omamori fleet init" in Fleet(tmp_path / "none").refusal("units", "list")


def test_hosts_are_declared_from_a_file_and_a_fault_is_told_by_its_line(fleet, tmp_path):
    site = str(fleet.json("sites", "list")[0]["site"])
    table = tmp_path / "hosts.csv"
    table.write_text("名前,MACアドレス\n経理PC,02-00-00-00-00-0A\n", encoding="cp932")
    assert fleet.json("hosts", "declare", str(table), "--site", site) == {"added": 1, "kept": 0, "removed": 0}
    (row,) = fleet.json("hosts", "declared", "--site", site)
    assert (row["name"], row["mac"]) == ("経理PC", "02:00:00:00:00:0a")
    table.write_text("pc\nserver,oops\n")
    assert "line 2: this is no MAC address: 'oops'" in fleet.refusal(
        "hosts", "declare", str(table), "--site", site
    )
    fleet.text("hosts", "withdraw", str(row["declared"]))
    assert fleet.json("hosts", "declared", "--site", site) == []
    assert "no host 7" in fleet.refusal("hosts", "describe", "7", "--name", "x")
