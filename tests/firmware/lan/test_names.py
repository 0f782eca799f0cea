"""What devices say of themselves: names by each protocol, the best of them chosen, kinds and systems guessed, nothing made up."""

import contextlib
import socket
import struct
from pathlib import Path

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.host.paths import Paths
from omamori.firmware.lan import dhcp6, dnsmessage, mdns, ndp, netbios, ntp, probe, segment, ssdp, store, wsd
from omamori.firmware.lan.apart import ApartFile
from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.hint import Source, means_something
from omamori.firmware.lan.internet import UDP, Packet, parse
from omamori.firmware.lan.inventory import Inventory
from omamori.firmware.lan.kinds import Traits, guess
from omamori.firmware.lan.sighting import Port, dissect
from omamori.firmware.lan.vendors import Vendors
from tests.firmware.lan import frames
from tests.firmware.lan.frames import PC, PHONE, at

HERE = "192.168.1.10"


def noted(*data: bytes, inventory: Inventory | None = None):
    inventory = inventory or Inventory()
    for frame in data:
        if sighting := dissect(frame, port=Port.LAN, time=at(1)):
            inventory.note(sighting)
    return {host.mac: host for host in inventory.hosts(vendors=Vendors(), besides=frozenset())}


# --- frames of the protocols, built by dpkt and struct ----------------------------------------------------------------


def mdns_answer(*records, source=PC, address=HERE) -> bytes:
    message = dpkt.dns.DNS(op=0x8400, qd=[], an=list(records))
    return frames.datagram(source, address, "224.0.0.251", bytes(message), sport=5353, dport=5353)


def a_record(name, address=HERE):
    return dpkt.dns.DNS.RR(name=name, type=dpkt.dns.DNS_A, ip=socket.inet_aton(address))


def ptr_record(service, instance):
    return dpkt.dns.DNS.RR(name=service, type=dpkt.dns.DNS_PTR, ptrname=instance)


def txt_record(name, *texts):
    return dpkt.dns.DNS.RR(name=name, type=dpkt.dns.DNS_TXT, text=list(texts))


def netbios_name(name: str, suffix: int) -> bytes:
    raw = name.encode("cp932").ljust(15)[:15] + bytes([suffix])
    return b"\x20" + bytes(0x41 + half for octet in raw for half in (octet >> 4, octet & 15)) + b"\0"


def registration(name: str, *, suffix: int = 0, group: int = 0, flags: int = 0x2910) -> bytes:
    question = netbios_name(name, suffix) + struct.pack("!HH", 0x20, 1)
    answer = b"\xc0\x0c" + struct.pack("!HHIHH4s", 0x20, 1, 300_000, 6, group, socket.inet_aton(HERE))
    body = struct.pack("!6H", 7, flags, 1, 0, 0, 1) + question + answer
    return frames.datagram(PC, HERE, "192.168.1.255", body, sport=137, dport=137)


def announcement(name: str, *, version=(10, 0), roles=0x9003, comment=b"") -> bytes:
    browse = bytes([1, 0]) + struct.pack("<I", 60_000) + name.encode().ljust(16, b"\0")
    browse += bytes(version) + struct.pack("<IBBH", roles, 15, 1, 0xAA55) + comment + b"\0"
    smb = b"\xffSMB%" + bytes(60) + b"\\MAILSLOT\\BROWSE\0" + browse
    head = struct.pack("!BBH4sHHH", 0x11, 2, 7, socket.inet_aton(HERE), 138, len(smb), 0)
    body = head + netbios_name(name, 0) + netbios_name("OFFICE", 0x1D) + smb
    return frames.datagram(PC, HERE, "192.168.1.255", body, sport=138, dport=138)


def dhcp6_solicit(duid: bytes, name: str = "", *, source: str = PC) -> bytes:
    fqdn = struct.pack("!HHB", 39, 2 + len(name), 0) + bytes([len(name)]) + name.encode() if name else b""
    body = b"\x01abc" + struct.pack("!HH", 1, len(duid)) + duid + fqdn
    head = struct.pack("!HHHH", 546, 547, 8 + len(body), 0)
    return frames.ip6(source, "fe80::10", "ff02::1:2", UDP, head + body)


def ssdp_notify(*lines: str, first: str = "NOTIFY * HTTP/1.1") -> bytes:
    text = "\r\n".join((first, "HOST: 239.255.255.250:1900", *lines, "", ""))
    return frames.datagram(PC, HERE, "239.255.255.250", text.encode(), sport=50_000, dport=1900)


# --- names ------------------------------------------------------------------------------------------------------------


