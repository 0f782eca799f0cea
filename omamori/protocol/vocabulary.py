"""The product's words as enums. The values are what travels and what is stored; texts for people live with the pages."""

from enum import IntEnum, StrEnum


class Guard(StrEnum):
    """The five protections."""

    IPS = "ips"
    AV = "av"
    WG = "wg"
    UF = "uf"
    APG = "apg"


class Direction(StrEnum):
    """Whose traffic it was: who opened the flow, seen from the LAN."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Action(StrEnum):
    """What was done about a detection."""

    LOGGED = "logged"
    BLOCKED = "blocked"
    NEUTRALISED = "neutralised"


class SupportPhase(StrEnum):
    """What became of a support key on the unit."""

    OPENED = "opened"
    ENTERED = "entered"
    """A helper's key was accepted: a session began."""
    LEFT = "left"
    CLOSED = "closed"
    REFUSED = "refused"


class Severity(IntEnum):
    """One star to three; only outbound suspicious traffic reaches two and three."""

    ONE = 1
    TWO = 2
    THREE = 3


class Side(StrEnum):
    """Where a host was seen."""

    BEHIND = "behind"
    ROUTER = "router"


class WiringCode(StrEnum):
    """Findings of the wiring diagnosis; one table of codes for LEDs, pages and help desk."""

    OK = "OK"
    PPPOE_UPSTREAM = "PPPOE_UPSTREAM"
    NO_HOSTS_BEHIND = "NO_HOSTS_BEHIND"
    PORTS_SWAPPED = "PORTS_SWAPPED"
    HOSTS_BYPASS = "HOSTS_BYPASS"
    BOTH_PORTS_SAME_SWITCH = "BOTH_PORTS_SAME_SWITCH"
    WAN_CABLE_MISSING = "WAN_CABLE_MISSING"
    LAN_CABLE_MISSING = "LAN_CABLE_MISSING"
    NO_ADDRESS = "NO_ADDRESS"
    ADDRESS_CONFLICT = "ADDRESS_CONFLICT"
    NO_INTERNET = "NO_INTERNET"
    CAPTIVE_OR_PROXY = "CAPTIVE_OR_PROXY"
    DOUBLE_NAT = "DOUBLE_NAT"
    NAT_BEHIND = "NAT_BEHIND"
    PUBLIC_ADDRESS_INSIDE = "PUBLIC_ADDRESS_INSIDE"
    SLOW_LINK = "SLOW_LINK"
    VLAN_ONLY = "VLAN_ONLY"
    ROGUE_DHCP = "ROGUE_DHCP"
    CLOCK_WRONG = "CLOCK_WRONG"
    FLEET_UNREACHABLE = "FLEET_UNREACHABLE"
    SILENT = "SILENT"


class UpdatePhase(StrEnum):
    """Where an update is. Only a booted, healthy slot reports COMMITTED."""

    IDLE = "idle"
    DOWNLOADING = "downloading"
    STAGED = "staged"
    TRIAL = "trial"
    COMMITTED = "committed"
    FAILED = "failed"


class ApplyWhen(StrEnum):
    """When a staged firmware may reboot the unit."""

    WINDOW = "window"
    NOW = "now"
