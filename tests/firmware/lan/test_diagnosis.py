"""The diagnosis on simulated networks: each fault found in time, no correct network accused, each finding clears."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.lan.inventory import Inventory
from omamori.firmware.lan.observations import Link
from omamori.firmware.lan.picture import Picture
from omamori.firmware.lan.sighting import Learned, Port, Sighting, dissect
from omamori.firmware.lan.vendors import Vendors
from omamori.firmware.lan.wire import MOST_STATIONS, Wire
from omamori.protocol.vocabulary import WiringCode
from tests.firmware.lan import frames
from tests.firmware.lan.frames import PC, PHONE, ROUTER, SERVER, UNIT, at

OK, EMPTY = WiringCode.OK, WiringCode.NO_HOSTS_BEHIND
SWAPPED, UPSTREAM = WiringCode.PORTS_SWAPPED, WiringCode.PPPOE_UPSTREAM
BAS = "00:90:1a:00:00:01"
GATEWAY = "192.168.1.1"


class Net:
    """A picture that is fed frames at simulated seconds."""

    def __init__(self, inventory: Inventory | None = None, *, start: float = 0) -> None:
        self.links = {port: Link(f"{port}0", True, at(start)) for port in Port}
        wire = Wire(own=frozenset({UNIT}), links=self.links)
        self.picture = Picture(wire, inventory or Inventory(), vendors=Vendors(), began=at(start))

    def hear(self, seconds: float, port: Port, *data: bytes) -> None:
        for frame in data:
            self.picture.note(dissect(frame, port=port, time=at(seconds)))

    def relink(self, seconds: float, *ports: Port, up: bool = True) -> None:
        for port in ports:
            self.links[port] = replace(self.links[port], up=up, since=at(seconds))
            self.picture.wire.link(port, self.links[port])

    def findings(self, seconds: float):
        return frames.worded(self.picture.wiring(at(seconds)).findings)

    def codes(self, seconds: float):
        return [finding.code for finding in self.findings(seconds)]


def lease(
    net: Net, seconds: float, *, client: str = PC, router_on: Port = Port.WAN, server: str = ROUTER
) -> None:
    net.hear(seconds, router_on.other, frames.dhcp_client(client, 3, name="pc"))
    ack = frames.dhcp_server(
        server, 5, client=client, offered="192.168.1.10", server=GATEWAY, routers=(GATEWAY,)
    )
    net.hear(seconds, router_on, ack)


def resolves(net: Net, seconds: float, *, router_on: Port = Port.WAN) -> None:
    net.hear(seconds, router_on.other, frames.arp(PC, "192.168.1.10", GATEWAY))
    net.hear(seconds, router_on, frames.arp(ROUTER, GATEWAY, "192.168.1.10", reply_to=PC))


def dials(net: Net, seconds: float, *, router_on: Port = Port.LAN, answered: bool = True) -> None:
    net.hear(seconds, router_on, frames.pppoe(ROUTER, 0x09))
    if answered:
        net.hear(seconds, router_on.other, frames.pppoe(BAS, 0x07, tags=b"\x01\x02\x00\x03BAS"))
        net.hear(seconds, router_on, frames.pppoe(ROUTER, 0x19), frames.pppoe(ROUTER, 0x00, session=5))


# --- correct networks are not accused ---------------------------------------------------------------------------------


def test_an_ordinary_network_is_ok_with_its_evidence():
    net = Net()
    lease(net, 3)
    resolves(net, 4)
    (finding,) = net.findings(600)
    assert finding.code is OK
    assert finding.confidence > 0.9
    assert "1 hosts are heard on the lan0 side" in finding.evidence[0]
    assert ROUTER in finding.evidence[1]


def test_the_first_seconds_accuse_nobody():
    net = Net()
    assert [net.codes(second) for second in range(0, 20, 5)] == [[OK]] * 4


def test_a_network_without_dhcp_is_ok():
    net = Net()
    net.picture.wire.gateway(GATEWAY)
    resolves(net, 3)
    assert net.codes(600) == [OK]


def test_hosts_that_the_bridge_learned_but_nobody_overheard_count():
    net = Net()
    net.picture.note(Sighting(at(5), Port.LAN, PC, Learned()))
    assert net.codes(600) == [OK]


def test_a_dhcp_server_behind_the_unit_is_no_swapped_port():
    net = Net()
    ack = frames.dhcp_server(
        SERVER, 5, client=PC, offered="192.168.1.10", server="192.168.1.2", routers=(GATEWAY,)
    )
    net.hear(3, Port.LAN, frames.dhcp_client(PC, 3), ack)
    resolves(net, 4)
    assert net.codes(5) == net.codes(600) == [OK]


def test_a_relayed_lease_is_no_swapped_port():
    net = Net()
    net.hear(3, Port.LAN, frames.dhcp_client(PC, 3))
    ack = frames.dhcp_server(
        SERVER, 5, client=PC, offered="10.9.0.10", server="10.8.0.1", routers=("10.9.0.1",), relay="10.9.0.1"
    )
    net.hear(3, Port.LAN, ack)
    assert net.codes(30) == [OK]


def test_a_rogue_router_behind_the_unit_is_no_swapped_port():
    net = Net()
    lease(net, 3)
    resolves(net, 4)
    rogue = frames.dhcp_server(
        SERVER, 5, client=PHONE, offered="192.168.0.9", server="192.168.0.1", routers=("192.168.0.1",)
    )
    net.hear(5, Port.LAN, frames.dhcp_client(PHONE, 3), rogue)
    (finding,) = net.findings(30)
    assert finding.code is WiringCode.ROGUE_DHCP
    assert any(SERVER in fact and "lan0" in fact for fact in finding.evidence)
    assert f"the way out is {GATEWAY}" in finding.evidence
    assert net.codes(5 + 601) == [OK]


def test_a_pc_that_dials_through_its_router_is_ok():
    net = Net()
    lease(net, 3)
    resolves(net, 4)
    net.hear(5, Port.LAN, frames.pppoe(PC, 0x09), frames.pppoe(PC, 0, session=9))
    net.hear(5, Port.WAN, frames.pppoe(BAS, 0x07), frames.pppoe(BAS, 0, session=9))
    assert net.codes(7) == [OK]


def test_the_router_asking_for_dead_hosts_makes_no_hosts():
    net = Net()
    for second in range(0, 60, 2):
        net.hear(second, Port.WAN, frames.arp(ROUTER, GATEWAY, f"192.168.1.{second}"))
    assert net.codes(60) == [EMPTY]


def test_known_hosts_may_sleep_over_the_weekend():
    net = Net()
    lease(net, 3)
    resolves(net, 4)
    assert net.codes(2.5 * 86_400) == [OK]


def test_after_a_power_cut_known_hosts_get_time_to_return():
    before = Net()
    lease(before, 3)
    after = Net(before.picture.inventory, start=100)
    assert after.codes(100 + 60) == [OK]
    assert after.codes(100 + 95) == [EMPTY]


# --- faults -----------------------------------------------------------------------------------------------------------


def test_an_empty_lan_side_is_found_within_30_seconds_and_clears():
    net = Net()
    net.hear(1, Port.WAN, frames.arp(PHONE, "192.168.1.30", GATEWAY))
    (finding,) = net.findings(25)
    assert (finding.code, finding.since) == (EMPTY, at(0))
    assert "lan0 has had link for 25 s and no host was heard on it" in finding.evidence
    assert any(PHONE in fact for fact in finding.evidence)
    assert net.findings(1000)[0].confidence > finding.confidence
    net.hear(1001, Port.LAN, frames.arp(PC, "192.168.1.10", GATEWAY))
    assert net.codes(1001) == [OK]


@pytest.mark.parametrize("port", Port)
def test_a_port_without_link_misses_its_cable(port):
    net = Net()
    lease(net, 3)
    net.relink(100, port, up=False)
    assert net.codes(101) == [OK]
    (finding,) = net.findings(121)
    assert (finding.code, finding.since) == (f"{port.upper()}_CABLE_MISSING", at(100))
    assert finding.evidence == (f"{port}0 has had no link for 21 s",)
    net.relink(130, port)
    lease(net, 131)
    assert net.codes(132) == [OK]


def test_only_the_router_behind_is_nobody_behind_when_a_router_is_in_front_too():
    net = Net()
    lease(net, 1, client=PHONE)
    net.relink(10, Port.LAN)
    resolves(net, 11)
    assert net.codes(40) == [OK]
    net.relink(50, Port.LAN)
    net.hear(51, Port.WAN, frames.arp(ROUTER, GATEWAY, "192.168.1.10"))
    assert net.codes(300) == [EMPTY]


@pytest.mark.parametrize("router_on", list(Port))
def test_a_unit_in_front_of_the_dialling_router_is_found_at_once_and_clears(router_on):
    net = Net()
    dials(net, 3, router_on=router_on)
    (finding,) = net.findings(4)
    assert (finding.code, finding.since) == (UPSTREAM, at(3))
    assert finding.confidence >= 0.9
    assert any(ROUTER in fact and "dials" in fact for fact in finding.evidence)
    assert any("(BAS)" in fact for fact in finding.evidence)
    assert net.codes(60) == [UPSTREAM]
    net.relink(70, *Port)
    lease(net, 72)
    assert net.codes(73) == [OK]


def test_dialling_that_nobody_answers_is_less_sure():
    net = Net()
    dials(net, 3, answered=False)
    assert net.codes(4) == [OK]
    dials(net, 8, answered=False)
    (finding,) = net.findings(9)
    assert (finding.code, finding.confidence) == (UPSTREAM, 0.7)


def test_a_session_that_is_already_up_is_enough():
    net = Net()
    net.hear(2, Port.LAN, frames.pppoe(ROUTER, 0, session=5, target=BAS))
    net.hear(2, Port.WAN, frames.pppoe(BAS, 0, session=5, target=ROUTER))
    assert net.codes(3) == [UPSTREAM]


def test_a_dialled_line_gone_silent_is_forgotten_without_a_touched_cable():
    net = Net()
    dials(net, 3)
    net.picture.note(Sighting(at(100), Port.LAN, PC, Learned()))
    assert net.codes(110) == [UPSTREAM]
    assert net.codes(130) == [OK]


def test_swapped_ports_are_found_at_once_and_clear():
    net = Net()
    lease(net, 3, router_on=Port.LAN)
    resolves(net, 4, router_on=Port.LAN)
    (finding,) = net.findings(5)
    assert (finding.code, finding.confidence, finding.since) == (SWAPPED, 0.95, at(3))
    assert any("answers as gateway 192.168.1.1" in fact and "lan0" in fact for fact in finding.evidence)
    assert any("1 hosts ask on the wan0 side" in fact and PC in fact for fact in finding.evidence)
    net.relink(20, *Port)
    lease(net, 22)
    resolves(net, 23)
    assert net.codes(24) == [OK]


def test_swapped_ports_without_any_host_are_less_sure():
    net = Net()
    net.picture.wire.gateway(GATEWAY)
    net.hear(3, Port.LAN, frames.arp(ROUTER, GATEWAY, "192.168.1.10"))
    (finding,) = net.findings(5)
    assert (finding.code, finding.confidence) == (SWAPPED, 0.6)


def test_a_router_heard_on_both_ports_at_once_is_not_swapped():
    net = Net()
    lease(net, 3)
    for second in range(4, 40):
        net.hear(second, Port.WAN, frames.arp(ROUTER, GATEWAY, "192.168.1.10"))
        net.hear(second + 0.1, Port.LAN, frames.arp(ROUTER, GATEWAY, "192.168.1.10"))
        assert SWAPPED not in net.codes(second + 0.2)


def test_the_root_cause_stands_first():
    net = Net()
    dials(net, 3)
    lease(net, 4, router_on=Port.LAN, server=SERVER)
    codes = net.codes(60)
    assert codes[0] is UPSTREAM
    assert EMPTY not in codes


# --- news, bounds, clock ----------------------------------------------------------------------------------------------


def test_news_comes_once_for_each_change():
    net = Net()
    told = []
    for second in range(120):
        if second == 40:
            net.hear(second, Port.LAN, frames.arp(PC, "192.168.1.10", GATEWAY))
        news = net.picture.news(net.picture.wiring(at(second)))
        told += [[finding.code for finding in news.wiring.findings]] if news.wiring else []
    assert told == [[OK], [EMPTY], [OK]]


def test_news_of_hosts_is_bounded_in_rate_and_size():
    net, messages = Net(), []
    for number in range(100):
        mac = f"02:00:00:00:00:{number:02x}"
        net.hear(0, Port.LAN, frames.arp(mac, f"192.168.1.{number + 2}", GATEWAY))
    for second in range(40):
        news = net.picture.news(net.picture.wiring(at(second)))
        messages += [len(news.hosts.hosts)] if news.hosts else []
    assert messages == [30, 30, 30, 10]


def test_a_flood_of_stations_is_bounded_and_keeps_the_router():
    net = Net()
    lease(net, 1)
    for number in range(MOST_STATIONS + 500):
        mac = f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        net.picture.note(Sighting(at(2 + number / 1000), Port.LAN, mac, Learned()))
    seen = net.picture.wire.observations(at(10), remembered=net.picture.inventory.behind(besides=frozenset()))
    assert MOST_STATIONS - 100 < len(seen.stations) + len(seen.routers) <= MOST_STATIONS
    assert [router.station.mac for router in seen.routers] == [ROUTER]


def test_setting_the_clock_accuses_nobody():
    net = Net()
    net.hear(1, Port.WAN, frames.arp(PHONE, "192.168.1.30", GATEWAY))
    jump = at(10**9) - at(0)
    net.picture.shift(jump, until=at(2))
    assert net.codes(10**9 + 5) == [OK]
    assert net.codes(10**9 + 30) == [EMPTY]


def test_the_units_own_frames_are_no_host():
    net = Net()
    net.hear(1, Port.LAN, frames.arp(UNIT, "192.168.1.200", GATEWAY))
    assert net.codes(30) == [EMPTY]
    assert net.picture.hosts(at(30)).hosts == ()


MACS = [ROUTER, SERVER, PC, PHONE, UNIT, BAS]
HEARD = st.one_of(
    st.builds(
        frames.arp,
        st.sampled_from(MACS),
        st.sampled_from([GATEWAY, "192.168.1.10", frames.NOBODY]),
        st.just(GATEWAY),
    ),
    st.builds(frames.dhcp_client, st.sampled_from(MACS), st.integers(1, 8)),
    st.builds(
        frames.dhcp_server,
        st.sampled_from(MACS),
        st.sampled_from([2, 5, 6]),
        client=st.sampled_from(MACS),
        offered=st.just("192.168.1.10"),
        server=st.sampled_from([GATEWAY, "192.168.1.2"]),
        routers=st.sampled_from([(), (GATEWAY,), ("192.168.1.2", GATEWAY)]),
    ),
    st.builds(frames.pppoe, st.sampled_from(MACS), st.sampled_from([0, 0x07, 0x09, 0x19, 0x65, 0xA7])),
)
STEPS = st.lists(
    st.tuples(st.floats(0, 400), st.sampled_from(Port), st.one_of(HEARD, st.booleans())), max_size=40
)


@given(STEPS)
@settings(max_examples=150)
def test_whatever_is_heard_in_whatever_order_there_is_a_verdict(steps):
    net, now = Net(), 0.0
    for wait, port, heard in steps:
        now += wait
        if isinstance(heard, bool):
            net.relink(now, port, up=heard)
        else:
            net.hear(now, port, heard)
        findings = net.findings(now)
        assert all(
            0 < finding.confidence <= 1 and finding.since <= at(now) and finding.evidence
            for finding in findings
        )
        codes = [finding.code for finding in findings]
        assert codes == [OK] or (codes and OK not in codes and len(codes) == len(set(codes)))
        assert UNIT not in {host.mac for host in net.picture.hosts(at(now)).hosts}
