"""A frame that arrived on a port, made into a fact: who spoke, on which side, saying what. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from omamori.firmware.lan import (
    arp,
    dhcp,
    dhcp6,
    ethernet,
    internet,
    mdns,
    ndp,
    netbios,
    ntp,
    pppoe,
    segment,
    ssdp,
)
from omamori.firmware.lan.arp import Arp
from omamori.firmware.lan.client import Client
from omamori.firmware.lan.dhcp import Dhcp
from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.ethernet import EtherType
from omamori.firmware.lan.hint import Hint
from omamori.firmware.lan.internet import ICMP6, TCP, UDP, Packet
from omamori.firmware.lan.ndp import Neighbour
from omamori.firmware.lan.ntp import TimeSignal
from omamori.firmware.lan.pppoe import Pppoe
from omamori.firmware.lan.segment import Opening
from omamori.protocol.ids import Mac

_WSD: Final = 3702


class Port(StrEnum):
    """The two ports by what they are meant for, whatever is plugged into them."""

    WAN = "wan"
    LAN = "lan"

    @property
    def other(self) -> "Port":
        return Port.LAN if self is Port.WAN else Port.WAN


@dataclass(frozen=True, slots=True)
class Learned:
    """The bridge learned this station on a port; no frame was looked at."""


@dataclass(frozen=True, slots=True)
class Passing:
    """An ordinary packet from one address to another, sampled."""

    source: internet.Address
    destination: internet.Address
    hops: int


Said: TypeAlias = Arp | Dhcp | Pppoe | Neighbour | Hint | Opening | Passing | TimeSignal | Learned | Client


@dataclass(frozen=True, slots=True)
class Sighting:
    """One fact. `source` is the frame's own source: the device nearest to the unit that sent it."""

    time: datetime
    port: Port
    source: Mac
    said: Said
    vlans: tuple[int, ...] = ()
    target: Mac = ethernet.BROADCAST
    """The frame's destination."""


def dissect(data: bytes, *, port: Port, time: datetime, tag: int | None = None) -> Sighting | None:
    """A sighting, or None for a frame that says nothing to us; `tag` is a VLAN the kernel took off. Raises BadFrame."""
    frame = ethernet.parse(data)
    if not ethernet.is_station(frame.source):
        raise BadFrame(f"a frame from group address {frame.source}")
    said = _said(frame.ethertype, frame.payload)
    if said is None:
        return None
    outer = () if tag is None else (tag,)
    return Sighting(time, port, frame.source, said, outer + frame.vlans, frame.destination)


def _said(ethertype: int, payload: bytes) -> Said | None:
    match ethertype:
        case EtherType.ARP:
            return arp.parse(payload)
        case EtherType.IPV4 | EtherType.IPV6:
            return _packet(payload)
        case EtherType.PPPOE_DISCOVERY | EtherType.PPPOE_SESSION:
            return pppoe.parse(payload)
        case _:
            return None


def _packet(payload: bytes) -> Said | None:
    packet = internet.parse(payload)
    match packet.protocol:
        case protocol if protocol == UDP:
            return _datagram(payload, packet)
        case protocol if protocol == TCP:
            return segment.parse(packet) or _passing(packet)
        case protocol if protocol == ICMP6:
            return ndp.parse(packet) or _passing(packet)
        case _:
            return _passing(packet)


def _datagram(payload: bytes, packet: Packet) -> Said | None:
    source, target = packet.ports
    if {source, target} <= {67, 68} and source:
        return dhcp.parse(payload)
    if source == ntp.PORT and (signal := ntp.parse(packet.source, packet.datagram)):
        return signal
    return _hint(packet, source, target) or _passing(packet)


def _hint(packet: Packet, source: int, target: int) -> Hint | None:
    """What a name or service protocol says; the port says which."""
    sender, data = packet.source, packet.datagram
    if source == mdns.PORT:
        return mdns.parse(sender, data)
    if source == mdns.LLMNR_PORT:
        return mdns.parse_llmnr(sender, data)
    match target:
        case netbios.NAME_PORT:
            return netbios.parse_name_service(sender, data)
        case netbios.DATAGRAM_PORT:
            return netbios.parse_datagram(sender, data)
        case _ if ssdp.PORT in {source, target}:
            return ssdp.parse(sender, data)
        case _ if _WSD in {source, target}:
            return _announcement(sender, data)
        case 547:
            return dhcp6.parse(sender, data)
        case _:
            return None


def _announcement(sender: internet.Address, data: bytes) -> Hint | None:
    """WS-Discovery; loaded with the first of it, nobody waits for what printers say."""
    from omamori.firmware.lan import wsd

    return wsd.parse(sender, data)


def _passing(packet: Packet) -> Passing | None:
    """None for what is addressed to a group: it says nothing of where traffic goes."""
    if packet.destination.is_multicast or packet.destination.packed[-4:] == b"\xff" * 4:
        return None
    return Passing(packet.source, packet.destination, packet.hops)
