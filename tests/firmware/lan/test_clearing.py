"""Found by asking, and cleared by itself: what other tests of the rules leave open."""

import json

import pytest

from lab.namespaces import wait_until
from omamori.firmware.lan.observations import FleetAnswer, Reach
from omamori.protocol.vocabulary import WiringCode as Code
from tests.firmware.lan.panel import mac, site
from tests.firmware.lan.test_faults import Office


def test_a_second_router_that_is_taken_out_is_told_no_more():
    office = Office()
    office.wire.reach = Reach(FleetAnswer.REACHED, hops=("192.168.1.1", "192.168.0.1", ""))
    assert office.codes(10) == [Code.DOUBLE_NAT]
    office.wire.reach = Reach(FleetAnswer.REACHED, hops=("192.168.1.1", "203.0.113.1", ""))
    assert office.codes(11) == [Code.OK]


def quiet(inside):
    """An IPv6 host with a link-local address alone that says nothing by itself any more."""
    for name, value in (("router_solicitations", 0), ("accept_ra", 0), ("dad_transmits", 0)):
        inside.run("sysctl", "-qw", f"net.ipv6.conf.eth0.{name}={value}")

    def settled():
        held = json.loads(inside.run("ip", "-6", "-json", "address", "show", "dev", "eth0").stdout)[0]
        return held["addr_info"] and not any(each.get("tentative") for each in held["addr_info"])

    wait_until(settled, seconds=20, what="the host's own address")


@pytest.mark.root
@pytest.mark.slow
def test_an_idle_host_that_speaks_ipv6_alone_is_found_by_asking_all_nodes(tmp_path):
    with site(tmp_path) as net:
        quiet(net.office)
        net.unit.run("ip", "link", "set", "br0", "type", "bridge", "ageing_time", "0")
        with net.lan_process():
            wait_until(lambda: mac(net.office) in net.hosts(), seconds=40, what="the idle host")
