"""`./inv cold`: the copy of the checkout works by itself, with nothing but an empty state. A whole run takes a quarter of an hour."""

import os
import subprocess
import sys
from pathlib import Path

from lab import cold

PROJECT = Path(__file__).resolve().parents[2]


def test_the_copy_has_what_a_clone_has_and_what_is_changed_in_it_still_runs(tmp_path):
    tree = tmp_path / "tree"
    cold._copy(tree)
    for name in ("inv", "omamori/image/recipes/common.toml", cold.CHANGED):
        assert (tree / name).read_bytes() == (PROJECT / name).read_bytes()
    assert not (tree / ".git").exists()
    before = (tree / cold.CHANGED).read_bytes()
    cold._change(tree)
    assert (tree / cold.CHANGED).read_bytes() != before
    subprocess.run([sys.executable, str(tree / cold.CHANGED)], check=True, env=os.environ | {"PYTHONPATH": str(tree)})  # fmt: skip


def test_a_build_that_fails_is_told_with_its_own_words(capfd):
    assert cold.main(["--variant", "none"]) == 1
    said = capfd.readouterr().err
    assert "none" in said
    assert "from nothing" in said
