"""Which rule matches block: one table, decided by what the rule itself says (decision 0003).

`drop` and `reject` block, because their writer said so. An `alert` blocks only where it states harm and nothing in it says
that it merely informs: for a small company a false block is worse than an untold curiosity. First row that fits:

| the rule | blocks |
| --- | --- |
| action `drop` or `reject` | yes |
| message of an informing category (`ET INFO ...`, `ET HUNTING ...`, any `GPL ...`) | no |
| `signature_severity Informational`, or `confidence Low` | no |
| classtype of `HARMFUL` | yes |
| classtype of `SCANNING` | only in flows that were opened from outside |
| any other classtype, or none | no |

What does not block is told with one star. This module knows no flow, no mode and no setting.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omamori.firmware.engine.signatures import RuleHit

MALWARE_CLASSES = frozenset(("coin-mining", "command-and-control", "domain-c2", "trojan-activity"))
"""Behaviour pinned to malware."""
HARMFUL = MALWARE_CLASSES | frozenset(
    (
        "credential-theft",
        "exploit-kit",
        "attempted-admin",
        "attempted-dos",
        "attempted-user",
        "default-login-attempt",
        "denial-of-service",
        "shellcode-detect",
        "social-engineering",
        "successful-admin",
        "successful-dos",
        "successful-recon-largescale",
        "successful-recon-limited",
        "successful-user",
        "system-call-detect",
        "targeted-activity",
        "web-application-attack",
    )
)
SCANNING = frozenset(("attempted-recon", "network-scan"))
"""Unasked-for from outside it is an attack's first step; from inside it is often an inventory or a printer driver."""
HARMLESS = frozenset(
    (
        "not-suspicious",
        "policy-violation",
        "misc-activity",
        "protocol-command-decode",
        "network-event",
        "icmp-event",
        "tcp-connection",
        "unknown",
        "string-detect",
        "external-ip-check",
        "pup-activity",
    )
)
"""One star even where a `drop` rule says them."""
_INFORMING_SOURCES = frozenset(("GPL",))
"""Rules of the early 2000s without severity or confidence: many match a few bytes of any binary."""
_INFORMING = frozenset(
    (
        "CHAT",
        "DELETED",
        "GAMES",
        "HUNTING",
        "ICMP_INFO",
        "INAPPROPRIATE",
        "INFO",
        "JA3",
        "P2P",
        "POLICY",
        "RETIRED",
        "SHELLCODE",
        "TOR",
    )
)
"""Second word of an `ET` or `ETPRO` message. JA3 names a TLS library rather than a program; SHELLCODE is a few bytes anywhere."""
_EMERGING_THREATS = frozenset(("ET", "ETPRO"))


@dataclass(frozen=True, slots=True)
class Judgement:
    """`why` says in a few words which row of the table it was."""

    blocks: bool
    why: str


def judge(hit: "RuleHit", *, from_outside: bool) -> Judgement:
    """`from_outside`: the flow was opened from the router side."""
    if hit.action in ("drop", "reject"):
        return Judgement(blocks=True, why=f"the rule says {hit.action}")
    informing = _informs(hit)
    if informing:
        return Judgement(blocks=False, why=informing)
    blocks = hit.classtype in HARMFUL or (from_outside and hit.classtype in SCANNING)
    return Judgement(blocks=blocks, why=f"class {hit.classtype or 'not given'}")


def _informs(hit: "RuleHit") -> str:
    """Why this rule merely informs; empty if it does not say so."""
    source, _, rest = hit.message.partition(" ")
    category = rest.partition(" ")[0]
    if source in _INFORMING_SOURCES or (source in _EMERGING_THREATS and category in _INFORMING):
        return f"{source} {category} informs"
    if "informational" in _said(hit, "signature_severity"):
        return "severity informational"
    return "confidence low" if "low" in _said(hit, "confidence") else ""


def _said(hit: "RuleHit", key: str) -> list[str]:
    return [value.lower() for value in hit.metadata.get(key, ())]
