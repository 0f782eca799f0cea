"""`omamori-unit` as a person at the console uses it: a program over files."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from omamori.firmware.host.paths import Paths
from omamori.protocol.messages import BridgeState, Reason, Want, encode
from omamori.protocol.policy import Change, Exemption, Policy
from omamori.protocol.wire import to_wire


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path)


def run(paths, *arguments):
    program = "from omamori.firmware.cli import main; main()"
    environment = {**os.environ, "OMAMORI_ROOT": str(paths.root)}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def healthy(paths, *, age=0.0):
    state = {"workers": 1, "packets": 12, "blocked": 3, "neutralised": 0, "bypassed": 0, "events_lost": 0}
    when = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    write(paths.bridge_status, {"time": when, "state": state, "pack": "1.2.3", "workers": [{"pid": 1}]})
    write(paths.hosts, {"time": when, "hosts": [{"mac": "02:00:00:00:00:01"}]})
    write(paths.wiring, {"time": when, "findings": [{"code": "OK"}]})
    write(paths.agent_status, {"activated": True, "connected": True, "last_contact": when, "outbox": 0})
    write(paths.update_state, {"update": {"phase": "idle"}, "pack": "1.2.3", "slot": "a"})
    write(paths.os_release, "IMAGE_VERSION=0.4.0\nVARIANT_ID=virtual\n")


def test_status_has_every_process(paths):
    healthy(paths)
    shown = json.loads(run(paths, "status", "--json").stdout)
    assert shown["unit"]["firmware"] == "0.4.0"
    assert shown["bridge"]["state"]["blocked"] == 3
    assert shown["lan"] == {"hosts": 1, "wiring": ["OK"]}
    assert shown["update"]["slot"] == "a"
    text = run(paths, "status").stdout
    assert "pack 1.2.3" in text
    assert "connected yes" in text


def test_status_of_a_unit_where_nothing_runs_says_what_is_missing(paths):
    done = run(paths, "status")
    assert done.returncode == 0
    assert "bridge/status.json is missing" in done.stdout


@pytest.mark.parametrize("content", ["", "[1]", "{", "\x00", "[" * 100_000])
def test_a_broken_file_is_told_and_breaks_nothing(paths, content):
    healthy(paths)
    write(paths.bridge_status, content)
    shown = json.loads(run(paths, "status", "--json").stdout)
    assert "status.json" in shown["bridge"]["error"]
    assert shown["lan"]["hosts"] == 1


def test_the_self_test_passes_on_a_healthy_unit(paths):
    healthy(paths)
    done = run(paths, "self-test")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok") == 4


def test_the_self_test_fails_where_nobody_inspects(paths):
    healthy(paths)
    write(paths.bridge_status, {"time": datetime.now(UTC).isoformat(), "state": {"workers": 0}, "pack": None})
    done = run(paths, "self-test", "--json")
    assert done.returncode == 1
    failed = [result["check"] for result in json.loads(done.stdout) if not result["passed"]]
    assert failed == ["inspection"]


def test_the_self_test_fails_on_an_old_status(paths):
    healthy(paths, age=600)
    done = run(paths, "self-test")
    assert done.returncode == 1
    assert "FAIL bridge" in done.stdout


def test_packs_are_listed_newest_first_with_the_current_one_marked(paths):
    for version in ("1.9.0", "1.10.0"):
        write(paths.packs / f"{version}.pack", "x")
    write(paths.packs / "half.pack", "x")
    write(paths.factory_pack, "x")
    paths.current_pack.symlink_to("1.9.0.pack")
    listed = json.loads(run(paths, "packs", "--json").stdout)
    assert [(pack["version"], pack["current"]) for pack in listed] == [
        ("1.10.0", False),
        ("1.9.0", True),
        ("factory", False),
    ]
    assert "* 1.9.0" in run(paths, "packs").stdout


def test_a_unit_without_packs_says_so(paths):
    assert run(paths, "packs").stdout == "no signature pack on this unit\n"


def test_what_the_operator_changed_is_shown(paths):
    assert run(paths, "policy").stdout == "every guard does as by default\n"
    soon, past = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=1)
    changed = Policy(
        (Exemption(12, soon, rule="1:7", destination="shop.example"), Exemption(11, past, rule="1:8")),
        ("games",),
        (Change("av", "block"),),
        7,
    )
    write(paths.want, encode(Want(5, policy=changed)).decode())
    first, second, *rest = run(paths, "policy").stdout.splitlines()
    assert first.startswith("exception 12: rule 1:7, destination shop.example until ")
    assert second.endswith("UTC (ended)")
    assert rest == ["av: block", "blocked categories: games", "rules younger than 7 days are told only"]
    shown = json.loads(run(paths, "policy", "--json").stdout)
    assert (shown["generation"], shown["policy"]["blocked_categories"]) == (5, ["games"])
    write(paths.want, "{")
    done = run(paths, "policy")
    assert (done.returncode, "cannot be read" in done.stderr) == (1, True)


def test_why_packets_were_dropped_or_passed_is_shown_and_explained(paths):
    assert run(paths, "reasons").stdout == "nothing was dropped, nothing passed uninspected\n"
    state = BridgeState(
        dropped=(Reason("ips", 1234),),
        uninspected=(Reason("wrong checksum", 3), Reason("a word of 2031", 2)),
    )
    write(paths.bridge_status, {"state": to_wire(state)})
    dropped, unsound, unknown = run(paths, "reasons").stdout.splitlines()
    assert dropped.split() == ["dropped", "1,234", "ips"]
    assert "wrong checksum: receivers refuse it" in unsound
    assert unknown.split(maxsplit=2) == ["uninspected", "2", "a word of 2031"]
    shown = json.loads(run(paths, "reasons", "--json").stdout)
    assert shown["dropped"] == [{"reason": "ips", "count": 1234}]
    told = json.loads(run(paths, "status", "--json").stdout)["bridge"]["state"]
    assert {kind: told[kind] for kind in shown} == shown
    assert "ips=1234" in run(paths, "status").stdout
