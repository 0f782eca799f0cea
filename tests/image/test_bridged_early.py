"""The initrd's bridge over both ports: made by whichever port comes first, a wire and no more, with the settings of the root's."""

import configparser
import json
import secrets
import threading
import time

import pytest

from lab.namespaces import address, cable, namespace, reaches, wait_until
from omamori.image.recipe import TEMPLATES

SCRIPT = TEMPLATES / "initrd/usr/lib/omamori/bridge-port"
NETDEV = TEMPLATES / "rootfs/etc/systemd/network/20-br0.netdev"

pytestmark = pytest.mark.root


@pytest.fixture
def box(tmp_path, monkeypatch):
    """Hosts on both sides of two ports that nobody has bridged."""
    monkeypatch.setenv("OMAMORI_ROOT", str(tmp_path))
    name = f"early-{secrets.token_hex(3)}"
    with namespace(f"{name}-l") as lan, namespace(f"{name}-u") as unit, namespace(f"{name}-w") as wan:
        cable(lan, "eth0", unit, "lan0")
        cable(wan, "eth0", unit, "wan0")
        for port in ("lan0", "wan0"):
            unit.run("ip", "link", "set", port, "down")
        address(lan, "eth0", "192.168.77.10/24", "fd77::10/64")
        address(wan, "eth0", "192.168.77.1/24", "fd77::1/64")
        yield lan, unit


def of_bridge(unit):
    return json.loads(unit.run("ip", "-json", "-details", "link", "show", "br0").stdout)[0]


@pytest.mark.parametrize("order", [("lan0", "wan0"), ("wan0", "lan0"), ("wan0", "lan0", "wan0")])
def test_whichever_port_comes_first_both_are_bridged(box, order):
    lan, unit = box
    for port in order:
        unit.run(SCRIPT, port)
    wait_until(lambda: reaches(lan, "192.168.77.1"), seconds=5, what="IPv4 across")
    wait_until(lambda: reaches(lan, "fd77::1"), seconds=5, what="IPv6 across")


def test_both_at_once_are_bridged(box):
    lan, unit = box
    turns = [threading.Thread(target=unit.run, args=(SCRIPT, port)) for port in ("lan0", "wan0")]
    for turn in turns:
        turn.start()
    for turn in turns:
        turn.join()
    wait_until(lambda: reaches(lan, "192.168.77.1"), seconds=5, what="a ping across")


def test_it_has_no_address_and_takes_none(box):
    _, unit = box
    for port in ("lan0", "wan0"):
        unit.run(SCRIPT, port)
    wait_until(lambda: of_bridge(unit)["operstate"] == "UP", seconds=5, what="a carrier")
    assert unit.run("ip", "-brief", "address", "show", "dev", "br0").stdout.split()[2:] == []
    addressed = unit.run("ip", "-json", "-6", "address").stdout
    assert {link["ifname"] for link in json.loads(addressed) if link} <= {"lo"}


def test_it_says_since_when_packets_cross(box, tmp_path):
    _, unit = box
    said = tmp_path / "run/omamori/bridge/forwards"
    for port in ("lan0", "wan0"):
        before = time.monotonic()
        unit.run(SCRIPT, port)
        assert before - 0.01 <= float(said.read_text()) <= time.monotonic()


def test_it_is_the_bridge_that_networkd_would_make(box):
    _, unit = box
    unit.run(SCRIPT, "lan0")
    wanted = configparser.ConfigParser()
    wanted.read(NETDEV)
    asked, made = wanted["Bridge"], of_bridge(unit)["linkinfo"]["info_data"]
    assert set(asked) == {"stp", "forwarddelaysec", "multicastsnooping"}
    assert made["stp_state"] == asked.getboolean("stp")
    assert made["forward_delay"] == asked.getint("forwarddelaysec")
    assert made["mcast_snooping"] == asked.getboolean("multicastsnooping")


def test_a_port_that_is_gone_again_stops_nothing(box):
    lan, unit = box
    unit.run(SCRIPT, "lan9", check=False)
    for port in ("lan0", "wan0"):
        unit.run(SCRIPT, port)
    wait_until(lambda: reaches(lan, "192.168.77.1"), seconds=5, what="a ping across")
