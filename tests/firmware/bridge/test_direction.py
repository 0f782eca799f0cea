"""Which way round the unit is plugged in: the file of the lan process turns the engine's directions, whatever else lies there does not."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.bridge.direction import Direction
from omamori.firmware.bridge.inspection import EngineInspector
from omamori.firmware.engine.verdict import Pass
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path)


def told(paths, content):
    files.write_atomic(paths.ports, content if isinstance(content, bytes) else json.dumps(content).encode())


def test_it_follows_the_file_at_most_once_a_second(paths):
    direction = Direction(paths)
    seen = []
    for now, content in ((1, None), (2, True), (2.5, False), (3.5, None), (1000, None), (5, True)):
        if content is not None:
            told(paths, {"inside": "wan0", "swapped": content})
        direction.look(now)
        seen.append(direction.swapped)
    assert seen == [False, True, True, False, False, True]


def test_a_file_that_is_gone_means_that_nobody_swaps(paths):
    direction = Direction(paths)
    told(paths, {"swapped": True})
    direction.look(1)
    paths.ports.unlink()
    direction.look(3)
    assert not direction.swapped


@given(st.binary(max_size=200) | st.just(b"[" * 5000))
@settings(max_examples=50)
def test_a_file_that_cannot_be_read_changes_nothing(paths, content):
    direction = Direction(paths)
    told(paths, {"swapped": True})
    direction.look(1)
    told(paths, content)
    direction.look(3)
    assert direction.swapped


class Told:
    """An engine that notes who it is told a packet is from."""

    def __init__(self):
        self.from_inside = []

    def packet(self, *_, from_inside, **__):
        self.from_inside.append(from_inside)
        return Pass()

    def tick(self, now):
        pass


def test_the_engine_takes_each_port_for_the_other_while_they_are_swapped(paths):
    engine = Told()
    inspector = EngineInspector(engine, None, Direction(paths))
    for now, swapped in ((1, False), (3, True), (5, False)):
        told(paths, {"swapped": swapped})
        inspector.tick(now)
        inspector.packet(b"", now=now, from_inside=True, rewriting=False)
        inspector.packet(b"", now=now, from_inside=False, rewriting=False)
    assert engine.from_inside == [True, False, False, True, True, False]


def test_whoever_comes_by_the_radio_is_inside_whichever_way_the_cables_are(paths):
    engine = Told()
    inspector = EngineInspector(engine, None, Direction(paths))
    for now, swapped in ((1, False), (3, True)):
        told(paths, {"swapped": swapped})
        inspector.tick(now)
        inspector.packet(b"", now=now, from_inside=None, rewriting=False)
    assert engine.from_inside == [True, True]
