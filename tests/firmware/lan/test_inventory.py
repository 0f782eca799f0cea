"""Hosts: who held which address when, on which side, under which name; bounded, stored and read again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.lan import store, vendors
from omamori.firmware.lan.errors import BadInventory
from omamori.firmware.lan.inventory import MOST_ADDRESSES, STILL_THERE, Inventory
from omamori.firmware.lan.sighting import Learned, Port, Sighting, dissect
from omamori.firmware.lan.vendors import Vendors
from omamori.protocol.vocabulary import Side
from tests.firmware.lan import frames
from tests.firmware.lan.frames import PC, PHONE, ROUTER, at

REGISTRY = """OUI/MA-L                                                    Organization
company_id                                                  Organization

00-16-3E   (hex)\t\tXensource, Inc.
00163E     (base 16)\t\tXensource, Inc.
\t\t\t\t2300 Geng Road, Suite 250
"""


def note(inventory: Inventory, data: bytes, *, seconds: float = 0, port: Port = Port.LAN) -> None:
    inventory.note(dissect(data, port=port, time=at(seconds)))


def hosts(inventory: Inventory, besides: frozenset[str] = frozenset()):
    return {host.mac: host for host in inventory.hosts(vendors=Vendors(), besides=besides)}


def test_a_lease_names_the_host_and_its_address():
    inventory = Inventory()
    note(inventory, frames.dhcp_client(PC, 3, name="keiri-pc"))
    lease = frames.dhcp_server(ROUTER, 5, client=PC, offered="192.168.1.10", server="192.168.1.1")
    note(inventory, lease, seconds=1, port=Port.WAN)
    host = hosts(inventory)[PC]
    assert (host.name, host.name_source, host.side) == ("keiri-pc", "dhcp", Side.BEHIND)
    assert [held.address for held in host.addresses] == ["192.168.1.10"]


def test_an_offer_that_was_not_taken_is_no_address():
    inventory = Inventory()
    note(inventory, frames.dhcp_client(PC, 1))
    note(inventory, frames.dhcp_server(ROUTER, 2, client=PC, offered="192.168.1.10", server="192.168.1.1"))
    assert hosts(inventory)[PC].addresses == ()


def test_an_address_that_moves_stays_in_the_first_hosts_history():
    inventory = Inventory()
    note(inventory, frames.arp(PC, "192.168.1.10", "192.168.1.1"))
    note(inventory, frames.arp(PC, "192.168.1.10", "192.168.1.1"), seconds=60)
    note(inventory, frames.arp(PHONE, "192.168.1.10", "192.168.1.1"), seconds=3600)
    note(inventory, frames.arp(PC, "192.168.1.11", "192.168.1.1"), seconds=3700)
    first, second = hosts(inventory)[PC], hosts(inventory)[PHONE]
    assert [(h.address, h.first_seen, h.last_seen) for h in first.addresses] == [
        ("192.168.1.11", at(3700), at(3700)),
        ("192.168.1.10", at(0), at(60)),
    ]
    assert second.addresses[0].first_seen == at(3600)


def test_a_host_is_on_the_side_it_was_last_seen_on():
    inventory = Inventory()
    note(inventory, frames.arp(PC, "192.168.1.10", "192.168.1.1"))
    note(inventory, frames.arp(PC, "192.168.1.10", "192.168.1.1"), seconds=9, port=Port.WAN)
    assert hosts(inventory)[PC].side is Side.ROUTER


def test_a_client_behind_a_relay_is_not_placed_by_the_relays_port():
    inventory = Inventory()
    note(inventory, frames.dhcp_client(ROUTER, 3, client=PC, relay="10.0.0.1"), port=Port.WAN)
    assert PC not in hosts(inventory)


def test_routers_are_known_but_not_told():
    inventory = Inventory()
    note(inventory, frames.arp(ROUTER, "192.168.1.1", "192.168.1.10"))
    assert hosts(inventory, besides=frozenset({ROUTER})) == {}
    assert len(inventory) == 1


def test_changes_are_told_once_and_presence_every_hour():
    inventory = Inventory()
    take = lambda: inventory.take_changes(vendors=Vendors(), besides=frozenset(), most=10)  # noqa: E731 - reads best here
    note(inventory, frames.arp(PC, "192.168.1.10", "192.168.1.1"))
    assert len(take()) == 1
    note(inventory, frames.arp(PC, "192.168.1.10", "192.168.1.1"), seconds=5)
    assert take() == ()
    note(inventory, frames.dhcp_client(PC, 3, name="keiri-pc"), seconds=6)
    assert take()[0].name == "keiri-pc"
    note(inventory, frames.arp(PC, "192.168.1.10", "192.168.1.1"), seconds=7 + STILL_THERE.total_seconds())
    assert len(take()) == 1


def test_a_flood_of_addresses_is_bounded_and_keeps_the_named_host():
    inventory = Inventory(most=50)
    note(inventory, frames.dhcp_client(PC, 3, name="keiri-pc"))
    for number in range(500):
        mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        inventory.note(Sighting(at(1 + number), Port.LAN, mac, Learned()))
    assert len(inventory) == 50
    assert PC in hosts(inventory)


def test_a_host_with_many_addresses_forgets_the_oldest():
    inventory = Inventory()
    for number in range(MOST_ADDRESSES + 5):
        note(inventory, frames.arp(PC, f"10.0.0.{number + 1}", "10.0.0.254"), seconds=number)
    held = [address.address for address in hosts(inventory)[PC].addresses]
    assert len(held) == MOST_ADDRESSES
    assert "10.0.0.1" not in held


def test_times_noted_before_the_clock_was_set_move_with_it():
    inventory = Inventory()
    note(
        inventory, frames.arp(PHONE, "10.0.0.2", "10.0.0.1"), seconds=10**9
    )  # from an earlier run, clock right
    note(inventory, frames.arp(PC, "10.0.0.1", "10.0.0.2"), seconds=5)
    inventory.shift(at(10**9) - at(0), since=at(0), until=at(60))
    found = hosts(inventory)
    assert found[PC].first_seen == at(10**9 + 5)
    assert found[PHONE].last_seen == at(10**9)


# --- stored ---------------------------------------------------------------------------------------------------------


def test_what_is_stored_is_read_again(tmp_path):
    inventory = Inventory()
    note(inventory, frames.dhcp_client(PC, 3, name="経理"))
    note(inventory, frames.arp(PC, "192.168.1.10", "192.168.1.1"), seconds=1)
    store.save(tmp_path / "lan/hosts.json", inventory)
    assert hosts(store.load(tmp_path / "lan/hosts.json")) == hosts(inventory)


def test_a_full_inventory_fits_its_file(tmp_path):
    inventory = Inventory()
    for number in range(1000):
        mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        for part in range(MOST_ADDRESSES):
            note(inventory, frames.arp(mac, f"10.{part}.{number >> 8}.{number & 255}", "10.0.0.254"))
        note(inventory, frames.dhcp_client(mac, 3, name="名" * 21))
    store.save(tmp_path / "hosts.json", inventory)
    assert len(store.load(tmp_path / "hosts.json")) == 1000


def test_nothing_stored_yet_is_an_empty_inventory(tmp_path):
    assert len(store.load(tmp_path / "hosts.json")) == 0


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b'{"hosts":[{"mac":"nonsense"}]}', b"{" * 100_000]
)
def test_a_damaged_file_is_set_aside(tmp_path, content):
    path = tmp_path / "hosts.json"
    path.write_bytes(content)
    with pytest.raises(BadInventory):
        store.load(path)
    assert (tmp_path / "hosts.bad").read_bytes() == content
    assert len(store.load(path)) == 0


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_stored_bytes_are_an_inventory_or_refused(content):
    try:
        store.decode(content)
    except BadInventory:
        return


# --- vendors --------------------------------------------------------------------------------------------------------


def test_vendors_come_from_the_registry(tmp_path):
    file = tmp_path / "oui.txt"
    file.write_text(
        f"Not a line of its own: 00-16-3E   (hex)\t\tOther\r\n{REGISTRY}00-00-0E   (hex)\t\t富士通\r\n00-00-0F   (he"
    )
    known = vendors.load(file)
    for _ in range(2):
        assert known.of(PC) == "Xensource, Inc."
        assert known.of("00:00:0e:00:00:01") == "富士通"
        assert known.of("00:00:0f:00:00:01") == ""
        assert known.of("00:00:5e:00:00:01") == ""
        assert known.of("da:a1:19:00:00:01") == vendors.PRIVATE


@pytest.mark.parametrize("content", [None, b""])
def test_without_a_registry_there_are_no_vendors(tmp_path, content):
    file = tmp_path / "oui.txt"
    if content is not None:
        file.write_bytes(content)
    assert vendors.load(file).of(PC) == ""
