"""A tap outlives the guest that was started with it."""

import os

import pytest

from lab.namespaces import namespace
from lab.tap import open_tap

pytestmark = pytest.mark.root


def test_a_guest_that_is_switched_off_and_on_finds_its_cables_as_they_were():
    with namespace(f"tap-{os.getpid()}") as room:
        os.close(open_tap(room, "eth0"))
        room.run("ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
        os.close(open_tap(room, "eth0"))
        assert "192.0.2.1/24" in room.run("ip", "-br", "address", "show", "dev", "eth0").stdout
