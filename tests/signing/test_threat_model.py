"""The threat model claims nothing that no test holds."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_test_the_threat_model_names_exists():
    named = NAMED.findall((PROJECT / "docs/threat-model.md").read_text())
    assert len(named) > 30
    missing = [
        f"{path}::{name}" for path, name in named if f"def {name}(" not in (PROJECT / path).read_text()
    ]
    assert missing == []
