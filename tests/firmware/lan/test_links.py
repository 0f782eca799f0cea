"""The kernel's view by netlink, in a namespace of its own."""

import os
import sys
import uuid

import pytest

from lab.namespaces import Namespace, address, bridge, namespace

pytestmark = pytest.mark.root
ASK = """
from omamori.firmware.lan.links import Links
with Links() as links:
    print(links.address(links.interface("br0")))
"""


def told(inside: Namespace) -> str:
    return inside.run(sys.executable, "-c", ASK).stdout.strip()


def test_a_link_local_address_is_none_until_a_real_one_comes():
    with namespace(f"oml-{os.getpid()}-{uuid.uuid4().hex[:6]}") as unit:
        bridge(unit, "br0", [])
        assert told(unit) == "None"
        address(unit, "br0", "169.254.7.9/16")
        assert told(unit) == "None"
        address(unit, "br0", "192.168.78.9/24")
        assert told(unit) == "192.168.78.9/24"
