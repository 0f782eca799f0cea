"""A quick run for real: every program starts, every workload carries traffic, the exit code tells of the goals."""

import json
import subprocess
import sys

import pytest

from lab.bench import rules
from lab.bench.__main__ import DEMO
from lab.bench.contestants import Omamori, ready
from lab.bench.place import make_content, place
from lab.bench.tools import tools
from lab.bridge import BridgeProcess
from lab.namespaces import wait_until
from omamori.image.state import State


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_quick_run_measures_everybody(tmp_path):
    told = tmp_path / "bench.json"
    command = [sys.executable, "-m", "lab.bench", "--quick", "--only", "bulk,connections", "--json", told]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(told.read_text())
    bulk, connections = (found["medians"][name] for name in ("bulk download, Gbit/s", "new connections/s"))
    assert {"plain bridge", "omamori", "omamori, 1 queue"} <= bulk.keys()
    assert min(*bulk.values(), *connections.values()) > 0
    if found["facts"]["suricata"] != "not installed":
        assert {"suricata stock", "suricata tuned"} <= found["medians"]["reload, s"].keys()
    assert len(found["goals"]) == 15


@pytest.mark.root
def test_whoever_inspects_is_counted_and_not_only_who_started_it(tmp_path):
    installed = tools(State.of())
    make_content(tmp_path / "content")
    made = rules.make(tmp_path / "rules", [DEMO], installed)
    with place("m", installed, tmp_path / "m", tmp_path / "content") as here:
        contestant = Omamori(here, made, queues=2)
        with ready(contestant, here):
            unit = BridgeProcess(here.line, here.folder / "unit")
            wait_until(lambda: len(unit.workers()) == 2, seconds=30, what="both workers to be told")
            assert set(unit.workers().values()) <= set(contestant.processes())


def test_an_unknown_workload_is_named():
    command = [sys.executable, "-m", "lab.bench", "--only", "bulk,blubb"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no workload blubb" in done.stderr
