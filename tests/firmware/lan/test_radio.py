"""Hosts behind the unit's radio, which joins the bridge and leaves it while the real process runs. A virtual cable plays it."""

import contextlib
import os
import time

import pytest

from lab.namespaces import cable, namespace, wait_until
from omamori.firmware.host.spool import SpoolReader
from omamori.protocol.messages import Log
from tests.firmware.lan.panel import dhcp_server, mac, site

pytestmark = [pytest.mark.root, pytest.mark.timeout(200)]


@pytest.fixture
def net(tmp_path):
    with site(tmp_path) as built:
        yield built


@contextlib.contextmanager
def phone(net):
    """A host on the radio."""
    with namespace(net.unit.name.replace("-unit", "-phone")) as made:
        cable(made, "eth0", net.unit, "radio0")
        net.unit.run("ip", "link", "set", "radio0", "master", "br0", "up")
        yield made


def named(net, host, name):
    """Whether it is listed with the name with which it asks for an address."""
    net.lease(host, name=name)
    return net.hosts().get(mac(host), {}).get("name") == name


def told(net):
    segments = SpoolReader(net.state / "var/lib/omamori/spool/lan").segments()
    return [body.text for segment in segments for body in segment.bodies if isinstance(body, Log)]


def test_a_host_that_joins_by_radio_is_behind_the_unit_and_one_cable_is_enough(net):
    with dhcp_server(net.router, net.state), net.lan_process():
        net.unplug("lan0")
        with phone(net) as joined:
            address = mac(joined)
            net.lease(joined, name="keiri-phone")
            wait_until(lambda: address in net.hosts(), seconds=60, what="the host")
            wait_until(lambda: named(net, joined, "keiri-phone"), seconds=60, what="its name", step=1)
            assert net.hosts()[address]["side"] == "behind"
            wait_until(lambda: net.codes() == ["OK"], seconds=60, what="no finding")
        wait_until(lambda: "LAN_CABLE_MISSING" in net.codes(), seconds=60, what="the missing cable")
        with phone(net) as again:
            net.lease(again, name="second-phone")
            wait_until(lambda: mac(again) in net.hosts(), seconds=60, what="the second host")
    assert told(net) == []


def test_where_the_cables_are_swapped_it_is_behind_the_unit_still(net):
    net.plug(wan="office", lan="router")
    with dhcp_server(net.router, net.state), net.lan_process():
        net.lease(net.office, name="keiri-pc")
        wait_until(lambda: net.codes() == ["PORTS_SWAPPED"], seconds=60, what="PORTS_SWAPPED")
        with phone(net) as joined:
            net.lease(joined, name="keiri-phone")
            wait_until(lambda: mac(joined) in net.hosts(), seconds=60, what="the host")
            assert net.hosts()[mac(joined)]["side"] == "behind"
        assert net.codes() == ["PORTS_SWAPPED"]


def test_an_access_point_that_is_set_and_silent_is_told_once(net):
    wanted = net.state / "run/omamori/wifi/hostapd.conf"
    wanted.parent.mkdir(parents=True)
    wanted.touch()
    os.utime(wanted, (time.time() - 600,) * 2)
    with net.lan_process():
        wait_until(
            lambda: [text for text in told(net) if text.startswith("access point")],
            seconds=90,
            what="the warning",
        )
        with phone(net):
            wait_until(lambda: "access point: over" in told(net), seconds=90, what="the end of it")
    assert len(told(net)) == 2
