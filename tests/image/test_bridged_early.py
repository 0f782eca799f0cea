"""The initrd's bridge over both ports: made beside the first process, or by udev as each port appears; a wire and no more, with the settings of the root's."""

import configparser
import json
import os
import secrets
import shutil
import threading
import time

import pytest

from lab.namespaces import address, cable, namespace, reaches, wait_until
from omamori.image.layers import render
from omamori.image.recipe import TEMPLATES, load

SCRIPT = TEMPLATES / "initrd/usr/lib/omamori/bridge-ports"
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


UNNAMED = {"wan0": "eth0", "lan0": "eth1"}
"""What the kernel calls the ports before anybody has named them."""


@pytest.fixture
def machine(box, tmp_path, monkeypatch):
    """The box before that, with PCI devices as the kernel shows them: one port is virtual, one lies where the first place is another card's."""
    lan, unit = box
    pci = tmp_path / "sys/bus/pci/devices"
    for name, device in (("wan0", "0000:01:00.0"), ("lan0", "0000:00:05.0/virtio2")):
        unit.run("ip", "link", "set", name, "name", UNNAMED[name])
        (pci / device / "net" / UNNAMED[name]).mkdir(parents=True)
        (pci / device.partition("/")[0] / "modalias").write_text(f"pci:of-{name}\n")
    (pci / "0000:00:05.0/virtio2/modalias").write_text("virtio:d1v1AF4\n")
    (pci / "0000:00:04.0").mkdir()
    (pci / "0000:00:04.0/modalias").write_text("pci:of-a-disk\n")
    render(TEMPLATES / "start", tmp_path, {"ports": load("product").ports})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/modprobe").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/loaded\n')
    (tmp_path / "bin/modprobe").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return lan, unit


def named(unit):
    return {each["ifname"] for each in json.loads(unit.run("ip", "-json", "link").stdout)}


def as_udev(unit, *ports):
    """Each is named, where it is not, and bridged."""
    for port in ports:
        if UNNAMED[port] in named(unit):
            unit.run("ip", "link", "set", UNNAMED[port], "name", port)
        unit.run(SCRIPT, port)


def test_before_udev_is_there_the_ports_are_found_named_and_bridged(machine, tmp_path):
    lan, unit = machine
    unit.run(SCRIPT)
    wait_until(lambda: reaches(lan, "192.168.77.1"), seconds=5, what="IPv4 across")
    assert named(unit) >= {"wan0", "lan0", "br0"}
    loaded = (tmp_path / "loaded").read_text().splitlines()
    assert loaded == ["-abq bridge pci:of-a-disk pci:of-wan0 pci:of-lan0 virtio:d1v1AF4"]


def test_a_virtual_port_that_its_card_s_driver_brings_is_found_then(machine, tmp_path):
    """Where the driver of virtio's PCI devices is a module, the device behind is there only after it."""
    lan, unit = machine
    device = tmp_path / "sys/bus/pci/devices/0000:00:05.0/virtio2"
    alias, interface = device / "modalias", device / "net"
    for path in (alias, interface):
        path.rename(tmp_path / path.name)
    brings = (
        f'case "$*" in *virtio:*) mv {tmp_path}/net {interface} ;; *) mv {tmp_path}/modalias {alias} ;; esac'
    )
    with (tmp_path / "bin/modprobe").open("a") as script:
        script.write(brings + "\n")
    unit.run(SCRIPT)
    wait_until(lambda: reaches(lan, "192.168.77.1"), seconds=5, what="IPv4 across")
    assert len((tmp_path / "loaded").read_text().splitlines()) == 2


@pytest.mark.parametrize("port", UNNAMED)
def test_one_port_alone_is_left_to_udev(machine, tmp_path, port):
    _, unit = machine
    for found in (tmp_path / "sys/bus/pci/devices").rglob(UNNAMED[port]):
        found.rmdir()
    assert unit.run(SCRIPT, check=False).returncode == 1
    assert "br0" not in named(unit)
    assert len((tmp_path / "loaded").read_text().splitlines()) == 2


def test_since_then_packets_cross_also_when_udev_comes_later(machine, tmp_path):
    _, unit = machine
    before = time.monotonic()
    unit.run(SCRIPT)
    after = time.monotonic()
    (tmp_path / "run/omamori/bridge/forwards").unlink()  # /run is another one by then
    as_udev(unit, "wan0", "lan0")
    assert before - 0.01 <= float((tmp_path / "run/omamori/bridge/forwards").read_text()) <= after


@pytest.mark.parametrize("ports", [["wan0"], ["lan0"], ["wan0", "lan0"]], ids="-".join)
def test_what_udev_was_faster_with_stays_and_the_rest_is_done(machine, ports):
    lan, unit = machine
    as_udev(unit, *ports)
    unit.run(SCRIPT, check=False)
    wait_until(lambda: reaches(lan, "192.168.77.1"), seconds=5, what="IPv4 across")


@pytest.mark.parametrize("gone", ["sys", "etc/systemd/network", "sys/bus/pci/devices/0000:01:00.0"])
def test_ports_that_are_not_found_are_left_to_udev(machine, tmp_path, gone):
    lan, unit = machine
    shutil.rmtree(tmp_path / gone)
    unit.run(SCRIPT, check=False)
    assert not (tmp_path / "forwards").exists()
    assert "br0" not in named(unit)
    as_udev(unit, "wan0", "lan0")
    wait_until(lambda: reaches(lan, "192.168.77.1"), seconds=5, what="IPv4 across")
