"""A frame that arrived on a port, made into a fact: who spoke, on which side, saying what. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from omamori.firmware.lan import arp, dhcp, ethernet, pppoe
from omamori.firmware.lan.arp import Arp
from omamori.firmware.lan.dhcp import Dhcp
from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.ethernet import EtherType
from omamori.firmware.lan.pppoe import Pppoe
from omamori.protocol.ids import Mac
from omamori.protocol.vocabulary import Side


class Port(StrEnum):
    """The two ports by what they are meant for, whatever is plugged into them."""

    WAN = "wan"
    LAN = "lan"

    @property
    def other(self) -> "Port":
        return Port.LAN if self is Port.WAN else Port.WAN

    @property
    def side(self) -> Side:
        return Side.ROUTER if self is Port.WAN else Side.BEHIND


@dataclass(frozen=True, slots=True)
class Learned:
    """The bridge learned this station on a port; no frame was looked at."""


Said: TypeAlias = Arp | Dhcp | Pppoe | Learned


@dataclass(frozen=True, slots=True)
class Sighting:
    """One fact. `source` is the frame's own source: the device nearest to the unit that sent it."""

    time: datetime
    port: Port
    source: Mac
    said: Said
    vlans: tuple[int, ...] = ()


def dissect(data: bytes, *, port: Port, time: datetime, tag: int | None = None) -> Sighting | None:
    """A sighting, or None for a frame that says nothing to us; `tag` is a VLAN the kernel took off. Raises BadFrame."""
    frame = ethernet.parse(data)
    if not ethernet.is_station(frame.source):
        raise BadFrame(f"a frame from group address {frame.source}")
    said = _said(frame.ethertype, frame.payload)
    if said is None:
        return None
    outer = () if tag is None else (tag,)
    return Sighting(time, port, frame.source, said, outer + frame.vlans)


def _said(ethertype: int, payload: bytes) -> Said | None:
    match ethertype:
        case EtherType.ARP:
            return arp.parse(payload)
        case EtherType.IPV4:
            return dhcp.parse(payload)
        case EtherType.PPPOE_DISCOVERY | EtherType.PPPOE_SESSION:
            return pppoe.parse(payload)
        case _:
            return None
