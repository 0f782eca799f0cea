"""Public captures that nobody of this project made: hosts get the names, kinds and makers that their own frames say."""

import itertools
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dpkt
import pytest

from omamori.firmware.lan import vendors
from omamori.firmware.lan.capture import Captured
from omamori.firmware.lan.client import Client, ClientReader
from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.inventory import Inventory
from omamori.firmware.lan.overhearing import read as read_words
from omamori.firmware.lan.sighting import Port, dissect
from omamori.protocol.messages import Host

pytestmark = pytest.mark.corpus
CORPUS = os.environ.get("OMAMORI_CORPUS", "")
REGISTRY = Path("/usr/share/ieee-data/oui.txt")

EXPECTED = {
    "ndpi/pcap/iphone.pcap": {
        "c4:61:8b:35:82:a9": ("Lucas-iPhone", "dhcp", "phone", "iOS", "Apple, Inc."),
        "d8:30:62:56:00:1c": ("Lucas-iMac", "mdns", "pc", "macOS", "Apple, Inc."),
        "c6:2c:03:60:6a:64": ("Lucas-iMac", "mdns", "pc", "macOS", vendors.PRIVATE),
    },
    "ndpi/pcap/anyconnect-vpn.pcap": {
        "34:36:3b:cf:75:28": ("nDPI", "mdns", "pc", "macOS", "Apple, Inc."),
    },
    "ndpi/pcap/ssdp-m-search-ua.pcap": {
        "f0:2f:4b:09:93:bc": ("", "", "pc", "macOS", "Apple, Inc."),
    },
    "ndpi/pcap/starcraft_battle.pcap": {
        "84:26:15:3e:75:c4": ("", "", "router", "", "ADB Broadband Italia"),
    },
    "ndpi/pcap/fuzz-2006-06-26-2594.pcap": {
        "00:60:97:0f:ee:72": ("LAB111", "netbios", "", "", "3COM"),
    },
    "suricata-verify/bug-2158/public-ex1_section8_Sofacy.pcap": {
        "00:c0:a8:85:0c:23": ("public-ea8367e7", "dhcp", "pc", "Windows", "GVC CORPORATION"),
    },
    "suricata-verify/bug-5162/input.pcap": {
        "00:0c:29:90:34:0b": ("WIN10", "netbios", "", "", "VMware, Inc."),
    },
}


def frames(path: Path) -> Iterator[tuple[datetime, bytes]]:
    with path.open("rb") as file:
        for time, data in dpkt.pcap.Reader(file):
            yield datetime.fromtimestamp(float(time), UTC), bytes(data)


def heard(path: Path) -> dict[str, Host]:
    inventory = Inventory()
    for time, data in frames(path):
        try:
            sighting = dissect(data, port=Port.LAN, time=time)
        except BadFrame:
            continue
        if sighting:
            inventory.note(sighting)
    told = inventory.hosts(vendors=vendors.load(REGISTRY), besides=frozenset())
    return {host.mac: host for host in told}


@pytest.mark.skipif(not CORPUS, reason="OMAMORI_CORPUS is not set")
@pytest.mark.parametrize("name", EXPECTED)
def test_hosts_of_a_public_capture_are_named_rightly(name):
    hosts = heard(Path(CORPUS) / name)
    for mac, expected in EXPECTED[name].items():
        host = hosts[mac]
        assert (host.name, host.name_source, host.kind, host.system, host.vendor) == expected
    wrong = {m: h.name for m, h in hosts.items() if h.name and m not in EXPECTED[name]}
    assert not wrong


@pytest.mark.skipif(not CORPUS, reason="OMAMORI_CORPUS is not set")
def test_no_frame_of_any_public_capture_is_more_than_refused():
    """Whatever the captures hold, a parser answers or raises its own error."""
    read = 0
    for path in sorted(Path(CORPUS).glob("ndpi/pcap/*.pcap")):
        with path.open("rb") as file:
            try:
                reader = dpkt.pcap.Reader(file)
            except ValueError:
                continue
            if reader.datalink() != dpkt.pcap.DLT_EN10MB:
                continue
            for _, (_, data) in zip(range(400), reader, strict=False):
                read += _read(bytes(data))
    assert read > 10_000


def _read(data: bytes) -> bool:
    try:
        dissect(data, port=Port.WAN, time=datetime(2026, 1, 1, tzinfo=UTC))
    except BadFrame:
        return True
    return True


@pytest.mark.skipif(not CORPUS, reason="OMAMORI_CORPUS is not set")
def test_programs_of_public_captures_are_read_by_what_they_say_first():
    """Every fingerprint has the form that its makers publish, and the captures are full of both kinds."""
    hellos, named = set(), 0
    for path in sorted(Path(CORPUS).glob("ndpi/pcap/*.pcap")):
        with path.open("rb") as file:
            try:
                reader = dpkt.pcap.Reader(file)
            except ValueError:
                continue
            if reader.datalink() != dpkt.pcap.DLT_EN10MB:
                continue
            clients = ClientReader()
            for time, data in itertools.islice(reader, 400):
                moment = datetime.fromtimestamp(float(time), UTC)
                seen = read_words(Captured(bytes(data), None), clients, port=Port.LAN, time=moment)
                if seen and isinstance(seen.said, Client):
                    named += seen.said.software is not None
                    hellos.add(seen.said.ja4)
    assert all(
        re.fullmatch(r"[tq](1[0-3]|s[23]|00)[di]\d{4}..(_[0-9a-f]{12}){2}", each) for each in hellos - {""}
    )
    assert len([each for each in hellos if each.startswith("t")]) > 20
    assert len([each for each in hellos if each.startswith("q")]) >= 5
    assert named > 20
