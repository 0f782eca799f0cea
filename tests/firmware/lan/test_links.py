"""The kernel's view by netlink, in a namespace of its own."""

import contextlib
import os
import sys
import uuid
from ipaddress import IPv4Interface

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lab.namespaces import Namespace, address, bridge, namespace
from omamori.firmware.host import netlink, rtnetlink
from omamori.firmware.lan.errors import PortMissing
from omamori.firmware.lan.links import Interface, Links
from omamori.protocol.ids import Mac

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


SHOW = """
from omamori.firmware.lan.links import Links
with Links() as links:
    bridge, port = links.interface("br0"), links.interface("lan0")
    print(port.mac, port.up, port.received > 0, port.changes > 0, port.index != bridge.index)
    print(sorted((str(entry.mac), entry.port == port.index, entry.age < 60) for entry in links.learned(bridge)))
    print(links.address(bridge), *links.addresses6(bridge))
    print(links.gateways(bridge), links.gateways(port))
"""


def test_ports_stations_addresses_and_gateways_are_as_the_kernel_has_them():
    name = f"oml-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    with namespace(name) as unit, namespace(f"{name}-pc") as pc:
        bridge(unit, "br0", [])
        unit.run(
            "ip",
            "link",
            "add",
            "lan0",
            "address",
            "02:00:00:00:00:01",
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            pc.name,
        )
        unit.run("ip", "link", "set", "lan0", "master", "br0", "up")
        unit.run("sysctl", "-qw", "net.ipv6.conf.br0.accept_dad=0")
        for number in (9, 10):
            address(unit, "br0", f"192.168.78.{number}/24")
        unit.run("ip", "address", "add", "fd00::9/64", "dev", "br0", "nodad")
        for where in (("default",), ("10.0.0.0/8",), ("default", "table", "77")):
            unit.run("ip", "route", "add", *where, "via", "192.168.78.1", "dev", "br0")
        pc.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:02", "up")
        address(pc, "eth0", "192.168.78.20/24")
        pc.run("ping", "-c1", "-w9", "192.168.78.9")
        port, stations, held, gateways = unit.run(sys.executable, "-c", SHOW).stdout.splitlines()
    assert port == "02:00:00:00:00:01 True True True True"
    assert stations == "[('02:00:00:00:00:02', True, True)]"
    assert held.split()[0] == "192.168.78.9/24"
    assert "fd00::9" in held.split()
    assert gateways == "('192.168.78.1',) ()"


def test_what_is_asked_every_second_does_not_end():
    with Links() as links:
        for _ in range(20):
            port = links.interface("lo")
            assert (port.name, port.index) == ("lo", 1)
            assert list(links.learned(port)) == []
            assert isinstance(links.gateways(port) + links.addresses6(port), tuple)
            assert str(links.address(port)) in {"127.0.0.1/8", "None"}
            for strange in ("nowhere0", "", "x" * 400, "a/b"):
                with pytest.raises(PortMissing, match=f"no interface {strange}"):
                    links.interface(strange)


def test_more_than_is_wanted_leaves_nothing_behind():
    """A dump that is not read to its end would keep the next question from being asked."""
    with rtnetlink.RouteSocket() as kernel:
        everything = rtnetlink.ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)
        for _ in range(3):
            assert len(kernel.all(rtnetlink.GETROUTE, everything, most=1)) <= 1
            assert len(kernel.all(rtnetlink.GETADDR, rtnetlink.ADDRESS.pack(0, 0, 0, 0, 0), most=1)) <= 1


class Kernel:
    """Says whatever it is told to say, to every question."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = [memoryview(answer) for answer in answers]

    def one(self, _kind, _content):
        return self._answers[0]

    def all(self, _kind, _content, *, most):
        return self._answers[:most]


heads = st.binary(min_size=16, max_size=16).map(
    lambda head: b"\x0a\x18\x80\0\1\0\0\0" + head[8:]
) | st.binary(max_size=20)
attributes = st.builds(
    netlink.attribute, st.sampled_from([1, 2, 3, 4, 5, 15, 23, 33, 35]), st.binary(max_size=50)
)


@given(st.builds(lambda head, parts: head + b"".join(parts), heads, st.lists(attributes, max_size=6)))
@example(b"")
def test_whatever_the_kernel_says_is_an_answer_or_an_os_error(answer):
    links = Links()
    links.close()
    links._kernel = Kernel(answer)
    some = Interface("br0", 1, Mac("02:00:00:00:00:01"), up=True, changes=0, received=0, sent=0)
    for ask in (links.learned, links.address, links.addresses6, links.gateways):
        with contextlib.suppress(OSError):
            told = ask(some)
            assert told is None or isinstance(told, IPv4Interface) or list(told) is not None
    with contextlib.suppress(PortMissing):
        assert links.interface("br0").name == "br0"
