"""Whether the bridge takes compiled modules: each case in an interpreter of its own, as at the start of the process."""

import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from omamori.firmware.bridge.compiled import SWITCH, Trust, found
from omamori.firmware.host.paths import Paths
from omamori.image import compiled
from omamori.image.progress import Lines
from omamori.image.stages import Cache

pytestmark = pytest.mark.timeout(600)

ONE = "omamori.firmware.engine.checksum"
ASK = f"""
import sys
from pathlib import Path
from omamori.firmware.bridge import compiled
from omamori.firmware.host.paths import Paths
print(compiled.choose(Paths(Path(sys.argv[1]))) or "nothing amiss")
from {ONE.rpartition(".")[0]} import checksum
print(compiled.in_use(), checksum.__file__)
"""


@pytest.fixture(scope="session")
def objects(tmp_path_factory):
    """One module, compiled: ten seconds."""
    place = tmp_path_factory.mktemp("compiled")
    return compiled.objects(Cache(place, Lines()), compiled.here(), [ONE])


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path)


def ask(paths, before=""):
    """(what is said, whether compiled modules are used and which file a listed one came from)"""
    command = [sys.executable, "-c", before + ASK, paths.root]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    said, used = done.stdout.splitlines()
    return said, used


def give(paths, objects):
    paths.compiled.parent.mkdir(parents=True)
    paths.compiled.symlink_to(objects)


def pure(used):
    return used.startswith("False ") and used.endswith("checksum.py")


def test_nothing_is_said_where_there_are_none(paths):
    said, used = ask(paths)
    assert said == "nothing amiss"
    assert pure(used)
    assert not paths.compiled_trust.exists()


def test_they_are_used_where_they_are_there(paths, objects):
    give(paths, objects)
    said, used = ask(paths)
    assert said == "nothing amiss"
    assert used == f"True {paths.compiled / ONE}{EXTENSION_SUFFIXES[0]}"


def test_objects_for_another_python_are_none(paths, objects):
    paths.compiled.mkdir(parents=True)
    for path in objects.iterdir():
        (paths.compiled / path.name.replace("cpython-3", "cpython-2")).symlink_to(path)
    assert found(paths.compiled) == {}
    said, used = ask(paths)
    assert said == "nothing amiss"
    assert pure(used)


def test_the_kernel_command_line_switches_them_off(paths, objects):
    give(paths, objects)
    paths.kernel_command_line.parent.mkdir(parents=True)
    paths.kernel_command_line.write_text(f"quiet {SWITCH} ro\n")
    said, used = ask(paths)
    assert SWITCH in said
    assert pure(used)


def test_an_object_that_cannot_be_loaded_leaves_python(paths):
    paths.compiled.mkdir(parents=True)
    (paths.compiled / f"omamori_engine__mypyc{EXTENSION_SUFFIXES[0]}").write_bytes(b"no object")
    said, used = ask(paths)
    assert "cannot be loaded" in said
    assert pure(used)


def test_a_module_that_was_imported_already_leaves_python(paths, objects):
    give(paths, objects)
    said, used = ask(paths, f"import {ONE}\n")
    assert "was imported before" in said
    assert pure(used)


def test_a_process_that_ends_three_times_by_itself_starts_without_them(paths, objects):
    give(paths, objects)
    assert [ask(paths)[0] for _ in range(3)] == ["nothing amiss"] * 3
    said, used = ask(paths)
    assert "ended 3 times" in said
    assert pure(used)


def test_an_end_that_was_ordered_is_not_held_against_them(paths):
    trust = Trust(paths)
    for _ in range(5):
        assert trust.begin() == ""
        trust.ended()


def test_lost_trust_stays_lost(paths):
    trust = Trust(paths)
    assert trust.begin() == ""
    trust.lost("its workers crashed\nthree times")
    trust.ended()
    assert Trust(paths).begin() == "its workers crashed three times"


def test_what_cannot_be_remembered_keeps_nobody_from_starting(paths):
    paths.compiled_trust.mkdir(parents=True)
    trust = Trust(paths)
    assert trust.begin() == ""
    trust.lost("a reason")
    trust.ended()
