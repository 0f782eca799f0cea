"""The front door itself: `./inv demo --once` shows all it promises and leaves nothing behind."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEPS = 12


def _traces():
    """Namespaces of any demo: other tests make theirs meanwhile."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^om[0-9a-f]{4}-[a-z]+", listed, re.MULTILINE))


@pytest.mark.root
@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_demo_shows_every_step_and_cleans_up(tmp_path):
    before = _traces()
    report = tmp_path / "demo.json"
    command = [ROOT / "inv", "demo", "--once", "--json", report]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2300, check=False)
    outcome = json.loads(report.read_text())
    failed = [
        f"{step['number']}. {step['title']}: {step['evidence']}"
        for step in outcome["steps"]
        if not step["passed"]
    ]
    assert not failed, "\n".join([*failed, done.stderr[-6000:]])
    assert len(outcome["steps"]) == STEPS, done.stderr[-3000:]
    assert done.returncode == 0
    assert _traces() <= before
