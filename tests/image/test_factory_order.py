"""The factory's order on the boot partition: what the started unit makes of it, by its own script."""

import os
import subprocess
from pathlib import Path

import pytest

import omamori.image

SCRIPT = Path(omamori.image.__file__).parent / "templates/rootfs/usr/lib/omamori/factory-test"
TOOL = '#!/bin/sh\necho "PASS words:" "$@"\nexit "$VERDICT"\n'


@pytest.fixture
def order(tmp_path):
    folder = tmp_path / "efi/omamori"
    folder.mkdir(parents=True)
    return folder / "self-test"


def started(tmp_path, verdict):
    tool = tmp_path / "bin/omamori-unit"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(TOOL)
    tool.chmod(0o755)
    environment = {"OMAMORI_ROOT": str(tmp_path), "VERDICT": str(verdict)}
    environment["PATH"] = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(["sh", SCRIPT], env=environment, capture_output=True, text=True, check=False)


def test_a_unit_that_passed_has_a_report_and_no_order_any_more(order, tmp_path):
    order.write_text("--without lamp\n")
    done = started(tmp_path, 0)
    assert (done.returncode, done.stdout) == (0, "PASS words: self-test --factory --without lamp\n")
    assert not order.exists()
    assert (order.parent / "self-test.txt").read_text() == done.stdout


def test_a_unit_that_failed_is_tested_again_at_the_next_start(order, tmp_path):
    order.touch()
    assert started(tmp_path, 1).returncode == 1
    assert order.exists()
    assert "self-test --factory\n" in (order.parent / "self-test.txt").read_text()


@pytest.mark.parametrize(
    "text", ["$(touch ran); `touch ran` | touch ran\n", "*\n", "x" * 100_000, "\0\xff\n"]
)
def test_what_anybody_may_have_written_there_is_only_words(order, tmp_path, text):
    order.write_text(text)
    done = started(tmp_path, 0)
    assert done.returncode == 0
    assert len(done.stdout) < 300
    assert not list(tmp_path.rglob("ran"))
    assert not set(done.stdout) & set("$`;|*")


def test_the_script_is_run_only_where_there_is_an_order():
    unit = SCRIPT.parents[3] / "etc/systemd/system/omamori-self-test.service"
    assert "ConditionPathExists=/efi/omamori/self-test\n" in unit.read_text()
    assert SCRIPT.stat().st_mode & 0o111
