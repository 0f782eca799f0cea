"""A unit's helper door in a room of its own (rooms.py), beside a relay with real TLS (relays.py)."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware.support.relays import Fleet, authority
from tests.firmware.support.rooms import Room, room_of


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority(tmp_path_factory.mktemp("relay-tls"))


@pytest.fixture
def room(certificates: Path) -> Iterator[Room]:
    """Not below pytest's own folder: the unit's user could not enter that. Not below /tmp, where a helper may write."""
    with (
        tempfile.TemporaryDirectory(prefix="omamori-support-", dir="/var/tmp") as folder,
        Fleet(Path(folder, "relay"), certificates) as fleet,
        room_of(Path(folder), fleet) as made,
    ):
        made.ask()
        yield made