def test_an_announcement_names_its_sender_with_services_and_model():
    hosts = noted(
        mdns_answer(
            a_record("Keiri-MacBook.local"),
            ptr_record("_smb._tcp.local", "Keiri MacBook._smb._tcp.local"),
            txt_record("Keiri MacBook._device-info._tcp.local", b"model=MacBookPro18,3"),
        )
    )
    assert (hosts[PC].name, hosts[PC].name_source) == ("Keiri-MacBook", "mdns")
    assert (hosts[PC].kind, hosts[PC].system) == ("pc", "macOS")


def test_a_name_that_was_merely_passed_on_names_nobody():
    hosts = noted(mdns_answer(a_record("printer-2f.local", "192.168.1.77")))
    assert hosts[PC].name == ""


@pytest.mark.parametrize(
    "name", ["3f2a1b4c-0d1e-4f5a-8b9c-0123456789ab", "localhost", "android-dhcp-13", "(none)", ""]
)
def test_names_that_tell_nobody_apart_are_no_names(name):
    assert not means_something(name)


def test_a_question_names_nobody():
    message = dpkt.dns.DNS(op=0, qd=[dpkt.dns.DNS.Q(name="printer.local", type=1)])
    frame = frames.datagram(PC, HERE, "224.0.0.251", bytes(message), sport=5353, dport=5353)
    assert PC not in noted(frame)


def test_a_computer_registers_its_name_and_a_workgroup_is_none():
    assert noted(registration("SOUMU-PC"))[PC].name == "SOUMU-PC"
    assert noted(registration("総務PC"))[PC].name == "総務PC"
    assert noted(registration("SOUMU-PC"))[PC].name_source == "netbios"
    for other in (
        registration("WORKGROUP", group=0x8000),
        registration("WORKGROUP", suffix=0x1C),
        registration("SOUMU-PC", flags=0xA910),
        registration("SOUMU-PC", flags=0x0110),
    ):
        assert PC not in noted(other)


def test_a_host_announcement_tells_the_system():
    host = noted(announcement("SOUMU-PC"))[PC]
    assert (host.name, host.kind, host.system) == ("SOUMU-PC", "pc", "Windows 10")
    assert noted(announcement("FILES", roles=0x9A03, comment=b"Samba 4.17"))[PC].system == ""
    assert noted(announcement("SV", version=(5, 2)))[PC].kind == "server"


def test_a_device_answers_for_its_own_name_by_llmnr():
    message = dpkt.dns.DNS(op=0x8000, qd=[dpkt.dns.DNS.Q(name="eigyo-pc", type=1)], an=[a_record("eigyo-pc")])
    frame = frames.datagram(PC, HERE, "192.168.1.20", bytes(message), sport=5355, dport=50_000)
    assert (noted(frame)[PC].name, noted(frame)[PC].name_source) == ("eigyo-pc", "llmnr")


def test_upnp_devices_say_what_they_are():
    router = noted(
        ssdp_notify("NT: urn:schemas-upnp-org:device:InternetGatewayDevice:1", "NTS: ssdp:alive", "SERVER: x")
    )
    assert router[PC].kind == "router"
    chrome = ssdp_notify("USER-AGENT: Google Chrome/120.0 Windows", first="M-SEARCH * HTTP/1.1")
    assert (noted(chrome)[PC].kind, noted(chrome)[PC].system) == ("pc", "Windows")
    gone = ssdp_notify("NT: urn:schemas-upnp-org:device:InternetGatewayDevice:1", "NTS: ssdp:byebye")
    assert PC not in noted(gone)


@pytest.mark.parametrize(
    ("action", "types", "kind"),
    [
        ("Hello", "wsdp:Device wprt:PrintDeviceType wscn:ScanDeviceType", "printer"),
        ("ProbeMatches", "dn:NetworkVideoTransmitter", "camera"),
        ("Probe", "wsdp:Device wprt:PrintDeviceType", ""),
        ("Bye", "wprt:PrintDeviceType", ""),
        ("Hello", "wsdp:Device", ""),
    ],
)
def test_what_announces_itself_by_ws_discovery_is_told_apart_from_who_searches(action, types, kind):
    frame = wsd_message(action, types)
    found = noted(frames.arp(PC, HERE, "192.168.1.1"), frame)
    assert found[PC].kind == kind


def wsd_message(action, types):
    place = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
    body = (
        f'<?xml version="1.0"?><soap:Envelope xmlns:soap="x" xmlns:wsa="y" xmlns:wsd="{place}"><soap:Header>'
        f"<wsa:Action>{place}/{action}</wsa:Action></soap:Header><soap:Body><wsd:{action}>"
        f"<wsd:Types>{types}</wsd:Types></wsd:{action}></soap:Body></soap:Envelope>"
    )
    return frames.datagram(PC, HERE, "239.255.255.250", body.encode(), sport=3702, dport=3702)


def test_dhcpv6_names_too():
    assert noted(dhcp6_solicit(b"\0\1" + bytes(12), "kikaku-pc"))[PC].name == "kikaku-pc"


