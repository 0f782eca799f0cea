"""The unit's own page from a booted unit: by name, by address, where nobody gives out addresses, and not from the router's side."""

import contextlib
import ipaddress
import json

from lab.appliance import HOST, ROUTER
from tests.appliance.neighbour import named, shown

CHOSEN = "169.254.9.9"
DROP = "add table inet nobody; add chain inet nobody in { type filter hook input priority 0; }; add rule inet nobody in udp dport 67 drop"


def held(site):
    """The unit's own IPv4 addresses."""
    told = json.loads(site.guest.ssh("ip -4 -json address show dev br0"))
    found = [each["local"] for link in told for each in link.get("addr_info", []) if "local" in each]
    return [ipaddress.ip_address(address) for address in found]


@contextlib.contextmanager
def nobody_gives_addresses(site):
    """No DHCP while it lasts; the host behind has chosen a link-local address as well."""
    site.wan.run("nft", DROP)
    site.lan.run("ip", "address", "add", f"{CHOSEN}/16", "dev", "eth0")
    site.guest.ssh("networkctl reconfigure br0")
    try:
        yield
    finally:
        site.wan.run("nft", "delete table inet nobody")
        site.lan.run("ip", "address", "del", f"{CHOSEN}/16", "dev", "eth0")
        site.guest.ssh("networkctl reconfigure br0")
        again = "the address given before"
        site.guest.wait(lambda: any(a.is_private and not a.is_link_local for a in held(site)), seconds=180, what=again, pause=2)  # fmt: skip


def answering(site, own):
    """Who answers for the name on the LAN side, once somebody does."""
    asked: list[str] = []
    site.guest.wait(lambda: asked.append(named(site.lan, own)) or asked[-1], seconds=90, what="the name")
    return asked[-1]


def test_it_is_found_by_its_name_on_the_lan_side_alone(site):
    site.guest.wait(
        lambda: any(not a.is_link_local for a in held(site)), seconds=120, what="an address", pause=2
    )
    address = answering(site, HOST)
    assert address in map(str, held(site))
    assert "Omamori" in shown(site.lan, address)
    assert named(site.wan, ROUTER) == ""
    assert site.wan.run("curl", "-s", "-m", "5", f"http://{address}/", check=False).returncode != 0


def test_where_nobody_gives_out_addresses_it_is_found_at_one_of_its_own_choice_by_the_same_name(site):
    chosen = "an address of the unit's own choice"
    with nobody_gives_addresses(site):
        site.guest.wait(lambda: any(a.is_link_local for a in held(site)), seconds=240, what=chosen, pause=3)
        address = answering(site, CHOSEN)
        assert address in [str(each) for each in held(site) if each.is_link_local]
        assert "Omamori" in shown(site.lan, address)
    assert not ipaddress.ip_address(answering(site, HOST)).is_link_local
