"""Parsers: frames built by other code are read right, and any bytes at all are either read or refused."""

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omamori.firmware.lan import dhcp, ethernet, pppoe
from omamori.firmware.lan.arp import Arp, Operation
from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.sighting import Port, dissect
from tests.firmware.lan import frames
from tests.firmware.lan.frames import PC, ROUTER, START

NOISE = st.binary(max_size=700)
KINDS = st.sampled_from([0x0800, 0x0806, 0x8863, 0x8864, 0x86DD, 0x0010])


def seen(data: bytes, **rest):
    return dissect(data, port=Port.LAN, time=START, **rest)


@pytest.mark.parametrize("vlans", [(), (10,), (10, 20)])
def test_arp_is_read_below_vlan_tags(vlans):
    sighting = seen(frames.arp(PC, "192.168.1.10", "192.168.1.1", vlans=vlans))
    assert sighting.source == PC
    assert sighting.vlans == vlans
    assert sighting.said == Arp(
        Operation.REQUEST, PC, IPv4Address("192.168.1.10"), "00:00:00:00:00:00", IPv4Address("192.168.1.1")
    )


def test_the_tag_that_the_kernel_took_off_comes_first():
    assert seen(frames.arp(PC, "192.168.1.10", "192.168.1.1", vlans=(20,)), tag=10).vlans == (10, 20)


def test_an_arp_probe_claims_nothing():
    assert seen(frames.arp(PC, frames.NOBODY, "192.168.1.10")).said.claims is None


def test_dhcp_request_gives_name_and_fingerprint():
    options = b"\x37\x03\x01\x03\x06" + b"\x3c\x08MSFT 5.0"
    said = seen(frames.dhcp_client(PC, 3, name="経理-pc", options=options)).said
    assert (said.message, said.from_server, said.client) == (dhcp.MessageType.REQUEST, False, PC)
    assert (said.host_name, said.vendor_class, said.parameters) == ("経理-pc", "MSFT 5.0", (1, 3, 6))


def test_dhcp_name_comes_from_the_fqdn_where_there_is_no_other():
    fqdn = b"\x00\x00\x00printer.example.jp"
    said = seen(frames.dhcp_client(PC, 3, options=bytes([81, len(fqdn)]) + fqdn)).said
    assert said.host_name == "printer"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"\x07printer\x07example\x02jp\x00", "printer"),
        (b"\x07printer", "printer"),
        (b"\xc0\x0c", ""),
        (b"\x00", ""),
    ],
)
def test_dhcp_name_comes_from_an_fqdn_in_dns_form(name, told):
    fqdn = b"\x04\x00\x00" + name
    assert seen(frames.dhcp_client(PC, 3, options=bytes([81, len(fqdn)]) + fqdn)).said.host_name == told


def test_dhcp_name_in_an_overloaded_field_is_found():
    body = bytearray(frames.dhcp_client(PC, 3, options=bytes([52, 1, 1])))
    file_field = 14 + 20 + 8 + 108
    body[file_field : file_field + 6] = b"\x0c\x04till"
    assert seen(bytes(body)).said.host_name == "till"


def test_dhcp_ack_gives_address_and_gateway():
    said = seen(
        frames.dhcp_server(ROUTER, 5, client=PC, offered="10.0.0.7", server="10.0.0.2", routers=("10.0.0.1",))
    ).said
    assert (said.offered, said.server) == (IPv4Address("10.0.0.7"), IPv4Address("10.0.0.2"))
    assert said.routers == (IPv4Address("10.0.0.1"),)


def test_control_letters_never_get_into_a_name():
    assert seen(frames.dhcp_client(PC, 3, name="a\x1b[31m\nb")).said.host_name == "a[31mb"


def test_udp_of_others_is_no_sighting():
    dns = bytearray(frames.dhcp_client(PC, 3))
    struct.pack_into("!HH", dns, 34, 53, 53)
    assert seen(bytes(dns)) is None


def test_pppoe_offer_names_the_concentrator():
    tags = b"\x01\x01\x00\x00" + b"\x01\x02\x00\x06BAS-01"
    said = seen(frames.pppoe(ROUTER, 0x07, tags=tags)).said
    assert said == pppoe.Pppoe(pppoe.Code.PADO, 0, "BAS-01")


def test_a_session_frame_cut_by_the_capture_is_read():
    assert seen(frames.pppoe(ROUTER, 0, session=77)[:22]).said == pppoe.Pppoe(pppoe.Code.SESSION, 77)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "0 bytes"),
        (frames.arp(PC, "10.0.0.1", "10.0.0.2")[:30], "ARP of 16 bytes"),
        (frames.ethernet("01:00:5e:00:00:01", 0x0806, bytes(28)), "group address"),
        (frames.ethernet(PC, 0x0026, bytes(38)), "802.3 length"),
        (frames.arp(PC, "10.0.0.1", "10.0.0.2", vlans=(1, 2, 3)), "VLAN tags"),
        (frames.ethernet(PC, 0x8863, b"\x21\x09\0\0\0\0"), "version"),
        (frames.ethernet(PC, 0x8863, b"\x11\x55\0\0\0\0"), "code 0x55"),
        (frames.dhcp_client(PC, 99), "message type"),
        (frames.dhcp_client(PC, 3)[:200], "cut"),
    ],
)
def test_a_broken_frame_is_refused_by_what_is_wrong(data, text):
    with pytest.raises(BadFrame, match=text):
        seen(data)


@given(kind=KINDS, payload=NOISE, vlans=st.lists(st.integers(0, 4095), max_size=4).map(tuple))
@settings(max_examples=400)
def test_any_payload_is_read_or_refused(kind, payload, vlans):
    _read_or_refuse(frames.ethernet(PC, kind, payload, vlans=vlans))


@given(noise=NOISE, kind=st.integers(0, 9))
@settings(max_examples=400)
@example(noise=b"\x0c", kind=3)
def test_any_dhcp_options_are_read_or_refused(noise, kind):
    sighting = _read_or_refuse(frames.dhcp_client(PC, kind, options=noise))
    if sighting:
        assert len(sighting.said.host_name) <= 64
        assert sighting.said.host_name.isprintable()


@given(place=st.integers(0, 341), octet=st.integers(0, 255), length=st.integers(0, 342))
@settings(max_examples=400)
def test_a_damaged_lease_is_read_or_refused(place, octet, length):
    whole = bytearray(
        frames.dhcp_server(ROUTER, 5, client=PC, offered="10.0.0.7", server="10.0.0.1", routers=("10.0.0.1",))
    )
    whole[place % len(whole)] = octet
    _read_or_refuse(bytes(whole[:length]))


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_discovery_tags_are_read_or_refused(tags):
    assert len(seen(frames.pppoe(ROUTER, 0x07, tags=tags)).said.concentrator) <= 64


def _read_or_refuse(data: bytes):
    try:
        return seen(data)
    except BadFrame:
        return None


def test_private_and_group_addresses_are_told_apart():
    assert ethernet.is_private("da:a1:19:00:00:01")
    assert not ethernet.is_private(PC)
    assert not ethernet.is_station("33:33:00:00:00:01")
