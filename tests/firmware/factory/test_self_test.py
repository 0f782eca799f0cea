"""`omamori-unit self-test --factory` by the real program: a unit that may be shipped, and what it says about one that may not."""

import json
import uuid

import pytest

from lab import namespaces
from tests.firmware.factory.bench_unit import SECRET, board, good, self_test, ticking

NO_PORTS = ("--without", "ports")


@pytest.fixture
def unit(tmp_path):
    return good(tmp_path)


@pytest.fixture
def wired():
    """A namespace with wan0 and lan0 and a cable between them."""
    with namespaces.namespace(f"factory-{uuid.uuid4().hex[:8]}") as inside:
        inside.run("ip", "link", "add", "wan0", "type", "veth", "peer", "name", "lan0")
        for port in ("wan0", "lan0"):
            inside.run("ip", "link", "set", port, "up")
        yield inside


@pytest.mark.root
def test_a_unit_that_may_be_shipped_passes_and_nothing_stays(unit, wired):
    before = sorted(unit.state.iterdir())
    with ticking(board(unit)):
        done = self_test(unit, "--json", "--unit", "om-0001", prefix=wired.command())
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["passed"]
    assert {line["outcome"] for line in report["lines"]} == {"PASS"}
    found = {line["check"]: line["detail"] for line in report["lines"]}
    assert found["frames wan0 to lan0"] == found["frames lan0 to wan0"] == "64 of 64 arrived"
    assert found["link wan0"] == "up, 1000 Mbit/s"
    assert found["claim"] == "of om-0001 for https://fleet.example:8443"
    assert SECRET not in done.stdout
    assert sorted(unit.state.iterdir()) == before


@pytest.mark.root
def test_ports_that_are_bridged_as_on_the_running_unit_are_tested_too(unit, wired):
    """The bridge hands nothing on: a frame that it did would go round."""
    wired.run("ip", "link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0")
    for port in ("wan0", "lan0"):
        wired.run("ip", "link", "set", port, "master", "br0")
    words = [
        word
        for name in ("storage", "lamp", "button", "claim", "memory", "processor", "clock")
        for word in ("--without", name)
    ]
    done = self_test(unit, *words, prefix=wired.command())
    assert done.returncode == 0, done.stdout
    assert "PASS frames lan0 to wan0: 64 of 64 arrived" in done.stdout


def test_every_line_is_pass_or_fail_and_one_failure_fails_the_unit(unit):
    (unit.root / "run/credentials/@system/omamori.claim").unlink()
    with ticking(board(unit)):
        done = self_test(unit, *NO_PORTS)
    assert done.returncode == 1
    *lines, last = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"PASS", "FAIL", "SKIP"}
    assert [line for line in lines if line.startswith("FAIL")] == ["FAIL claim: there is none"]
    assert last == "FAIL: 11 passed, 1 failed, 1 left out"


def test_a_person_sees_the_lamp_and_presses_the_button(unit):
    words = [
        word
        for name in ("ports", "storage", "button", "claim", "memory", "processor", "clock")
        for word in ("--without", name)
    ]
    done = self_test(unit, *words, "--interactive", typed="y\n")
    assert done.returncode == 0, done.stdout
    assert "PASS lamp omamori:green:status seen" in done.stdout
    assert "Does the lamp omamori:green:status blink?" in done.stderr
    refused = self_test(unit, *words, "--interactive", typed="n\n")
    assert refused.returncode == 1
    assert "FAIL lamp omamori:green:status seen" in refused.stdout


@pytest.mark.parametrize(
    ("words", "hint"), [(["--without", "screen"], "ports, storage, lamp"), (["--no-such"], "No such option")]
)
def test_wrong_use_is_said(unit, words, hint):
    done = self_test(unit, *words)
    assert done.returncode == 2
    assert hint in done.stderr


def test_a_unit_that_is_not_there_at_all_fails_everywhere_and_falls_nowhere(tmp_path):
    unit = type(good(tmp_path / "full"))(tmp_path / "empty")
    done = self_test(unit, *NO_PORTS, "--json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    found = {line["check"]: line["outcome"] for line in json.loads(done.stdout)["lines"]}
    assert found == dict.fromkeys(
        ("storage", "lamp", "button", "claim", "memory", "processor", "clock"), "FAIL"
    ) | {"ports": "SKIP"}
