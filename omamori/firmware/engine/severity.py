"""How many stars a detection gets: one table of direction and kind, and one rule each for what kind a match is.

Stars follow the service's definition (decision 0008): only suspicious traffic that leaves makes an important alert, for then
the damage may be inside already, and only behaviour pinned to known malware makes three.

| kind | sent out by an inside host | answer to an inside host | into an inside host, or its answer |
| --- | --- | --- | --- |
| MALWARE: known malware, or much like it | three | three | one |
| ATTACK: an attack, not pinned to one malware, or aimed at a known flaw | two | one | one |
| RISK: hard to tell from ordinary traffic at first sight | one | one | one |
| INFECTED: malware in a file | three | one | one; three where the inside host hands the file out |

The kind comes from what the rule or list says of itself; a rule that is not sure of itself (`harm.py`) is a RISK.
"""

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from omamori.firmware.engine.harm import HARMLESS, MALWARE_CLASSES
from omamori.protocol.vocabulary import Guard, Severity

if TYPE_CHECKING:
    from omamori.firmware.engine.inspection import FlowFacts
    from omamori.firmware.engine.signatures import RuleHit


class Kind(Enum):
    """What a match says of the one who sent it."""

    MALWARE = auto()
    ATTACK = auto()
    RISK = auto()
    INFECTED = auto()


class Way(Enum):
    """Who opened the flow, and who sent what matched."""

    SENT = auto()
    """Opened from inside, sent by the inside host."""
    ANSWERED = auto()
    """Opened from inside, sent back to it."""
    RECEIVED = auto()
    """Opened from outside, sent to the inside host."""
    SERVED = auto()
    """Opened from outside, sent by the inside host: whoever asks may provoke it."""


TABLE: Final = {
    (Kind.MALWARE, Way.SENT): Severity.THREE,
    (Kind.MALWARE, Way.ANSWERED): Severity.THREE,
    (Kind.ATTACK, Way.SENT): Severity.TWO,
    (Kind.INFECTED, Way.SENT): Severity.THREE,
    (Kind.INFECTED, Way.SERVED): Severity.THREE,
}
"""Everything else has one star."""

_MALWARE_CATEGORIES: Final = frozenset(("COINMINER", "MALWARE", "MOBILE_MALWARE", "TROJAN", "WORM"))
"""Second word of an `ET` message: such rules are pinned to malware whatever their class."""
_ATTACK_CATEGORIES: Final = frozenset(
    (
        "ACTIVEX",
        "ADWARE_PUP",
        "DOS",
        "EXPLOIT",
        "EXPLOIT_KIT",
        "FTP",
        "PHISHING",
        "SCAN",
        "SQL",
        "WEB_CLIENT",
        "WEB_SERVER",
        "WEB_SPECIFIC_APPS",
    )
)
"""The same of rules about flaws, lures and what a user met: they often bear a class or family of malware, and show no infection."""
_SITES: Final = {
    **dict.fromkeys(("botnet", "c&c", "c2", "cc", "command-and-control"), Kind.MALWARE),
    **dict.fromkeys(("malware", "ransomware", "stalkerware"), Kind.ATTACK),
}
"""Categories of the web guard; reaching for any other listed site is a risk."""


def way(facts: "FlowFacts", *, to_server: bool) -> Way:
    """Of data that goes to the flow's server, or to its client."""
    if facts.client_inside:
        return Way.SENT if to_server else Way.ANSWERED
    return Way.RECEIVED if to_server else Way.SERVED


def grade(kind: Kind, way: Way) -> Severity:
    """By the table."""
    return TABLE.get((kind, way), Severity.ONE)


def rule_kind(hit: "RuleHit", *, harmful: bool) -> Kind:
    """`harmful` as `harm.judge` says: it knows which rules merely inform or are unsure."""
    if not harmful or hit.classtype in HARMLESS:
        return Kind.RISK
    source, _, rest = hit.message.partition(" ")
    category = rest.partition(" ")[0] if source in ("ET", "ETPRO") else ""
    if category in _ATTACK_CATEGORIES:
        return Kind.ATTACK
    pinned = hit.classtype in MALWARE_CLASSES or "malware_family" in hit.metadata
    return Kind.MALWARE if pinned or category in _MALWARE_CATEGORIES else Kind.ATTACK


def site_kind(guard: Guard, category: str) -> Kind:
    """Of a listed site, address or URL."""
    return _SITES.get(category.lower(), Kind.RISK) if guard is Guard.WG else Kind.RISK
