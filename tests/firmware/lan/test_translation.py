"""Several devices behind one address, told by what their programs say: together with other signs, and never of a lone PC."""

from ipaddress import IPv4Address

import pytest

from omamori.firmware.lan.client import Client
from omamori.firmware.lan.inventory import Inventory
from omamori.firmware.lan.observations import Link
from omamori.firmware.lan.picture import Picture
from omamori.firmware.lan.sighting import Port, Sighting, dissect
from omamori.firmware.lan.software import Software
from omamori.firmware.lan.vendors import Vendors
from omamori.firmware.lan.wire import Wire
from tests.firmware.lan import frames
from tests.firmware.lan.frames import PC, UNIT, at

HERE, WEB = "192.168.1.10", "203.0.113.10"
OWN_WINDOWS = (128, frames.WINDOWS)
GUEST = (63, frames.LINUX)


@pytest.fixture
def network():
    """A unit that has heard one device claim its address."""
    wire = Wire(own=frozenset({UNIT}), links={port: Link(f"{port}0", up=True, since=at(0)) for port in Port})
    picture = Picture(wire, Inventory(), vendors=Vendors(), began=at(0))
    picture.note(dissect(frames.arp(PC, HERE, "192.168.1.1"), port=Port.LAN, time=at(1)))
    return picture


def opens(picture, *stacks, seconds=2):
    for hops, options in stacks:
        frame = frames.opening(PC, HERE, WEB, hops=hops, options=options)
        picture.note(dissect(frame, port=Port.LAN, time=at(seconds)))


def says(picture, *software, hellos=(), hops=64, address=HERE, seconds=3):
    said = [(each, "") for each in software] + [(None, ja4) for ja4 in hellos]
    for each, ja4 in said:
        client = Client(IPv4Address(address), hops, each, ja4)
        picture.note(Sighting(at(seconds), Port.LAN, PC, client))


def shown(picture, seconds=4):
    (host,) = picture.hosts(at(seconds)).hosts
    return host


def ways(count):
    return [f"t13d1516h2_{number:012x}_{number:012x}" for number in range(count)]


def test_a_proxy_that_speaks_for_several_systems_is_told_with_the_reasons(network):
    opens(network, (64, frames.LINUX))
    says(network, Software.WINDOWS, Software.IPHONE, Software.ANDROID_PHONE)
    assert not shown(network).shared
    says(network, Software.WINDOWS_TLS, Software.APPLE_TLS)
    host = shown(network)
    assert host.shared == pytest.approx(0.7)
    assert host.shared_reasons == (
        "its programs call themselves Apple, Linux, Windows",
        "it opens TLS as Apple and Windows do (JA4)",
    )
    assert (host.kind, host.system) == ("", ""), "what several devices say is said of none"


def test_programs_confirm_what_hops_and_options_show(network):
    opens(network, (63, frames.LINUX), (127, frames.WINDOWS))
    before = shown(network).shared_reasons
    says(network, Software.WINDOWS, Software.ANDROID, hellos=ways(15), hops=63)
    assert shown(network).shared_reasons == (
        *before,
        "its programs call themselves Linux, Windows",
        "15 different ways to open TLS (JA4)",
    )


@pytest.mark.parametrize(
    ("stacks", "software", "hellos"),
    [
        # A browser that pretends to be other devices, on a PC with many programs.
        ([OWN_WINDOWS], [Software.WINDOWS, Software.WINDOWS_TLS, Software.IPHONE, Software.ANDROID_PHONE], 40),
        # A PC with one guest of another system, with all its programs.
        ([OWN_WINDOWS, GUEST], [Software.WINDOWS, Software.DESKTOP, Software.WINDOWS_TLS], 40),
        # A guest behind a translation in the PC's own software: no hop is seen.
        ([OWN_WINDOWS], [Software.WINDOWS, Software.MACINTOSH, Software.WINDOWS_TLS, Software.APPLE_TLS], 14),
        # An iPad that asks for desktops' pages.
        ([(64, frames.LINUX)], [Software.IPAD, Software.MACINTOSH, Software.APPLE_TLS], 40),
    ],
)  # fmt: skip
def test_one_device_alone_is_not_accused(network, stacks, software, hellos):
    opens(network, *stacks)
    says(network, *software, hellos=ways(hellos))
    assert not shown(network).shared


def test_the_same_programs_by_quic_are_no_more_programs(network):
    makers = (Software.WINDOWS, Software.WINDOWS_TLS, Software.IPHONE, Software.APPLE_TLS)
    says(network, *makers, hellos=[*ways(14), *(f"q{each[1:]}" for each in ways(14))])
    assert not shown(network).shared
    says(network, hellos=[f"q{each[1:]}" for each in ways(15)])
    assert shown(network).shared_reasons[-1] == "15 different ways to open TLS (JA4)"


def test_what_was_said_is_forgotten_after_an_hour_and_counts_for_its_own_address_only(network):
    says(
        network, Software.WINDOWS, Software.WINDOWS_TLS, Software.IPHONE, Software.APPLE_TLS, hellos=ways(15)
    )
    assert shown(network).shared == pytest.approx(0.65)
    assert not shown(network, 3 + 3601).shared
    says(network, *Software, hellos=ways(40), address="192.168.1.99", seconds=3700)
    assert not shown(network, 3701).shared


def test_a_program_speaks_for_its_device_unless_it_came_through_it(network):
    says(network, Software.IPHONE, hops=63)
    says(network, Software.IPHONE, address="192.168.1.99")
    assert (shown(network).kind, shown(network).system) == ("", "")
    says(network, Software.IPHONE)
    assert (shown(network).kind, shown(network).system) == ("phone", "iOS")
    says(network, Software.WINDOWS)
    assert (shown(network).kind, shown(network).system) == ("", "")


def test_ways_to_open_tls_are_bounded(network):
    says(
        network, Software.WINDOWS, Software.WINDOWS_TLS, Software.IPHONE, Software.APPLE_TLS, hellos=ways(500)
    )
    assert shown(network).shared_reasons[-1] == "40 different ways to open TLS (JA4)"
