"""The kernel's view by netlink, in a namespace of its own."""

import os
import sys
import uuid

import pytest

from lab.namespaces import Namespace, address, bridge, namespace
from omamori.firmware.lan.errors import PortMissing
from omamori.firmware.lan.links import Links

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


def test_what_is_asked_every_second_leaves_no_message_behind():
    """They would wait in pyroute2's queue for ever: the process grew by half a megabyte a minute."""
    with Links() as links:
        for _ in range(20):
            port = links.interface("lo")
            assert (port.name, port.index) == ("lo", 1)
            assert list(links.learned(port)) == []
            assert isinstance(links.gateways(port) + links.addresses6(port), tuple)
            assert str(links.address(port)) in {"127.0.0.1/8", "None"}
            with pytest.raises(PortMissing, match="no interface nowhere0"):
                links.interface("nowhere0")
        assert links._netlink.asyncore.msg_queue.root.qsize() == 0
