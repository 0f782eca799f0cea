"""Compiling the engine's hot modules: the same bytes wherever, nothing made twice, and the same engine."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from omamori.image import compiled
from omamori.image.errors import ToolFailed
from omamori.image.stages import Cache, hash_of
from tests.image.heard import Heard

pytestmark = pytest.mark.timeout(600)

FEW = ["omamori.firmware.engine.checksum", "omamori.firmware.engine.domains"]


def bytes_in(folder):
    return {path.name: hash_of(path) for path in folder.iterdir()}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    cache = Cache(tmp_path_factory.mktemp("first"), Heard())
    return compiled.objects(cache, compiled.here(), FEW), cache


def test_made_twice_in_different_folders_it_is_the_same(first, tmp_path):
    place = tmp_path / "another, longer folder"
    place.mkdir()
    again = compiled.objects(Cache(place, Heard()), compiled.here(), FEW)
    assert bytes_in(again) == bytes_in(first[0])
    assert len(bytes_in(again)) == len(FEW) + 1


def test_no_object_tells_where_it_was_made(first):
    for path in first[0].iterdir():
        assert str(first[0]).encode() not in path.read_bytes()
        assert b".note.gnu.build-id" not in path.read_bytes()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of what is compiled, to be changed."""
    for path in compiled.closure(FEW):
        target = tmp_path / path.relative_to(compiled.PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    monkeypatch.setattr(compiled, "PROJECT", tmp_path)
    return tmp_path / "omamori/firmware/engine"


def made_by(first):
    heard = Heard()
    first[1]._progress = heard
    compiled.objects(first[1], compiled.here(), FEW)
    return heard.made


def test_other_python_makes_nothing_anew(first, project):
    assert made_by(first) == []
    (project / "unrelated.py").write_text("A = 1\n")
    assert made_by(first) == []


def test_what_leaves_the_c_as_it_was_is_not_compiled_again(first, project):
    with (project / "packet.py").open("a") as opened:
        opened.write("\n\ndef another() -> int:\n    return 1\n")
    assert made_by(first) == ["compiled-c"]


def test_a_change_of_a_listed_module_is_compiled(first, project):
    with (project / "domains.py").open("a") as opened:
        opened.write("\n\ndef another() -> int:\n    return 1\n")
    assert made_by(first) == ["compiled-c", "compiled"]


def test_what_mypyc_does_not_take_is_named(first, project):
    with (project / "domains.py").open("a") as opened:
        opened.write("\n\ndef another() -> int:\n    return 'a text'\n")
    with pytest.raises(ToolFailed, match=r"domains\.py:\d+: error"):
        made_by(first)


def test_a_lock_names_the_compiler_and_all_it_needs():
    found = compiled._locked((compiled.PROJECT / "requirements/dev.txt").read_text())
    names = re.findall(r"^([a-z-]+)==", found, re.MULTILINE)
    assert sorted(names) == sorted(compiled._COMPILER)
    assert found.count("sha256:") > len(names)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_engine_is_the_same_compiled():
    """All its tests, fuzz and evasion included, over all listed modules."""
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        "-m",
        "lab.compiled",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, "tests/firmware/engine"],
        cwd=compiled.PROJECT,
        env={**ours, "PYTHONPATH": str(compiled.PROJECT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"^\d{4} passed", done.stdout.splitlines()[-1])