def test_the_best_source_wins_whatever_the_order():
    all_of_them = [
        frames.dhcp_client(PC, 3, name="by-dhcp"),
        mdns_answer(a_record("by-mdns.local")),
        registration("BY-NETBIOS"),
    ]
    for order in (all_of_them, all_of_them[::-1]):
        assert (noted(*order)[PC].name, noted(*order)[PC].name_source) == ("by-mdns", "mdns")
    assert noted(*all_of_them[::2])[PC].name == "BY-NETBIOS"


def test_neighbour_discovery_gives_addresses_but_not_the_link_local_ones():
    host = noted(
        frames.solicitation(PC, "2001:db8::5", "2001:db8::1"), frames.solicitation(PC, "fe80::5", "fe80::1")
    )[PC]
    assert [held.address for held in host.addresses] == ["2001:db8::5"]


# --- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("traits", "kind", "system"),
    [
        (Traits(vendor_class="MSFT 5.0"), "pc", "Windows"),
        (Traits(vendor_class="MSFT 5.0", parameters=(1, 3, 6, 15, 31, 33, 43, 44, 46, 47, 119, 121, 249, 252)), "pc", "Windows 10"),
        (Traits(vendor_class="android-dhcp-13", name="Galaxy-S23"), "phone", "Android"),
        (Traits(parameters=(1, 121, 3, 6, 15, 119, 252), name="Keiko-no-iPhone"), "phone", "iOS"),
        (Traits(services=frozenset({"_ipp._tcp", "_pdl-datastream._tcp"}), vendor="Brother Industries, Ltd."), "printer", ""),
        (Traits(services=frozenset({"_smb._tcp", "_adisk._tcp"}), model="DiskStation DS220+"), "nas", ""),
        (Traits(services=frozenset({"NetworkVideoTransmitter"})), "camera", ""),
        (Traits(vendor_class="Cisco Systems, Inc. IP Phone CP-7841"), "phone system", ""),
        (Traits(vendor_class="ArubaAP"), "access point", ""),
        (Traits(name="keiri-pc"), "", ""),
        (Traits(services=frozenset({"_smb._tcp"})), "", ""),
        (Traits(), "", ""),
    ],
)  # fmt: skip
def test_kinds_come_from_enough_signs(traits, kind, system):
    found = guess(traits)
    assert (found.kind, found.system) == (kind, system)


# --- identity ---------------------------------------------------------------------------------------------------------

RANDOM = ["02:aa:00:00:00:01", "06:bb:00:00:00:02"]


def seen(inventory, mac, seconds, *data):
    for frame in data or (frames.arp(mac, HERE, "192.168.1.1"),):
        inventory.note(dissect(frame, port=Port.LAN, time=at(seconds)))


def devices(inventory):
    hosts = inventory.hosts(vendors=Vendors(), besides=frozenset())
    return {host.mac: (host.device, host.device_reason) for host in hosts if host.device}


def test_one_identifier_on_two_interfaces_is_one_device_until_an_operator_parts_them():
    inventory, duid = Inventory(), b"\0\4" + bytes(range(16))
    seen(inventory, PC, 1, dhcp6_solicit(duid))
    option = bytes([61, 5 + len(duid), 255, 0, 0, 0, 1]) + duid
    seen(inventory, PHONE, 2, frames.dhcp_client(PHONE, 3, options=option))
    assert devices(inventory) == {PHONE: (PC, "identity")}
    inventory.apart = frozenset({frozenset({PC, PHONE})})
    assert devices(inventory) == {}


def test_a_random_address_that_was_renewed_is_the_same_device():
    inventory = Inventory()
    for day, mac in enumerate(RANDOM):
        seen(inventory, mac, 86_400 * day, frames.dhcp_client(mac, 3, name="Keiko-no-Pixel"))
    assert devices(inventory) == {RANDOM[1]: (RANDOM[0], "renewed")}


def test_two_devices_of_one_name_at_the_same_time_stay_two():
    inventory = Inventory()
    for second in (1, 100):
        for mac in RANDOM:
            seen(inventory, mac, second, frames.dhcp_client(mac, 3, name="Keiko-no-Pixel"))
    assert devices(inventory) == {}


@pytest.mark.parametrize("name", ["iPhone", "Galaxy-2", "raspberrypi", "MacBook Pro"])
def test_a_name_of_a_whole_kind_joins_nothing(name):
    inventory = Inventory()
    for day, mac in enumerate(RANDOM):
        seen(inventory, mac, 86_400 * day, frames.dhcp_client(mac, 3, name=name))
    assert devices(inventory) == {}


