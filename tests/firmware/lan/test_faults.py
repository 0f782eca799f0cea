"""Every code of the table on simulated networks: told with its evidence, alone, and gone as soon as the fault is mended."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Interface

import pytest

from omamori.firmware.lan.diagnosis import CONSEQUENCES, RULES, inside
from omamori.firmware.lan.inventory import Inventory
from omamori.firmware.lan.observations import FleetAnswer, Link, Loop, Own, Reach
from omamori.firmware.lan.picture import Picture
from omamori.firmware.lan.sighting import Learned, Port, Sighting, dissect
from omamori.firmware.lan.vendors import Vendors
from omamori.firmware.lan.wire import Wire
from omamori.protocol.codes import CODES
from omamori.protocol.vocabulary import Side
from omamori.protocol.vocabulary import WiringCode as Code
from tests.firmware.lan import frames
from tests.firmware.lan.frames import PC, PHONE, ROUTER, SERVER, UNIT, at

GATEWAY = "192.168.1.1"
OWN = Own(IPv4Interface("192.168.1.5/24"), reaches_ipv6=False, gateway=GATEWAY)
WEB = "203.0.113.10"


class Office:
    """A right network at the start: router in front, a PC and a phone behind, the unit with its lease and its fleet."""

    def __init__(self):
        self.links = {port: Link(f"{port}0", up=True, since=at(0), speed=1000) for port in Port}
        self.wire = Wire(own=frozenset({UNIT}), links=self.links)
        self.wire.own_place, self.wire.reach = OWN, Reach(FleetAnswer.REACHED)
        self.wire.gateway(GATEWAY)
        self.picture = Picture(self.wire, Inventory(), vendors=Vendors(), began=at(0))
        self.live(1)

    def live(self, seconds, *, hosts_on=Port.LAN):
        """Everybody is heard once."""
        self.hear(seconds, hosts_on, frames.arp(PC, "192.168.1.10", GATEWAY))
        self.hear(seconds, hosts_on, frames.arp(PHONE, "192.168.1.11", GATEWAY))
        self.hear(seconds, hosts_on.other, frames.arp(ROUTER, GATEWAY, "192.168.1.10", reply_to=PC))

    def hear(self, seconds, port, *data):
        for frame in data:
            self.picture.note(dissect(frame, port=port, time=at(seconds)))

    def link(self, port, **change):
        self.links[port] = replace(self.links[port], **change)
        self.wire.link(port, self.links[port])

    def relink(self, seconds, *ports):
        for port in ports:
            self.link(port, up=True, since=at(seconds))

    def told(self, seconds):
        return {each.code: each for each in frames.worded(self.picture.wiring(at(seconds)).findings)}

    def codes(self, seconds):
        return list(self.told(seconds))


@pytest.fixture
def office():
    return Office()


def test_the_ordinary_office_is_ok(office):
    assert office.codes(5) == office.codes(600) == [Code.OK]


def test_every_code_has_a_rule_and_consequences_come_later_in_the_table():
    assert len(RULES) == len(CODES) - 2  # swapped ports and OK stand apart
    order = list(CODES)
    for cause, consequences in CONSEQUENCES.items():
        assert all(order.index(each) > order.index(cause) for each in consequences)


# --- cables -----------------------------------------------------------------------------------------------------------


def test_a_probe_that_returns_is_a_loop_and_explains_the_rest(office):
    office.wire.loop = Loop(at(2), at(9), 7, closed=True)
    office.hear(
        3, Port.WAN, frames.arp(PC, "192.168.1.10", GATEWAY), frames.arp(PHONE, "192.168.1.11", GATEWAY)
    )
    finding = office.told(10)[Code.BOTH_PORTS_SAME_SWITCH]
    assert office.codes(10) == [Code.BOTH_PORTS_SAME_SWITCH]
    assert "7 of the unit's own probes" in finding.evidence[0]
    assert "lan0 is closed" in finding.evidence[1]
    office.wire.loop = None
    office.relink(20, *Port)
    office.live(21)
    assert office.codes(22) == [Code.OK]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"speed": 100}, "lan0: 100 Mbit/s"),
        ({"half_duplex": True}, "lan0: half duplex"),
        ({"errors": 60, "frames": 900}, "lan0: 60 broken frames beside 900 good ones in the last minutes"),
    ],
)
def test_a_slow_link_is_told_with_its_reason(office, change, words):
    office.link(Port.LAN, **change)
    assert office.codes(3) == [Code.OK]
    assert office.codes(5) == [Code.SLOW_LINK]
    assert office.told(5)[Code.SLOW_LINK].evidence == (words,)
    office.link(Port.LAN, speed=1000, half_duplex=False, errors=0)
    assert office.codes(6) == [Code.OK]


@pytest.mark.parametrize("change", [{"speed": None}, {"speed": 2500}, {"errors": 60, "frames": 90_000}])
def test_a_link_that_is_fast_enough_or_unknown_is_not_accused(office, change):
    office.link(Port.WAN, **change)
    assert office.codes(60) == [Code.OK]


def test_tags_alone_are_told_and_tags_beside_others_are_not():
    office = Office()
    office.relink(10, *Port)
    for second in range(11, 20):
        for port, mac, address in ((Port.LAN, PC, "10.9.0.2"), (Port.WAN, SERVER, "10.9.0.3")):
            office.hear(second, port, frames.arp(mac, address, "10.9.0.1", vlans=(30,)))
    assert Code.VLAN_ONLY not in office.codes(20)
    assert office.codes(26) == [Code.VLAN_ONLY]
    assert "9 frames on lan0 carried a VLAN tag (30)" in " ".join(office.told(26)[Code.VLAN_ONLY].evidence)
    office.live(27)
    assert office.codes(28) == [Code.OK]


# --- addresses --------------------------------------------------------------------------------------------------------


def test_no_address_comes_with_a_proposal(office):
    office.wire.own_place = Own()
    assert office.codes(24) == [Code.OK]
    assert office.codes(26) == [Code.NO_ADDRESS]
    facts = office.told(26)[Code.NO_ADDRESS].evidence
    assert "no DHCP server has answered" in facts
    assert "proposed: 192.168.1.250/24, gateway 192.168.1.1" in facts
    office.hear(27, Port.LAN, frames.arp(SERVER, "192.168.1.250", GATEWAY))
    assert "proposed: 192.168.1.249/24, gateway 192.168.1.1" in office.told(28)[Code.NO_ADDRESS].evidence
    office.wire.own_place = OWN
    assert office.codes(29) == [Code.OK]


def test_an_ipv6_network_without_ipv4_addresses_is_ok(office):
    office.wire.own_place = Own(None, reaches_ipv6=True)
    assert office.codes(300) == [Code.OK]


def test_two_answers_to_one_question_are_a_conflict(office):
    for mac in (PC, SERVER):
        office.hear(3, Port.LAN, frames.arp(mac, "192.168.1.60", "192.168.1.5", reply_to=UNIT))
    assert office.codes(4) == [Code.ADDRESS_CONFLICT]
    (fact,) = office.told(4)[Code.ADDRESS_CONFLICT].evidence
    assert "192.168.1.60 is claimed by" in fact
    assert f"{PC} on the lan0 side" in fact
    assert office.codes(3 + 121) == [Code.OK]


def test_an_address_that_was_taken_over_is_no_conflict(office):
    for second in (3, 10, 20):
        office.hear(second, Port.LAN, frames.arp(PC, "192.168.1.60", GATEWAY))
    for second in (30, 40):
        office.hear(second, Port.LAN, frames.arp(SERVER, "192.168.1.60", GATEWAY))
    assert office.codes(41) == [Code.OK]
    office.hear(42, Port.LAN, frames.arp(PC, "192.168.1.60", GATEWAY))
    assert office.codes(43) == [Code.ADDRESS_CONFLICT]


def test_the_same_address_in_two_vlans_virtual_routers_and_repeaters_are_no_conflict(office):
    for second in (3, 4, 5):
        office.hear(second, Port.LAN, frames.arp(PC, "10.0.0.9", "10.0.0.1", vlans=(10,)))
        office.hear(second + 0.5, Port.LAN, frames.arp(SERVER, "10.0.0.9", "10.0.0.1", vlans=(20,)))
        for mac in ("00:00:5e:00:01:07", SERVER):
            office.hear(second, Port.WAN, frames.arp(mac, "192.168.1.77", "192.168.1.5", reply_to=UNIT))
        for host in range(100, 110):
            for mac in (f"00:16:3e:00:01:{host:02x}", "00:16:3e:00:02:01"):
                office.hear(second, Port.LAN, frames.arp(mac, f"192.168.1.{host}", GATEWAY, reply_to=UNIT))
    assert Code.ADDRESS_CONFLICT not in office.codes(6)


def test_two_cards_of_one_computer_that_answer_for_each_other_are_no_conflict(office):
    for second, address in ((3, "192.168.1.60"), (4, "192.168.1.61")):
        for mac in (PC, SERVER):
            office.hear(second, Port.LAN, frames.arp(mac, address, "192.168.1.5", reply_to=UNIT))
    assert office.codes(5) == [Code.OK]


def test_whoever_claims_the_units_own_address_is_in_conflict(office):
    office.hear(3, Port.WAN, frames.arp(SERVER, "192.168.1.5", GATEWAY, reply_to=ROUTER))
    (fact,) = office.told(4)[Code.ADDRESS_CONFLICT].evidence
    assert "the unit itself" in fact


def test_a_public_address_inside_is_told(office):
    office.hear(3, Port.LAN, frames.arp(SERVER, "203.0.113.130", "203.0.113.129"))
    assert office.codes(4) == [Code.PUBLIC_ADDRESS_INSIDE]
    assert office.told(4)[Code.PUBLIC_ADDRESS_INSIDE].evidence == (
        f"{SERVER} behind the unit holds 203.0.113.130",
    )
    office.live(600)
    assert office.codes(700) == [Code.OK]


# --- places -----------------------------------------------------------------------------------------------------------


def test_hosts_beside_the_router_bypass_the_unit(office):
    office.hear(3, Port.WAN, frames.arp(SERVER, "192.168.1.30", GATEWAY))
    assert office.codes(4) == [Code.HOSTS_BYPASS]
    assert SERVER in office.told(4)[Code.HOSTS_BYPASS].evidence[0]
    office.hear(5, Port.LAN, frames.arp(SERVER, "192.168.1.30", GATEWAY))
    assert office.codes(6) == [Code.OK]


def test_an_access_point_beside_the_router_is_no_host(office):
    asks = frames.dhcp_client(SERVER, 3, options=b"\x3c\x07ArubaAP")
    office.hear(3, Port.WAN, asks, frames.arp(SERVER, "192.168.1.30", GATEWAY))
    assert office.codes(4) == [Code.OK]


def test_a_lone_device_in_front_of_a_static_network_may_be_the_router():
    office = Office()
    office.relink(10, *Port)
    office.wire._gateways.clear()
    office.hear(11, Port.LAN, frames.arp(PC, "192.168.1.10", "192.168.1.9"))
    office.hear(11, Port.WAN, frames.arp(ROUTER, "192.168.1.9", "192.168.1.10"))
    assert office.codes(12) == [Code.OK]


def test_who_brings_packets_of_the_internet_is_the_router():
    office = Office()
    office.relink(10, *Port)
    office.wire._gateways.clear()
    office.hear(11, Port.WAN, frames.arp(PC, "192.168.1.10", "192.168.1.9"))
    office.hear(11, Port.LAN, frames.arp(ROUTER, "192.168.1.9", "192.168.1.10"))
    office.hear(12, Port.LAN, frames.opening(ROUTER, WEB, "192.168.1.10", answers=True))
    finding = office.told(15)[Code.PORTS_SWAPPED]
    assert finding.confidence == 0.95
    assert "brings packets of the open internet" in finding.evidence[0]


def test_swapped_ports_are_healed_and_everything_else_is_judged_as_if_right(office):
    office.relink(10, *Port)
    office.live(11, hosts_on=Port.WAN)
    office.hear(12, Port.LAN, frames.arp(SERVER, "192.168.1.30", GATEWAY))
    findings = office.picture.wiring(at(15)).findings
    assert [finding.code for finding in findings] == [Code.PORTS_SWAPPED, Code.HOSTS_BYPASS]
    assert inside(findings) is Port.WAN is office.picture.inside
    office.live(16, hosts_on=Port.WAN)
    sides = {host.mac: host.side for host in office.picture.hosts(at(17)).hosts}
    assert sides[PC] is sides[PHONE] is Side.BEHIND
    assert sides[SERVER] is Side.ROUTER
    office.relink(20, *Port)
    office.live(21)
    assert office.codes(25) == [Code.OK]
    assert office.picture.inside is Port.LAN


def test_a_providers_own_advertisements_do_not_hide_that_the_unit_is_in_front_of_the_router():
    office = Office()
    office.relink(10, *Port)
    office.hear(11, Port.WAN, frames.router_advertisement(SERVER))
    office.hear(
        12, Port.LAN, frames.pppoe(ROUTER, 0x09), frames.solicitation(PC, "2001:db8::5", "2001:db8::1")
    )
    office.hear(12, Port.WAN, frames.pppoe("00:90:1a:00:00:01", 0x07))
    assert office.codes(13) == [Code.PPPOE_UPSTREAM]


def test_devices_behind_one_address_are_told_with_the_reasons(office):
    for hops, options in ((63, frames.LINUX), (127, frames.WINDOWS)):
        office.hear(3, Port.LAN, frames.opening(PC, "192.168.1.10", WEB, hops=hops, options=options))
    finding = office.told(4)[Code.NAT_BEHIND]
    assert finding.confidence == 0.99
    assert "have passed 1 router(s) before" in finding.evidence[0]
    (host,) = [host for host in office.picture.hosts(at(4)).hosts if host.shared]
    assert (host.mac, host.shared) == (PC, 0.99)
    assert office.codes(3 + 3601 + 10) == [Code.OK]


def test_a_pc_with_a_virtual_machine_is_no_router(office):
    office.hear(3, Port.LAN, frames.opening(PC, "192.168.1.10", WEB, hops=128, options=frames.WINDOWS))
    office.hear(4, Port.LAN, frames.opening(PC, "192.168.1.10", WEB, hops=63, options=frames.LINUX))
    assert office.codes(5) == [Code.OK]


def test_a_routed_network_behind_is_no_translation(office):
    for hops in (63, 127):
        office.hear(3, Port.LAN, frames.opening(PC, "10.5.5.5", WEB, hops=hops))
    assert office.codes(4) == [Code.OK]


def test_hosts_that_chatter_without_a_packet_crossing_are_silent(office):
    for second in range(5, 100, 5):
        office.hear(second, Port.LAN, frames.arp(PC, "192.168.1.10", "192.168.1.99"))
        office.hear(second, Port.LAN, frames.arp(PHONE, "192.168.1.11", "192.168.1.99"))
    assert office.codes(70) == [Code.OK]
    assert office.codes(100) == [Code.SILENT]
    office.hear(101, Port.LAN, frames.opening(PC, "192.168.1.10", WEB))
    assert office.codes(102) == [Code.OK]


# --- beyond the router ------------------------------------------------------------------------------------------------


def test_no_internet_needs_two_tries_and_no_other_proof(office):
    for failures, expected in ((1, Code.OK), (2, Code.NO_INTERNET)):
        office.wire.reach = Reach(FleetAnswer.NAMES_SILENT, frames.NAMELESS, failures, since=at(9))
        assert office.codes(20) == [expected]
    office.hear(21, Port.WAN, frames.opening(ROUTER, WEB, "192.168.1.10", answers=True))
    assert office.codes(22) == [Code.FLEET_UNREACHABLE]
    assert "a server of the internet answered a host" in office.told(22)[Code.FLEET_UNREACHABLE].evidence[1]
    office.wire.reach = Reach(FleetAnswer.REACHED)
    assert office.codes(23) == [Code.OK]


def test_an_agent_that_lost_its_session_is_told_after_a_minute(office):
    office.wire.reach = Reach(FleetAnswer.REACHED, activated=True, disconnected_since=at(10))
    assert office.codes(65) == [Code.OK]
    assert office.codes(71) == [Code.FLEET_UNREACHABLE]


def test_somebody_in_between_is_told(office):
    office.wire.reach = Reach(FleetAnswer.INTERCEPTED, frames.FOREIGN, 2)
    assert office.codes(10) == [Code.CAPTIVE_OR_PROXY]
    assert office.told(10)[Code.CAPTIVE_OR_PROXY].evidence == (frames.FOREIGN,)


def test_a_proxy_that_hosts_need_is_told_with_its_address(office):
    office.wire.reach = Reach(FleetAnswer.SILENT, frames.SILENCE, 3, since=at(2))
    proxy = frames.opening(SERVER, "192.168.1.8", "192.168.1.10", answers=True, port=8080)
    assert office.codes(9) == [Code.NO_INTERNET]
    office.hear(10, Port.WAN, proxy)
    assert office.codes(11) == [Code.CAPTIVE_OR_PROXY]
    assert "192.168.1.8:8080" in office.told(11)[Code.CAPTIVE_OR_PROXY].evidence[1]
    office.wire.reach = Reach(FleetAnswer.REACHED)
    assert office.codes(12) == [Code.OK]


def test_a_proxy_that_answers_the_unit_itself_is_no_sign_of_what_hosts_need(office):
    office.wire.reach = Reach(FleetAnswer.SILENT, frames.SILENCE, 3, since=at(2))
    ours = frames.opening(SERVER, "192.168.1.8", "192.168.1.5", answers=True, port=8080, to=frames.UNIT)
    office.hear(10, Port.WAN, ours)
    assert office.codes(11) == [Code.NO_INTERNET]


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        (("192.168.1.1", "192.168.0.1", ""), [Code.DOUBLE_NAT]),
        (("192.168.1.1", "10.1.2.3", ""), [Code.DOUBLE_NAT]),
        (("192.168.1.1", "100.64.0.1", ""), [Code.OK]),
        (("192.168.1.1", "203.0.113.1", ""), [Code.OK]),
        (("192.168.1.1", "192.168.1.2", ""), [Code.OK]),
        (("", "", ""), [Code.OK]),
    ],
)
def test_a_private_hop_behind_the_gateway_is_a_second_router(office, hops, expected):
    office.wire.reach = Reach(FleetAnswer.REACHED, hops=hops)
    assert office.codes(10) == expected


def test_a_wrong_clock_is_told_by_time_servers_by_the_fleet_and_by_certificates(office):
    office.hear(3, Port.WAN, frames.time_answer(ROUTER, "203.0.113.5", at(3 + 7200)))
    assert office.codes(4) == [Code.CLOCK_WRONG]
    assert "120 min later" in office.told(4)[Code.CLOCK_WRONG].evidence[0]
    office.picture.shift(timedelta(hours=2), until=at(4))
    assert office.codes(4 + 7200) == [Code.OK]
    office.wire.reach = Reach(FleetAnswer.REACHED, fleet_offset=timedelta(days=-400))
    assert "400 days earlier" in office.told(7210)[Code.CLOCK_WRONG].evidence[0]
    office.wire.reach = Reach(FleetAnswer.UNTIMELY, frames.FOREIGN, 3)
    assert office.codes(7211) == [Code.CLOCK_WRONG]


def test_what_a_cause_explains_is_not_told_beside_it(office):
    office.wire.own_place = Own()
    office.wire.reach = Reach(FleetAnswer.NAMES_SILENT, frames.NAMELESS, 5)
    office.link(Port.WAN, up=False, since=at(50))
    assert office.codes(100) == [Code.WAN_CABLE_MISSING]
    office.link(Port.LAN, up=False, since=at(60))
    assert office.codes(100) == [Code.WAN_CABLE_MISSING, Code.LAN_CABLE_MISSING]


def test_two_faults_are_both_told_the_root_first(office):
    office.hear(3, Port.WAN, frames.arp(SERVER, "192.168.1.30", GATEWAY))
    office.link(Port.LAN, speed=10)
    office.wire.reach = Reach(FleetAnswer.REACHED, hops=("192.168.1.1", "192.168.0.1"))
    assert office.codes(30) == [Code.HOSTS_BYPASS, Code.DOUBLE_NAT, Code.SLOW_LINK]


def test_learned_stations_alone_accuse_nobody(office):
    for number in range(20):
        office.picture.note(Sighting(at(3), Port.WAN, f"00:16:3e:00:09:{number:02x}", Learned()))
    assert office.codes(200) == [Code.OK]
