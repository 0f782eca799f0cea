"""Whole files: replaced at once, read with a limit."""

import pytest

from omamori.firmware.host.files import read_capped, write_atomic


def test_a_file_is_replaced_and_its_directory_made(tmp_path):
    path = tmp_path / "run" / "status.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two", durable=True, mode=0o600)
    assert read_capped(path) == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["status.json"]


def test_a_file_that_cannot_be_replaced_stays_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "target"
    path.mkdir()
    (path / "keep").touch()
    with pytest.raises(OSError, match="target"):
        write_atomic(path, b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["target"]


def test_more_than_the_cap_is_refused(tmp_path):
    (tmp_path / "big").write_bytes(b"x" * 101)
    assert len(read_capped(tmp_path / "big", cap=101)) == 101
    with pytest.raises(OSError, match="more than the 100 bytes"):
        read_capped(tmp_path / "big", cap=100)
