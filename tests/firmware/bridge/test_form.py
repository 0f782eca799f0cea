"""The way back from compiled modules: workers die of them, and the data path goes on as Python, with the same pack."""

import os
import signal
from pathlib import Path

import pytest

from lab.bridge import BridgeProcess, fetch
from lab.namespaces import PYTHON, guarded_line, http_server, wait_until
from omamori.image import compiled
from omamori.image.progress import Lines
from omamori.image.stages import Cache
from tests.firmware.bridge.test_data_path import PACK, Unit
from tests.firmware.bridge.test_guarding import packed

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]

ONE = "omamori.firmware.engine.checksum"
TOLD = "the engine goes on without compiled modules: "
GENEROUS = 60


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    web = tmp_path_factory.mktemp("web")
    (web / "page").write_bytes(b"an ordinary page")
    with guarded_line("omafo") as line, http_server(line.wan, web, where="::", port=80):
        yield line


@pytest.fixture
def toy(line, tmp_path):
    unit = Unit(line, tmp_path)
    unit.queues(1)
    unit._command = (*unit._command, "compiled")
    return unit


def pids(unit):
    return {worker["pid"] for worker in unit.status()["workers"] if worker["role"] == "serving"}


def test_workers_that_die_of_compiled_modules_give_way_to_python(toy):
    toy.install_toy({**PACK, "die-compiled": "TOY-ENDS-COMPILED"}, version="1.0.0")
    with toy.in_force():
        assert toy.status()["engine"] == {"compiled": True, "why": ""}
        for times in range(1, 4):
            fetch(toy.line, "TOY-ENDS-COMPILED", seconds=5)
            toy.wait_told("ended with signal 9", times=times, seconds=GENEROUS)
        toy.wait_told(TOLD + "workers crashed three times within an hour", seconds=GENEROUS)
        toy.wait_told("in force", times=2, seconds=GENEROUS)
        toy.wait_told("traffic passed uninspected", times=2, seconds=GENEROUS)
        wait_until(lambda: toy.status()["engine"]["compiled"] is False, seconds=GENEROUS, what="the status")
        before = pids(toy)
        assert fetch(toy.line, "page?TOY-ENDS-COMPILED") == b"an ordinary page"
        assert fetch(toy.line, "TOY-ATTACK", seconds=1) is None
        assert pids(toy) == before
        assert toy.status()["refused"] == {}
    assert toy.paths.compiled_trust.read_text() == "workers crashed three times within an hour"


def test_a_pack_whose_loading_dies_of_compiled_modules_is_loaded_by_python(toy):
    toy.install_toy({**PACK, "load-compiled": True}, version="1.0.0")
    with toy.in_force():
        toy.wait_told(TOLD + "loading ended with signal 11", seconds=GENEROUS)
        assert fetch(toy.line, "TOY-ATTACK", seconds=1) is None
        assert toy.status()["refused"] == {}
        toy.install_toy({**PACK, "load-compiled": True, "block": "OTHER"}, version="1.0.1")
        toy.wait_for_pack("1.0.1", seconds=GENEROUS)
        assert fetch(toy.line, "OTHER", seconds=1) is None


def test_loading_that_was_told_to_end_is_not_held_against_compiled_modules(toy):
    """At a restart every process of ours is told, in whatever it is doing."""
    toy.install_toy(PACK, version="1.0.0")
    with toy.in_force():
        toy.install_toy({**PACK, "told-to-end": True}, version="1.0.1")
        toy.wait_told("loading ended with signal 15", seconds=GENEROUS)
        toy.install_toy(PACK, version="1.0.2")
        toy.wait_for_pack("1.0.2", seconds=GENEROUS)
        assert toy.status()["engine"] == {"compiled": True, "why": ""}
    assert not toy.paths.compiled_trust.exists()


def test_a_pack_that_kills_python_workers_as_well_is_refused_then(toy):
    toy.install_toy(PACK, version="1.0.0")
    toy.install_toy({**PACK, "die": "page"}, version="1.0.1")
    toy.paths.factory_pack.parent.mkdir(parents=True)
    toy.paths.factory_pack.symlink_to(toy.paths.packs / "1.0.0.pack")
    with toy.in_force("1.0.1"):

        def given_way():
            fetch(toy.line, "page", seconds=2)
            return toy.status()["pack"] == "1.0.0"

        wait_until(given_way, seconds=2 * GENEROUS, what="the factory's pack")
        toy.wait_told(TOLD)
        assert list(toy.status()["refused"]) == ["1.0.1"]


def objects_of(pid):
    """The files of compiled modules that a process has mapped; one that is gone has something else."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except FileNotFoundError:
        return {"gone"}
    return {line.split("/")[-1].split(".")[0] for line in lines if f"/{compiled.HOME}/" in line}


def test_the_product_runs_compiled_modules_and_leaves_them_when_workers_die(line, tmp_path, tmp_path_factory):
    made = compiled.objects(Cache(tmp_path_factory.mktemp("c"), Lines()), compiled.here(), [ONE])
    command = (PYTHON, "-m", "omamori.firmware.bridge", "--queues", "2", "--root")
    unit = BridgeProcess(line, tmp_path, command=command)
    unit.paths.compiled.parent.mkdir(parents=True)
    unit.paths.compiled.symlink_to(made)
    unit.install(packed(tmp_path / "one", "1.0.0", phishing=[]), version="1.0.0")
    with unit.running():
        unit.wait_for_pack("1.0.0", seconds=GENEROUS)
        assert all("omamori_engine__mypyc" in objects_of(pid) for pid in pids(unit))
        gone = set()
        for _ in range(3):
            wait_until(lambda: pids(unit) - gone, seconds=GENEROUS, what="a worker")
            pid = min(pids(unit) - gone)
            os.kill(pid, signal.SIGSEGV)
            unit.wait_told(f"worker {pid} ended with signal 11", seconds=GENEROUS)
            gone.add(pid)
        unit.wait_told(TOLD, seconds=GENEROUS)
        wait_until(lambda: python_only(unit), seconds=GENEROUS, what="workers without compiled modules")
        assert b"TEST injection" in fetch(line, "?a=UNION&b=SELECT")
        assert fetch(line, "page") == b"an ordinary page"
        wait_until(unit.detections, seconds=GENEROUS, what="the detection")
    assert unit.process.returncode == 0
    with unit.running():
        unit.wait_told("the engine runs without compiled modules: workers crashed", seconds=GENEROUS)
        unit.wait_for_pack("1.0.0", seconds=GENEROUS)
        assert python_only(unit)


def python_only(unit):
    found = pids(unit)
    return bool(found) and not any(map(objects_of, found)) and not unit.status()["engine"]["compiled"]
