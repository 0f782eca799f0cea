"""Rows and cards that pages show: database rows put beside their words. Reads only what it is given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils.translation import get_language

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.detections import queries as detections
from omamori.fleet.detections.models import Detection
from omamori.fleet.lan import queries as lan
from omamori.fleet.lan.coverage import SHARED
from omamori.fleet.lan.models import Finding, Host, Wiring
from omamori.fleet.portal import words
from omamori.fleet.portal.status import Facts, Status, status
from omamori.fleet.units.models import Unit
from omamori.protocol.codes import facts
from omamori.protocol.vocabulary import Direction, Severity, Side, WiringCode

URGENT_FOR = timedelta(days=7)
"""How long a three-star detection stays at the top."""


PRIVATE = "(private address)"
"""What units report as the vendor of a MAC address that software made up."""


def maker(host: Host) -> str:
    """The device's vendor, where it has one."""
    return "" if host.vendor == PRIVATE else host.vendor


@dataclass(frozen=True, slots=True)
class UnitCard:
    """A unit with what matters first."""

    unit: Unit
    status: Status
    findings: tuple[Finding, ...]
    urgent: int

    @property
    def verdict(self) -> words.Wiring | None:
        """The root cause, or that all is well; None before the first diagnosis."""
        return words.wiring(self.findings[0].code) if self.findings else None

    @property
    def wired_well(self) -> bool:
        return all(finding.code == WiringCode.OK for finding in self.findings)


def unit_cards(actor: Actor, units: Iterable[Unit], *, now: datetime) -> list[UnitCard]:
    """Cards in the order given."""
    listed = list(units)
    keys = [unit.pk for unit in listed]
    wirings = {row.unit_id: row for row in lan.wiring(actor).filter(unit_id__in=keys)}
    urgent = _urgent(actor, keys, now - URGENT_FOR)
    return [_card(unit, wirings.get(unit.pk), urgent.get(unit.pk, 0)) for unit in listed]


def _card(unit: Unit, wiring: Wiring | None, urgent: int) -> UnitCard:
    findings = tuple(wiring.findings.all()) if wiring else ()
    facts = Facts(
        activated=unit.activated is not None,
        online=unit.online,
        inspecting=unit.workers > 0,
        wiring=[finding.code for finding in findings],
        urgent=urgent,
    )
    return UnitCard(unit, status(facts), findings, urgent)


def _urgent(actor: Actor, keys: list[str], since: datetime) -> Mapping[str, int]:
    found = detections.detections(actor, detections.Filter(severity=Severity.THREE, since=since))
    counted = found.filter(unit_id__in=keys).order_by().values("unit_id").annotate(count=Count("pk"))
    return {row["unit_id"]: row["count"] for row in counted}


@dataclass(frozen=True, slots=True)
class DetectionRow:
    """A detection in plain words."""

    row: Detection

    @property
    def severity(self) -> words.Words:
        return words.SEVERITIES.get(self.row.severity) or words.Words(str(self.row.severity))

    @property
    def stars(self) -> str:
        filled = max(0, min(self.row.severity, 3))
        return "★" * filled + "☆" * (3 - filled)

    @property
    def guard(self) -> words.Words:
        return words.words(words.GUARDS, self.row.guard)

    @property
    def action(self) -> words.Words:
        return words.words(words.ACTIONS, self.row.action)

    @property
    def happened(self) -> words.Text:
        return words.happened(self.row.guard, self.row.direction)

    @property
    def host(self) -> str:
        """The device inside: the customer's name for it, the one it was told with, its present one, its maker, or nothing."""
        given = self.row.host.given_name if self.row.host else ""
        named = given or self.row.host_name or (self.row.host.name if self.row.host else "")
        return named or (maker(self.row.host) if self.row.host else "")

    @property
    def steps(self) -> tuple[words.Text, ...]:
        """What to do; nothing where nothing is urgent."""
        return words.STEPS.get(self.row.severity, ())

    @property
    def inside(self) -> str:
        """The address inside."""
        outbound = self.row.direction != Direction.INBOUND
        return self.row.source_address if outbound else self.row.destination_address

    @property
    def outside(self) -> str:
        """The other end, with its port where it is the one that was called."""
        if self.row.direction == Direction.INBOUND:
            return self.row.source_address
        port = self.row.destination_port
        return self.row.destination_address if port is None else f"{self.row.destination_address} : {port}"


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host with its side in words."""

    row: Host

    @property
    def side(self) -> words.Words:
        return words.words(words.SIDES, self.row.side)

    @property
    def behind(self) -> bool:
        return self.row.side == Side.BEHIND

    @property
    def kind(self) -> words.Text:
        """What it seems to be; a word newer than the table as it is."""
        return words.DEVICES.get(self.row.kind, self.row.kind)

    @property
    def source(self) -> words.Text:
        return words.SOURCES.get(self.row.name_source, self.row.name_source)

    @property
    def shares(self) -> int | None:
        """How likely several devices speak through it, in percent; None where that is not worth telling."""
        return round(self.row.shared * 100) if self.row.shared >= SHARED else None

    @property
    def maker(self) -> str:
        return maker(self.row)

    @property
    def address_is_private(self) -> bool:
        """Its MAC was made up by software, as phones do: there is no maker to know."""
        return self.row.vendor == PRIVATE

    @property
    def reasons(self) -> list[str]:
        """Why several devices seem to speak through it, in the reader's language."""
        return [facts.reason(text, get_language() or "en") for text in self.row.shared_reasons]

    @property
    def addresses(self) -> list[str]:
        """Newest first, at most four."""
        held = sorted(self.row.addresses.all(), key=lambda lease: lease.last_seen, reverse=True)
        return list(dict.fromkeys(lease.address for lease in held))[:4]


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A verdict of the diagnosis with its words."""

    row: Finding

    @property
    def words(self) -> words.Wiring:
        return words.wiring(self.row.code)

    @property
    def ok(self) -> bool:
        return self.row.code == WiringCode.OK

    @property
    def percent(self) -> int:
        return round(self.row.confidence * 100)

    @property
    def evidence(self) -> list[str]:
        """What it was read from, in the reader's language."""
        return [facts.told(fact, get_language() or "en") for fact in self.row.evidence]
