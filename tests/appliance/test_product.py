"""The product image, as a customer gets it but for its name and a word about emulated timers, under Secure Boot: nobody can log in, so all is seen from beside it."""

import pytest

from lab.appliance import ROUTER, RULE, Factory, powered, with_claim
from lab.guest import GuestError
from lab.machine import Disk
from lab.namespaces import http_server, reaches
from omamori.image.state import State
from tests.appliance.neighbour import open_ports, shown

TAKEN_OVER = {
    "systemd.extra-unit.other.service": "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nStandardOutput=file:/dev/ttyS0\nExecStart=/usr/bin/echo TAKEN OVER\n",
    "systemd.unit-dropin.basic.target": "[Unit]\nWants=other.service\n",
}
"""What systemd(1) takes for an order, wherever it comes from: by the machine's own strings (SMBIOS), which a tool of its vendor writes."""
PREPARED = "Press the activation button on the unit once."
"""A unit whose claim was lost asks to call the help desk."""
SECRET = "omamori-appliance-test"
ELSEWHERE = (1883, 5355, 8000, 8080, 8443, 8883, 22022)


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    factory = Factory.found(tmp_path_factory.mktemp("factory"), rules=RULE.replace("alert", "drop", 1))
    return factory.image("7.0.0", variant="emulated")


@pytest.mark.timeout(900)
def test_it_forwards_blocks_shows_its_page_and_lets_nobody_in(product, claim, tmp_path):
    claimed = with_claim(product, claim, tmp_path)
    (tmp_path / "www").mkdir()
    (tmp_path / "www/page").write_text("good")
    (tmp_path / "www/attack").write_text(SECRET)
    keys = State.of().secure_boot
    with powered(claimed, tmp_path / "guest", keys=keys, claim=None, credentials=TAKEN_OVER) as unit:
        guest = unit.guest
        guest.wait(lambda: reaches(unit.lan, ROUTER), seconds=200, what="a packet across")
        with http_server(unit.wan, tmp_path / "www", where=ROUTER):
            assert fetched(unit, "page") == "good"
            guest.wait(lambda: fetched(unit, "attack") == "", seconds=300, what="the attack to be blocked")
            assert fetched(unit, "page") == "good"
        address = given(tmp_path / "guest/leases")
        guest.wait(
            lambda: PREPARED in shown(unit.lan, address), seconds=200, what="the page of a claimed unit"
        )
        assert open_ports(unit.lan, address, *ELSEWHERE) == {80}
        assert open_ports(unit.wan, address, *ELSEWHERE) == set()
        said = guest.console.read_text(errors="replace")
        assert "login:" not in said
        assert "TAKEN OVER" not in said
        with pytest.raises(GuestError, match=r"waited 0 s for nothing(?s:.*)--- kernel(?s:.*)br0: port"):
            guest.wait(lambda: False, seconds=0, what="nothing")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("disk", [Disk.NVME, Disk.SATA, Disk.USB], ids=lambda disk: disk.name.lower())
def test_it_starts_from_the_disks_and_forwards_by_the_cards_that_boxes_have(product, tmp_path, disk):
    keys = State.of().secure_boot
    with powered(product, tmp_path / "guest", keys=keys, card="e1000e", disk=disk) as unit:
        unit.guest.wait(lambda: reaches(unit.lan, ROUTER), seconds=200, what="a packet across")
        unit.guest.wait((tmp_path / "guest/leases").read_text, seconds=200, what="the root to be there")
        address = given(tmp_path / "guest/leases")
        unit.guest.wait(lambda: "Omamori" in shown(unit.lan, address), seconds=200, what="the unit's page")


def fetched(unit, name):
    """Empty where it does not come within ten seconds."""
    return unit.lan.run("curl", "-s", "-m", "10", f"http://{ROUTER}/{name}", check=False).stdout


def given(leases):
    """The address that the router gave to the unit."""
    (line,) = leases.read_text().splitlines()
    return line.split()[2]
