"""Is the unit wired right: observations in, findings out, root cause first. Pure: the same picture, the same verdict.

Rules stand by what they look at: `cabling` (links, loops), `place` (between which devices), `addressing` (who holds and gives
addresses), `reaching` (what lies beyond the router). Each is a function of the picture alone, so a finding clears as soon as the
picture does. The order of causes is `omamori.protocol.causes`; what a cause explains is not told
beside it (`CONSEQUENCES`). Confidence grows with evidence and with time.

Swapped ports are healed: once that verdict is sure, every other rule reads the picture with the ports' parts exchanged, and
`inside` says which port the hosts are behind.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from omamori.firmware.lan.diagnosis import addressing, cabling, place, reaching
from omamori.firmware.lan.diagnosis.patience import PATIENCE, Patience
from omamori.firmware.lan.observations import Observations
from omamori.firmware.lan.sighting import Port
from omamori.protocol.causes import CAUSES
from omamori.protocol.messages import Finding
from omamori.protocol.vocabulary import WiringCode

__all__ = ["PATIENCE", "Patience", "diagnose", "inside"]

SURE: Final = 0.6
"""From this confidence on swapped ports are exchanged in software."""

Rule: TypeAlias = Callable[[Observations, Patience], Finding | None]

RULES: Final[tuple[Rule, ...]] = (
    cabling.same_switch,
    cabling.wan_missing,
    cabling.lan_missing,
    place.pppoe_upstream,
    cabling.vlan_only,
    addressing.rogue_dhcp,
    addressing.conflict,
    place.no_hosts,
    place.bypass,
    addressing.no_address,
    reaching.clock_wrong,
    reaching.captive,
    reaching.no_internet,
    reaching.fleet_unreachable,
    place.hidden_hosts,
    place.silent,
    addressing.public_inside,
    reaching.double_nat,
    cabling.slow_link,
)

_BEYOND: Final = frozenset(
    {
        WiringCode.NO_INTERNET,
        WiringCode.CAPTIVE_OR_PROXY,
        WiringCode.FLEET_UNREACHABLE,
        WiringCode.DOUBLE_NAT,
    }
)
_PLACES: Final = frozenset({WiringCode.NO_HOSTS_BEHIND, WiringCode.HOSTS_BYPASS, WiringCode.SILENT})

CONSEQUENCES: Final[Mapping[WiringCode, frozenset[WiringCode]]] = {
    WiringCode.BOTH_PORTS_SAME_SWITCH: _PLACES
    | {
        WiringCode.PORTS_SWAPPED,
        WiringCode.ROGUE_DHCP,
        WiringCode.ADDRESS_CONFLICT,
        WiringCode.NAT_BEHIND,
        WiringCode.PUBLIC_ADDRESS_INSIDE,
    },
    WiringCode.WAN_CABLE_MISSING: _BEYOND
    | {WiringCode.NO_ADDRESS, WiringCode.SILENT, WiringCode.PORTS_SWAPPED},
    WiringCode.LAN_CABLE_MISSING: frozenset(
        {WiringCode.NO_HOSTS_BEHIND, WiringCode.SILENT, WiringCode.HOSTS_BYPASS}
    ),
    WiringCode.PPPOE_UPSTREAM: _BEYOND
    | _PLACES
    | {WiringCode.NO_ADDRESS, WiringCode.PORTS_SWAPPED, WiringCode.VLAN_ONLY},
    WiringCode.VLAN_ONLY: _BEYOND | _PLACES | {WiringCode.NO_ADDRESS},
    WiringCode.ROGUE_DHCP: frozenset({WiringCode.NO_INTERNET, WiringCode.FLEET_UNREACHABLE}),
    WiringCode.NO_HOSTS_BEHIND: frozenset({WiringCode.SILENT}),
    WiringCode.NO_ADDRESS: _BEYOND,
    WiringCode.CLOCK_WRONG: frozenset({WiringCode.FLEET_UNREACHABLE, WiringCode.CAPTIVE_OR_PROXY}),
    WiringCode.CAPTIVE_OR_PROXY: frozenset({WiringCode.NO_INTERNET, WiringCode.FLEET_UNREACHABLE}),
    WiringCode.NO_INTERNET: frozenset({WiringCode.FLEET_UNREACHABLE}),
}
"""What follows from a cause by itself, and is not told beside it."""

_RANK: Final = {code: rank for rank, code in enumerate(CAUSES)}


def diagnose(seen: Observations, *, patience: Patience = PATIENCE) -> tuple[Finding, ...]:
    """Findings, root cause first; never empty, `OK` only alone."""
    swapped = place.swapped(seen, patience)
    healed = swapped is not None and swapped.confidence >= SURE
    view = seen.exchanged() if healed else seen
    found = [finding for rule in RULES if (finding := rule(view, patience))]
    if swapped:
        found.append(swapped)
    causes = _causes(found, unhealed=swapped is not None and not healed)
    return tuple(causes) or (place.well(view),)


def inside(findings: Iterable[Finding]) -> Port:
    """The port that the hosts are behind."""
    healed = any(each.code is WiringCode.PORTS_SWAPPED and each.confidence >= SURE for each in findings)
    return Port.WAN if healed else Port.LAN


def _causes(found: list[Finding], *, unhealed: bool) -> list[Finding]:
    """In the order of causes, without what an earlier one explains."""
    ordered = sorted(found, key=lambda finding: _RANK[finding.code])
    explained = set(_PLACES) if unhealed else set()
    causes = []
    for finding in ordered:
        if finding.code not in explained:
            causes.append(finding)
            explained |= CONSEQUENCES.get(finding.code, frozenset())
    return causes
