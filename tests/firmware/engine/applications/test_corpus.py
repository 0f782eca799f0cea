"""Real captures: what other programs read from the same first packets of QUIC."""

import os
import re
from pathlib import Path

import pytest

from omamori.firmware.engine.applications import detect
from omamori.firmware.engine.applications.layer import Message
from omamori.firmware.engine.applications.quic import Quic
from omamori.firmware.engine.errors import PacketError
from omamori.firmware.engine.packet import UDP, parse
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.signatures.capture import read_capture

CORPUS = os.environ.get("OMAMORI_CORPUS", "")
CAPTURES = (
    "doq.pcapng",
    "dlt_ppp.pcap",
    "google_meet.pcapng",
    "quic-23.pcap",
    "quic-24.pcap",
    "quic-27.pcap",
    "quic-28.pcap",
    "quic-34.pcap",
    "quic-forcing-vn-with-data.pcapng",
    "quic_frags_ch_in_multiple_packets.pcapng",
)
NEEDS = frozenset(("quic.sni", "ja4.hash"))

pytestmark = [pytest.mark.corpus, pytest.mark.skipif(not CORPUS, reason="OMAMORI_CORPUS is not set")]


def hellos(capture):
    """The buffers of every client's hello in it."""
    flows, found = {}, []
    for frame in read_capture(capture):
        try:
            packet = parse(frame.packet or b"")
        except PacketError:
            continue
        way = (packet.source, packet.source_port, packet.destination, packet.destination_port)
        layer = flows.get(way) or (detect.of_datagram(packet.payload) if packet.protocol == UDP else None)
        if isinstance(layer, Quic):
            flows[way] = layer
            events = layer.feed(Piece(0, 0, packet.payload), NEEDS, to_server=True)
            found += [event.buffers for event in events if isinstance(event, Message)]
    return found


@pytest.mark.parametrize("name", CAPTURES)
def test_names_and_fingerprints_are_those_that_ndpi_reads(name):
    told = Path(CORPUS, "ndpi", "result", f"{name}.out").read_text(encoding="utf-8", errors="replace")
    found = hellos(Path(CORPUS, "ndpi", "pcap", name))
    names = {value.decode() for buffers in found for value in buffers.get("quic.sni", ())}
    # The first part of a JA4 differs where a draft's version or protocol is named; the hashes never do.
    hashes = {buffers["ja4.hash"][0].decode().partition("_")[2] for buffers in found}
    assert hashes == set(re.findall(r"\[JA4: q\w+?_(\w+)\]", told))
    assert names <= set(re.findall(r"Hostname/SNI: ([^\]]+)\]", told))
    assert found
