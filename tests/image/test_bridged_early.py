"""The initrd's bridge over both ports: made by whichever port comes first, a wire and no more, with the settings of the root's."""

import configparser
import json
import os
import secrets
import shutil
import threading
import time

import pytest

from lab.namespaces import address, cable, namespace, reaches, wait_until
from omamori.image.recipe import TEMPLATES

OURS = TEMPLATES / "initrd/usr/lib/omamori"
SCRIPT = OURS / "bridge-ports"
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
    before = time.monotonic()
    unit.run(SCRIPT, "lan0")
    after = time.monotonic()
    unit.run(SCRIPT, "wan0")
    assert before - 0.01 <= float(said.read_text()) <= after


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


@pytest.fixture
def machine(box, tmp_path, monkeypatch):
    """The box before anybody has named its ports, with PCI devices as the kernel shows them: one is virtual, one is not."""
    lan, unit = box
    for number, (name, device) in enumerate((("wan0", "0000:01:00.0"), ("lan0", "0000:00:05.0/virtio2"))):
        unit.run("ip", "link", "set", name, "name", f"eth{number}")
        pci = tmp_path / "sys/bus/pci/devices"
        (pci / device / "net" / f"eth{number}").mkdir(parents=True)
        (pci / device.partition("/")[0] / "modalias").write_text(f"pci:of-{name}\n")
    (pci / "0000:00:05.0/virtio2/modalias").write_text("virtio:d1v1AF4\n")
    network = tmp_path / "etc/systemd/network"
    network.mkdir(parents=True)
    for name, places in (
        ("wan0", "pci-0000:00:04.0 pci-0000:01:00.0"),
        ("lan0", "pci-0000:00:05.0 pci-0000:02:00.0"),
    ):
        (network / f"10-{name}.link").write_text(f"[Match]\nPath={places}\n\n[Link]\nName={name}\n")
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/omamori").symlink_to(OURS)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/modprobe").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/loaded\n')
    (tmp_path / "bin/modprobe").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return lan, unit


def test_before_udev_is_there_the_ports_are_found_named_and_bridged(machine, tmp_path):
    lan, unit = machine
    unit.run(SCRIPT)
    wait_until(lambda: reaches(lan, "192.168.77.1"), seconds=5, what="IPv4 across")
    assert {each["ifname"] for each in json.loads(unit.run("ip", "-json", "link").stdout)} >= {
        "wan0",
        "lan0",
        "br0",
    }
    loaded = (tmp_path / "loaded").read_text().splitlines()
    assert loaded == ["-abq bridge pci:of-wan0 pci:of-lan0", "-abq virtio:d1v1AF4"]


def test_since_then_packets_cross_also_when_udev_comes_later(machine, tmp_path):
    _, unit = machine
    before = time.monotonic()
    unit.run(SCRIPT)
    after = time.monotonic()
    (tmp_path / "run/omamori/bridge/forwards").unlink()  # /run is another one by then
    for port in ("wan0", "lan0"):
        unit.run(SCRIPT, port)
    assert before - 0.01 <= float((tmp_path / "run/omamori/bridge/forwards").read_text()) <= after


def test_where_udev_has_named_and_bridged_them_already_nothing_changes(machine):
    lan, unit = machine
    for old, name in (("eth0", "wan0"), ("eth1", "lan0")):
        unit.run("ip", "link", "set", old, "name", name)
        unit.run(SCRIPT, name)
    unit.run(SCRIPT, check=False)
    assert reaches(lan, "192.168.77.1")


@pytest.mark.parametrize("gone", ["sys", "etc/systemd/network", "sys/bus/pci/devices/0000:01:00.0"])
def test_ports_that_are_not_found_are_left_to_udev(machine, tmp_path, gone):
    lan, unit = machine
    shutil.rmtree(tmp_path / gone)
    unit.run(SCRIPT, check=False)
    assert not (tmp_path / "forwards").exists()
    present = {each["ifname"] for each in json.loads(unit.run("ip", "-json", "link").stdout)}
    for old, name in (("eth0", "wan0"), ("eth1", "lan0")):
        if old in present:
            unit.run("ip", "link", "set", old, "name", name)
        unit.run(SCRIPT, name)
    wait_until(lambda: reaches(lan, "192.168.77.1"), seconds=5, what="IPv4 across")
