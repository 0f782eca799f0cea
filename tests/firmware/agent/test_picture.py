"""What the unit says of itself, from files that may be missing, old, or nonsense."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.agent import picture
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def write(path: Path, value: object) -> None:
    files.write_atomic(path, json.dumps(value).encode())


def bridge(moment: datetime, workers: int = 2) -> dict[str, object]:
    counters = {"workers": workers, "packets": 9, "blocked": 1}
    return {"time": moment.isoformat(), "state": counters, "pack": "2026.5.1", "workers": [{"pid": 1}]}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


def test_an_empty_disk_is_a_unit_that_knows_nothing(paths: Paths) -> None:
    state = picture.state(paths, now=NOW, reboot_at=None)
    assert (state.firmware, state.slot, state.pack, state.generation) == (Version(0, 0, 0), "", None, 0)
    assert (state.bridge.workers, state.booted_healthy, state.update.phase) == (0, False, UpdatePhase.IDLE)


def test_a_whole_unit(paths: Paths) -> None:
    write(paths.bridge_status, bridge(NOW - timedelta(seconds=3)))
    write(
        paths.update_state,
        {"update": {"phase": "trial", "version": "1.3.0"}, "pack": "2026.4.1", "slot": "b"},
    )
    write(paths.want, {"generation": 4})
    files.write_atomic(paths.os_release, b'IMAGE_VERSION="1.3.0"\n')
    files.write_atomic(paths.kernel_uptime, b"99.5 1.0\n")
    state = picture.state(paths, now=NOW, reboot_at=NOW)
    assert (state.firmware, state.slot, state.generation, state.uptime) == (Version(1, 3, 0), "b", 4, 99.5)
    assert state.pack == Version(2026, 5, 1), "what the bridge runs, not what the updater linked"
    assert (state.bridge.workers, state.bridge.packets, state.reboot_at) == (2, 9, NOW)
    assert not state.booted_healthy, "a trial is not healthy before the updater says so"
    write(
        paths.update_state, {"update": {"phase": "trial", "version": "1.3.0"}, "slot": "b", "healthy": True}
    )
    assert picture.state(paths, now=NOW, reboot_at=None).booted_healthy


def test_a_bridge_that_went_silent_has_no_workers(paths: Paths) -> None:
    write(paths.bridge_status, bridge(NOW - timedelta(seconds=60)))
    state = picture.state(paths, now=NOW, reboot_at=None)
    assert (state.bridge.workers, state.pack) == (0, None)


def test_counters_alone_are_no_news(paths: Paths) -> None:
    write(paths.bridge_status, bridge(NOW))
    first = picture.state(paths, now=NOW, reboot_at=None)
    write(paths.bridge_status, {**bridge(NOW), "state": {"workers": 2, "packets": 10_000}})
    later = picture.state(paths, now=NOW + timedelta(seconds=5), reboot_at=None)
    assert picture.same(first, later)
    write(paths.bridge_status, bridge(NOW, workers=0))
    assert not picture.same(first, picture.state(paths, now=NOW, reboot_at=None))
    assert not picture.same(first, picture.state(paths, now=NOW, reboot_at=NOW))


@settings(max_examples=60)
@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.dictionaries(
        st.sampled_from(["update", "phase", "time", "state", "pack", "generation", "hosts", "window"]), inner, max_size=4
    )).map(lambda value: json.dumps(value).encode())
)  # fmt: skip
def test_nonsense_in_any_file_reads_as_nothing(paths: Paths, junk: bytes) -> None:
    for path in (
        paths.bridge_status,
        paths.update_state,
        paths.want,
        paths.hosts,
        paths.os_release,
        paths.kernel_uptime,
    ):
        files.write_atomic(path, junk)
    picture.state(paths, now=NOW, reboot_at=None)
    picture.read_hosts(paths)