def test_cable_and_wifi_of_one_pc_are_one_device():
    inventory = Inventory()
    seen(inventory, PC, 1, mdns_answer(a_record("keiri-pc.local")))
    wifi = mdns_answer(a_record("keiri-pc.local", "192.168.1.11"), source=PHONE, address="192.168.1.11")
    seen(inventory, PHONE, 2, wifi)
    assert devices(inventory) == {PHONE: (PC, "interfaces")}


def test_names_traits_and_pairs_set_apart_survive_a_restart(tmp_path):
    inventory = Inventory()
    seen(inventory, PC, 1, frames.dhcp_client(PC, 3, name="by-dhcp"), announcement("SOUMU-PC"))
    before = inventory.hosts(vendors=Vendors(), besides=frozenset())
    again = store.decode(store.encode(inventory))
    assert again.hosts(vendors=Vendors(), besides=frozenset()) == before
    paths = Paths(tmp_path)
    path = paths.state / "lan/apart.json"
    path.parent.mkdir(parents=True)
    assert ApartFile(paths).stored() == frozenset()
    path.write_text(f'{{"apart": [["{PC}", "{PHONE}"]]}}')
    assert ApartFile(paths).stored() == {frozenset({PC, PHONE})}
    for damaged in (b"", b"[1]", b'{"apart": [["x"]]}', b"\xff" * 100, b'{"apart": 3}'):
        path.write_bytes(damaged)
        assert ApartFile(paths).stored() == frozenset()


# --- whatever arrives -------------------------------------------------------------------------------------------------

SENDER = parse(frames.opening(PC, HERE, "203.0.113.10")[14:]).source
PARSERS = {
    "internet": parse,
    "dns": dnsmessage.parse,
    "mdns": lambda data: mdns.parse(SENDER, data),
    "llmnr": lambda data: mdns.parse_llmnr(SENDER, data),
    "netbios names": lambda data: netbios.parse_name_service(SENDER, data),
    "netbios datagrams": lambda data: netbios.parse_datagram(SENDER, data),
    "ssdp": lambda data: ssdp.parse(SENDER, data),
    "wsd": lambda data: wsd.parse(SENDER, data),
    "dhcpv6": lambda data: dhcp6.parse(SENDER, data),
    "ntp": lambda data: ntp.parse(SENDER, data),
    "ndp": lambda data: ndp.parse(Packet(parse(SOLICITED).source, parse(SOLICITED).source, 255, 58, data)),
    "tcp": lambda data: segment.parse(Packet(SENDER, SENDER, 64, 6, data)),
    "probe": probe.parse,
}
SOLICITED = frames.solicitation(PC, "2001:db8::5", "2001:db8::1")[14:]
SAMPLES = [
    frame[42:]
    for frame in (
        mdns_answer(a_record("a.local"), ptr_record("_ipp._tcp.local", "x._ipp._tcp.local")),
        registration("SOUMU-PC"),
        announcement("SOUMU-PC"),
        ssdp_notify("SERVER: x"),
        wsd_message("Hello", "wprt:PrintDeviceType"),
        frames.time_answer(PC, HERE, at(0)),
    )
] + [SOLICITED, SOLICITED[40:], dhcp6_solicit(bytes(14), "x")[62:], b"omamori-loop\x01" + bytes(8)]


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@settings(max_examples=120)
def test_a_parser_answers_or_refuses(name, data):
    """Random bytes, and real messages with some bytes changed or cut off."""
    raw = data.draw(st.one_of(st.binary(max_size=300), st.sampled_from(SAMPLES).flatmap(_mangled)))
    with contextlib.suppress(BadFrame):
        PARSERS[name](raw)


def _mangled(raw: bytes) -> st.SearchStrategy[bytes]:
    places = st.lists(st.tuples(st.integers(0, max(len(raw) - 1, 0)), st.integers(0, 255)), max_size=4)

    def change(changes, length):
        changed = bytearray(raw)
        for place, octet in changes:
            changed[place] = octet
        return bytes(changed[:length])

    return st.builds(change, places, st.integers(0, len(raw)))


@given(st.binary(max_size=200), st.sampled_from([0x0800, 0x86DD, 0x88B5]))
@settings(max_examples=200)
def test_any_frame_is_a_sighting_nothing_or_refused(payload, kind):
    with contextlib.suppress(BadFrame):
        dissect(frames.ethernet(PC, kind, payload), port=Port.LAN, time=at(0))


def test_a_name_that_points_at_itself_ends():
    for body in (b"\xc0\x0c", b"\x01a\xc0\x0c"):
        with pytest.raises(BadFrame):
            dnsmessage.parse(struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0) + body + bytes(10))


def test_sources_are_ranked_as_the_message_says():
    documented = Path(__file__).parents[3] / "omamori/protocol/messages/upward.py"
    order = ", ".join(f"`{source.value}`" for source in Source if source not in {Source.SSDP, Source.WSD})
    assert order in documented.read_text()
