"""What a topology consists of, as plain data, and each fault and correct variant as a change to the ordinary office.

The ordinary office: a router with DHCP and DNS on a line to the internet, the unit, a hub with three PCs that browse. Faults are
functions from plan to plan, so that two of them can be mixed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from omamori.protocol.vocabulary import WiringCode as Code


@dataclass(frozen=True, slots=True)
class Pc:
    """A host with a network stack of its own."""

    name: str
    does: str = "browse"
    """What its worker does: browse, chatter, announce, idle."""
    hub: str = "office"
    """Which hub it is plugged into: office, home (the router's), hidden (behind the NAT access point)."""
    address: str = ""
    """A fixed address, or DHCP."""
    windows: bool = False
    """TCP as Windows opens it: TTL 128, no time stamps."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is built."""

    pcs: tuple[Pc, ...] = (Pc("keiri-pc"), Pc("eigyo-pc", windows=True), Pc("kikaku-pc"))
    wan_hub: str = "home"
    """Where the unit's WAN cable ends: home (the router's ports), office (the hub), or nowhere at all (empty)."""
    lan_hub: str = "office"
    slow_lan: bool = False
    dhcp: bool = True
    ipv6_only: bool = False
    internet: bool = True
    captive: bool = False
    double_nat: bool = False
    rogue: bool = False
    nat_access_point: bool = False
    pppoe: bool = False
    tagged: bool = False
    """Tagged frames pass in both directions."""
    untagged: bool = True
    """Router and PCs speak without tags, too."""
    phone: bool = False
    """An IP phone in the office hub: LLDP and a voice VLAN."""
    crowd: int = 0
    """So many more hosts, idle but for their answers."""
    public_server: bool = False
    fleet: bool = True
    clock_shift: int = 0
    """Seconds that the rest of the world is ahead of the unit."""


def _pcs(plan: Plan, **change: str) -> Plan:
    return replace(plan, pcs=tuple(replace(pc, **change) for pc in plan.pcs))  # type: ignore[arg-type] # all text


def _with(plan: Plan, *pcs: Pc) -> Plan:
    return replace(plan, pcs=(*plan.pcs, *pcs))


def _no_address(plan: Plan) -> Plan:
    fixed = tuple(replace(pc, address=pc.address or f"192.168.10.{20 + n}") for n, pc in enumerate(plan.pcs))
    return replace(plan, dhcp=False, pcs=fixed)


def _conflict(plan: Plan) -> Plan:
    twins = (Pc("copy-1", "idle", address="192.168.10.60"), Pc("copy-2", "idle", address="192.168.10.60"))
    return _with(plan, *twins)


def _nat_behind(plan: Plan) -> Plan:
    hidden = (Pc("phone-1", hub="hidden"), Pc("laptop-2", hub="hidden", windows=True))
    return replace(_with(plan, *hidden), nat_access_point=True)


FAULTS: Final[Mapping[Code, Callable[[Plan], Plan]]] = {
    Code.BOTH_PORTS_SAME_SWITCH: lambda plan: replace(_pcs(plan, hub="home"), wan_hub="home", lan_hub="home"),
    Code.WAN_CABLE_MISSING: lambda plan: replace(plan, wan_hub=""),
    Code.LAN_CABLE_MISSING: lambda plan: replace(plan, lan_hub=""),
    Code.PPPOE_UPSTREAM: lambda plan: replace(plan, pppoe=True, pcs=()),
    Code.PORTS_SWAPPED: lambda plan: replace(plan, wan_hub="office", lan_hub="home"),
    Code.VLAN_ONLY: lambda plan: replace(_pcs(plan, does="idle"), tagged=True, untagged=False),
    Code.ROGUE_DHCP: lambda plan: replace(plan, rogue=True),
    Code.ADDRESS_CONFLICT: _conflict,
    Code.NO_HOSTS_BEHIND: lambda plan: replace(plan, pcs=()),
    Code.HOSTS_BYPASS: lambda plan: _with(plan, Pc("sumaho", hub="home"), Pc("tablet", hub="home")),
    Code.NO_ADDRESS: _no_address,
    Code.CLOCK_WRONG: lambda plan: replace(plan, clock_shift=3 * 3600),
    Code.CAPTIVE_OR_PROXY: lambda plan: replace(plan, captive=True),
    Code.NO_INTERNET: lambda plan: replace(plan, internet=False),
    Code.FLEET_UNREACHABLE: lambda plan: replace(plan, fleet=False),
    Code.NAT_BEHIND: _nat_behind,
    Code.SILENT: lambda plan: _pcs(plan, does="chatter"),
    Code.PUBLIC_ADDRESS_INSIDE: lambda plan: replace(plan, public_server=True),
    Code.DOUBLE_NAT: lambda plan: replace(plan, double_nat=True),
    Code.SLOW_LINK: lambda plan: replace(plan, slow_lan=True),
}

VARIANTS: Final[Mapping[str, Callable[[Plan], Plan]]] = {
    "ordinary": lambda plan: plan,
    "fixed addresses": lambda plan: replace(_no_address(plan), dhcp=True),
    "IPv6 only": lambda plan: replace(plan, ipv6_only=True),
    "VLAN passing": lambda plan: replace(plan, tagged=True),
    "IP phone": lambda plan: replace(plan, phone=True),
    "NAS": lambda plan: _with(plan, Pc("nas", "announce")),
    "100 hosts": lambda plan: replace(plan, crowd=100),
    "idle weekend": lambda plan: _pcs(plan, does="idle"),
}
"""Correctly wired offices."""

MIXTURES: Final[tuple[tuple[Code, Code], ...]] = (
    (Code.PORTS_SWAPPED, Code.NO_INTERNET),
    (Code.PORTS_SWAPPED, Code.ADDRESS_CONFLICT),
    (Code.PORTS_SWAPPED, Code.DOUBLE_NAT),
    (Code.PORTS_SWAPPED, Code.NAT_BEHIND),
    (Code.BOTH_PORTS_SAME_SWITCH, Code.NO_INTERNET),
    (Code.LAN_CABLE_MISSING, Code.DOUBLE_NAT),
    (Code.LAN_CABLE_MISSING, Code.FLEET_UNREACHABLE),
    (Code.ROGUE_DHCP, Code.DOUBLE_NAT),
    (Code.ROGUE_DHCP, Code.HOSTS_BYPASS),
    (Code.ADDRESS_CONFLICT, Code.CAPTIVE_OR_PROXY),
    (Code.ADDRESS_CONFLICT, Code.NO_ADDRESS),
    (Code.HOSTS_BYPASS, Code.NAT_BEHIND),
    (Code.HOSTS_BYPASS, Code.NO_INTERNET),
    (Code.HOSTS_BYPASS, Code.PUBLIC_ADDRESS_INSIDE),
    (Code.NO_HOSTS_BEHIND, Code.DOUBLE_NAT),
    (Code.NO_HOSTS_BEHIND, Code.FLEET_UNREACHABLE),
    (Code.CLOCK_WRONG, Code.NAT_BEHIND),
    (Code.FLEET_UNREACHABLE, Code.NAT_BEHIND),
    (Code.DOUBLE_NAT, Code.SLOW_LINK),
    (Code.SLOW_LINK, Code.NO_INTERNET),
)
"""Two faults at once; the one that stands earlier in the table of codes is the root."""
