"""The measure of lists runs and says what it measured."""

import json
import subprocess
import sys


def test_it_measures_every_kind():
    command = [sys.executable, "-m", "lab.lists", "--entries", "2000", "--json"]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert told["entries of each kind"] == 2000
    assert told["own memory MB"] < 5
    assert all(told[key] > 0 for key in ("pack MB", "load s", "domain us", "URL us", "address us"))
