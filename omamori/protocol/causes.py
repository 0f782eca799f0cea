"""The order of causes: of two wiring codes told together the earlier is the root. Apart from the texts, which few processes need."""

from typing import Final

from omamori.protocol.vocabulary import WiringCode

CAUSES: Final = (
    WiringCode.BOTH_PORTS_SAME_SWITCH,
    WiringCode.WAN_CABLE_MISSING,
    WiringCode.LAN_CABLE_MISSING,
    WiringCode.PPPOE_UPSTREAM,
    WiringCode.PORTS_SWAPPED,
    WiringCode.VLAN_ONLY,
    WiringCode.ROGUE_DHCP,
    WiringCode.ADDRESS_CONFLICT,
    WiringCode.NO_HOSTS_BEHIND,
    WiringCode.HOSTS_BYPASS,
    WiringCode.NO_ADDRESS,
    WiringCode.CLOCK_WRONG,
    WiringCode.CAPTIVE_OR_PROXY,
    WiringCode.NO_INTERNET,
    WiringCode.FLEET_UNREACHABLE,
    WiringCode.NAT_BEHIND,
    WiringCode.SILENT,
    WiringCode.PUBLIC_ADDRESS_INSIDE,
    WiringCode.DOUBLE_NAT,
    WiringCode.SLOW_LINK,
    WiringCode.OK,
)
"""Root causes before their consequences; `OK` last."""
