"""Hosts and wiring as units report them; called by ingest inside its transaction."""

from collections.abc import Iterable
from datetime import datetime

from omamori.fleet.ingest.fitting import clamp, fitted, moment
from omamori.fleet.lan.models import Finding, Host, HostAddress, Wiring
from omamori.fleet.units.models import Unit
from omamori.fleet.units.reports import comes_after
from omamori.protocol import messages

ADDRESSES_CAP = 200
"""Addresses kept of one host: the newest."""
FINDINGS_CAP = 20
EVIDENCE_CAP = 20
REASONS_CAP = 20


def remember(unit: Unit, hosts: Iterable[messages.Host]) -> list[Host]:
    """Make or refresh hosts; sighting times only ever widen, so a report may come twice or late.

    Gives those that are new, have another name or hold a new address.
    """
    new = []
    for reported in hosts:
        host, changed = _host(unit, reported)
        held = [_hold(host, lease) for lease in reported.addresses[-ADDRESSES_CAP:]]
        if changed or any(held):
            new.append(host)
    return new


def _host(unit: Unit, reported: messages.Host) -> tuple[Host, bool]:
    """The row, and whether it is new or has another name."""
    host, made = Host.objects.get_or_create(
        unit=unit,
        site_id=unit.site_id,
        mac=reported.mac,
        defaults={
            "side": reported.side.value,
            "first_seen": moment(reported.first_seen),
            "last_seen": moment(reported.last_seen),
        },
    )
    if made:
        _as_described(host)
    newer, before = made or moment(reported.last_seen) >= host.last_seen, host.name
    host.first_seen = min(host.first_seen, moment(reported.first_seen))
    host.last_seen = max(host.last_seen, moment(reported.last_seen))
    if newer:
        _describe(host, reported)
    host.save()
    return host, made or host.name != before


def _as_described(host: Host) -> None:
    """What the customer said of a device holds for each unit of the site."""
    there = Host.objects.filter(site=host.site_id, mac=host.mac).exclude(given_name="", ownership="")
    if known := there.first():
        host.given_name, host.ownership = known.given_name, known.ownership


def _describe(host: Host, reported: messages.Host) -> None:
    """What the unit thinks of it now."""
    host.side = reported.side.value
    host.name, host.name_source = fitted(reported.name, 120), fitted(reported.name_source, 16)
    host.vendor = fitted(reported.vendor, 120)
    host.kind, host.system = fitted(reported.kind, 24), fitted(reported.system, 80)
    host.device, host.device_reason = reported.device or "", fitted(reported.device_reason, 16)
    host.shared = clamp(reported.shared, 0.0, 1.0)
    host.shared_reasons = [fitted(reason, 300) for reason in reported.shared_reasons[:REASONS_CAP]]


def _hold(host: Host, lease: messages.HostAddress) -> bool:
    """Whether this holding is new."""
    held, made = HostAddress.objects.get_or_create(
        host=host,
        address=fitted(lease.address, 45),
        first_seen=moment(lease.first_seen),
        defaults={"last_seen": moment(lease.last_seen)},
    )
    if not made and moment(lease.last_seen) > held.last_seen:
        held.last_seen = moment(lease.last_seen)
        held.save(update_fields=["last_seen"])
    return made


def diagnose(unit: Unit, boot: str, sequence: int, report: messages.Wiring, *, received: datetime) -> None:
    """Keep a diagnosis once; it is the unit's present one unless a newer one was kept before."""
    present = Wiring.objects.filter(unit=unit, current=True).first()
    wiring, made = Wiring.objects.get_or_create(
        unit=unit,
        boot=boot,
        sequence=sequence,
        defaults={"site_id": unit.site_id, "time": moment(report.time), "received": received},
    )
    if not made:
        return
    Finding.objects.bulk_create(
        _finding(wiring, *ranked) for ranked in enumerate(report.findings[:FINDINGS_CAP])
    )
    if present is None or comes_after(unit, (boot, sequence), (present.boot, present.sequence)):
        Wiring.objects.filter(unit=unit, current=True).update(current=False)
        Wiring.objects.filter(pk=wiring.pk).update(current=True)


def _finding(wiring: Wiring, rank: int, found: messages.Finding) -> Finding:
    evidence = [fitted(fact, 300) for fact in found.evidence[:EVIDENCE_CAP]]
    confidence = clamp(found.confidence, 0.0, 1.0)
    return Finding(
        wiring=wiring,
        rank=rank,
        code=found.code.value,
        confidence=confidence,
        since=moment(found.since),
        evidence=evidence,
    )
