"""What was heard on the network against an address that somebody wants to give the unit, and the proposal made from it. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Final

from omamori.firmware.host.settings import Fixed
from omamori.firmware.page.situation import Situation
from omamori.protocol.messages import Host
from omamori.protocol.vocabulary import Side, WiringCode

_PROPOSED: Final = re.compile(r"proposed: ([0-9.]{7,15})/(\d{1,2})(?:, gateway ([0-9.]{7,15}))?")


class Doubt(StrEnum):
    """What speaks against it; somebody who knows better may insist."""

    TAKEN = "taken"
    """A device was heard with this address."""
    STRANGE = "strange"
    """Devices were heard, none of them in this network."""
    GATEWAY_INSIDE = "gateway-inside"
    """A device behind the unit has the gateway's address: the router ought to be on the other side."""


@dataclass(frozen=True, slots=True)
class Doubted:
    """A doubt, and the device it is about."""

    doubt: Doubt
    about: str = ""


def doubts(fixed: Fixed, situation: Situation) -> tuple[Doubted, ...]:
    """None where nothing was heard."""
    return tuple(_doubts(fixed, list(_heard(situation))))


def proposal(situation: Situation) -> dict[str, str]:
    """What the diagnosis proposes, by the form's names; empty where it proposes nothing."""
    facts = (f for each in situation.findings if each.code is WiringCode.NO_ADDRESS for f in each.evidence)
    for fact in facts:
        if found := _PROPOSED.match(fact):
            return {"address": found[1], "mask": "255.255.255.0", "gateway": found[3] or "", "mode": "fixed"}
    return {}


def _heard(situation: Situation) -> Iterator[tuple[IPv4Address, Host]]:
    """Each device with the IPv4 address it held last."""
    for host in situation.hosts:
        held = [each for each in host.addresses if ":" not in each.address]
        newest = max(held, key=lambda each: each.last_seen, default=None)
        if newest and (address := _address(newest.address)):
            yield address, host


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _doubts(fixed: Fixed, heard: list[tuple[IPv4Address, Host]]) -> Iterator[Doubted]:
    network = fixed.interface.network
    inside = [(address, host) for address, host in heard if address in network]
    for address, host in inside:
        if address == fixed.interface.ip:
            yield Doubted(Doubt.TAKEN, host.name or host.vendor or host.mac)
        if address == fixed.gateway and host.side is Side.BEHIND:
            yield Doubted(Doubt.GATEWAY_INSIDE, host.name or host.vendor or host.mac)
    if heard and not inside:
        yield Doubted(Doubt.STRANGE, str(heard[0][0]))
