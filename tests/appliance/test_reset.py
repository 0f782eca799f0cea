"""The button held for ten seconds in a booted unit: all it has learned, been told and made is gone, and traffic goes on."""

from ipaddress import IPv4Address, IPv4Interface

import pytest

from lab.appliance import ROUTER
from lab.machine import Boot
from lab.namespaces import reaches
from omamori.firmware.host import settings
from omamori.firmware.host.settings import Fixed, Settings
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Claim, encode
from tests.certificates import self_signed

DATA = "/var/lib/omamori"
SET = "192.168.55.77"
HELD = 25_000
"""Milliseconds: ten seconds as the agent counts them, however slow the emulation is."""
PROCESSES = "omamori-bridge omamori-lan omamori-usage omamori-agent"


@pytest.fixture
def unit(start_unit, image, tmp_path):
    """With a claim whose fleet is not there: the press asks in vain."""
    claim = Claim(UnitId("om-0001"), "s" * 24, f"https://{ROUTER}:1", self_signed("nobody").certificate)
    with start_unit(image, tmp_path, Boot.DIRECT, claim=encode(claim).decode()) as site:
        yield site


def filesystem(guest):
    """Which one is mounted; empty while none is."""
    return guest.ssh(f"findmnt -no UUID {DATA}", check=False).strip()


def test_the_button_held_erases_the_data_partition_while_traffic_goes_on(unit, tmp_path):
    guest = unit.guest
    status = "cat /run/omamori/agent/status.json"
    listening = "waiting for the button"
    guest.wait(lambda: listening in guest.ssh(status, check=False), seconds=240, what=listening, pause=2)
    settings.store(
        tmp_path / "set.json", Settings(Fixed(IPv4Interface(f"{SET}/24"), IPv4Address(ROUTER), ()))
    )
    guest.put(tmp_path / "set.json", f"{DATA}/settings/settings.json")
    guest.ssh(
        "systemctl restart omamori-settings-restore || { journalctl -n 40 --no-pager -u omamori-settings-restore; false; }"
    )
    addresses = "ip -4 -br address show dev br0"
    guest.wait(lambda: SET in guest.ssh(addresses), seconds=60, what="the fixed address", pause=1)
    marks = f"{DATA}/agent/unit.key {DATA}/lan/mark {DATA}/packs/mark"
    before, started = guest.ssh(f"touch {marks}; findmnt -no UUID {DATA}; date +%s").split()

    guest.press(milliseconds=HELD)
    guest.wait(
        lambda: filesystem(guest) not in {"", before}, seconds=300, what="a new data partition", pause=1
    )
    active = f"systemctl is-active {PROCESSES}"
    guest.wait(
        lambda: guest.ssh(active, check=False).split() == ["active"] * 4,
        seconds=180,
        what="the processes",
        pause=2,
    )

    assert reaches(unit.lan, ROUTER)
    assert guest.ssh(f"find {DATA} -xdev -name mark -o -name unit.key -o -name settings.json") == ""
    assert guest.ssh(f"find {DATA} -xdev -type f ! -newermt @{started}") == ""
    assert guest.ssh(f"stat -c '%U %a' {DATA}/agent {DATA}/spool/lan").split("\n")[:2] == [
        "omamori-agent 2750",
        "omamori-lan 2770",
    ]
    assert SET not in guest.ssh(addresses)
    assert guest.ssh("ls /run/omamori/agent/reset", check=False) == ""
    assert guest.ssh("systemctl --failed --no-legend --plain") == ""
    assert '"activated":false' in guest.ssh(status).replace(" ", "")
