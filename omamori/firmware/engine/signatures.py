"""What the engine looks for, as one frozen object that can be exchanged while flows live.

The engine owns these shapes; the compiler and the pack fill them. A flow keeps no reference to signatures, apart from an
antivirus scan that has begun, which ends with the patterns it began with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from omamori.firmware.engine.addresses import AddressTable
from omamori.firmware.engine.antivirus import NO_ANTIVIRUS, Antivirus
from omamori.firmware.engine.domains import DomainTable
from omamori.firmware.engine.hashed import HashTable
from omamori.firmware.engine.inspection import Inspection
from omamori.firmware.engine.urls import UrlTable
from omamori.protocol.vocabulary import Guard

MAIL_TEXT = "mail.text"
"""Among what is needed, where some signature is meant for mails as they travel."""


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A rule that matched. One with `noalert` sets flowbits and is returned only if it drops or rejects."""

    sid: int
    gid: int
    rev: int
    message: str
    classtype: str = ""
    priority: int = 3
    """Suricata's severity: 1 is the worst."""
    action: str = "alert"
    """`alert`, `drop`, `reject` or `pass`, as the rule says; what is done is decided by `harm.py` and the settings."""
    metadata: Mapping[str, Sequence[str]] = field(default_factory=dict, hash=False)
    told: bool = True
    """False: it stops the packet, but says nothing (`noalert`, or past its threshold)."""
    rated: bool = False
    """It does what it does because it came too often, not because its rule says so."""
    packet_only: bool = False
    """It speaks of one packet: `pass`, `drop` and `reject` hold for that one, not for the rest of the flow."""
    keeps_state: bool = False
    """It says nothing and is there to set a flowbit or the like for others."""


class Rules(Protocol):
    """A compiled rule set."""

    @property
    def needs(self) -> frozenset[str]:
        """Names of the buffers that some rule looks at (`payload`, `stream`, `http.uri`, ...); others are not built."""
        ...

    def evaluate(self, inspection: Inspection) -> Sequence[RuleHit]:
        """The rules that match at this moment. May change `inspection.flow.flowbits` and `flowints`, nothing else."""
        ...


class NoRules:
    """An empty rule set."""

    needs: frozenset[str] = frozenset()

    def evaluate(self, inspection: Inspection) -> Sequence[RuleHit]:  # noqa: ARG002 - the interface's
        return ()


@dataclass(frozen=True, slots=True)
class Signatures:
    """Everything that can match. The default matches nothing."""

    rules: Rules = field(default_factory=NoRules)
    domains: Mapping[Guard, DomainTable] = field(default_factory=dict)
    """For WG, UF and APG: domain -> category (or application)."""
    antivirus: Antivirus = NO_ANTIVIRUS
    version: str = ""
    passwords: HashTable | None = None
    """Weak and default credentials, as `passwords.key` writes them."""
    urls: Mapping[Guard, UrlTable] = field(default_factory=dict)
    addresses: Mapping[Guard, AddressTable] = field(default_factory=dict)

    @property
    def needs(self) -> frozenset[str]:
        """Names of what must be made of the traffic, for rules and the antivirus."""
        return self.rules.needs | {MAIL_TEXT} if self.antivirus.for_mails else self.rules.needs
