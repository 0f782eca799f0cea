"""Ten minutes in a second: what was recorded at both ports of a real topology, told to the same diagnosis again and again.

The recording is played in a loop with its times moved on, and at every simulated second the verdict is read. Nothing but the
frames comes from the recording: links are up, the unit has its address and its session with the fleet.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Interface
from typing import Final

import dpkt

from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.inventory import Inventory
from omamori.firmware.lan.observations import FleetAnswer, Link, Own, Reach
from omamori.firmware.lan.picture import Picture
from omamori.firmware.lan.sighting import Port, dissect
from omamori.firmware.lan.vendors import Vendors
from omamori.firmware.lan.wire import Wire
from omamori.protocol.ids import Mac

LENGTH: Final = timedelta(minutes=10)
SETTLING: Final = timedelta(seconds=30)
"""What was heard so soon after link up (first leases, announcements) is played once."""
_START: Final = datetime(2026, 4, 6, tzinfo=UTC)


def false_findings(recordings: dict[str, bytes], own: frozenset[Mac]) -> dict[str, int]:
    """Simulated seconds by code, over ten minutes of a network that is right; empty where all was well."""
    frames = sorted(_frames(recordings), key=lambda frame: frame[0])
    if not frames:
        return {"nothing was recorded": 1}
    again = next(
        n for n, frame in enumerate(frames) if frame[0] - frames[0][0] >= SETTLING or n == len(frames) - 1
    )
    picture, told = _picture(own), dict[str, int]()
    moment, place, turn = _START, 0, timedelta(0)
    while moment < _START + LENGTH:
        moment += timedelta(seconds=1)
        while (at := _START + turn + (frames[place][0] - frames[0][0])) <= moment:
            _note(picture, at, *frames[place][1:])
            place += 1
            if place == len(frames):
                place, turn = again, turn + frames[-1][0] - frames[again][0] + timedelta(seconds=1)
        for finding in picture.wiring(moment).findings:
            if finding.code != "OK":
                told[finding.code] = told.get(finding.code, 0) + 1
    return told


def _frames(recordings: dict[str, bytes]) -> Iterator[tuple[timedelta, Port, bytes]]:
    for name, recording in recordings.items():
        port = Port.WAN if name == "wan0" else Port.LAN
        if len(recording) < 24:
            continue
        for time, data in dpkt.pcap.Reader(io.BytesIO(recording)):
            yield timedelta(seconds=float(time)), port, bytes(data)


def _picture(own: frozenset[Mac]) -> Picture:
    links = {port: Link(f"{port}0", up=True, since=_START, speed=1000) for port in Port}
    wire = Wire(own=own, links=links)
    wire.own_place = Own(IPv4Interface("192.168.10.5/24"), reaches_ipv6=True, gateway="192.168.10.1")
    wire.reach = Reach(FleetAnswer.REACHED, activated=True, connected=True)
    wire.gateway("192.168.10.1")
    return Picture(wire, Inventory(), vendors=Vendors(), began=_START)


def _note(picture: Picture, at: datetime, port: Port, data: bytes) -> None:
    try:
        if sighting := dissect(data, port=port, time=at):
            picture.note(sighting)
    except BadFrame:
        return
