"""Detections into the database, each once; called by ingest inside its transaction."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from omamori.fleet.detections.models import Detection
from omamori.fleet.ingest.fitting import fitted, moment, port
from omamori.fleet.lan.coverage import SHARED
from omamori.fleet.lan.models import Host
from omamori.fleet.lan.queries import LEASE_SLACK, holder
from omamori.fleet.units.models import Unit
from omamori.protocol import messages
from omamori.protocol.vocabulary import Direction


def keep(unit: Unit, said: Iterable[tuple[str, int, messages.Detection]], *, received: datetime) -> None:
    """Store detections under their (boot, sequence); one that is there already stays as it is."""
    rows = [_row(unit, boot, sequence, detection, received) for boot, sequence, detection in said]
    Detection.objects.bulk_create(rows, ignore_conflicts=True, batch_size=200)


def name_host(host: Host) -> None:
    """A host, an address or the name of it was first reported after detections about it: let them point to it."""
    nameless = Detection.objects.filter(unit=host.unit_id, site=host.site_id, host=None)
    nameless.filter(host_mac=host.mac).update(host=host)
    for held in host.addresses.all():
        near = Q(time__gte=held.first_seen - LEASE_SLACK, time__lte=held.last_seen + LEASE_SLACK)
        inside = Q(source_address=held.address) & ~Q(direction=Direction.INBOUND)
        inside |= Q(destination_address=held.address) & ~Q(direction=Direction.OUTBOUND)
        nameless.filter(near, inside, host_mac="").update(
            host=host, host_mac=host.mac, host_name=host.name, host_shared=host.shared >= SHARED
        )
    if host.name:
        Detection.objects.filter(host=host, host_name="").update(host_name=host.name)


def host_of(unit: Unit, detection: messages.Detection) -> Host | None:
    """The host the unit named, else the one that held an inside address at that time."""
    if detection.host:
        return Host.objects.filter(unit=unit, site=unit.site_id, mac=detection.host).first()
    held = (
        holder(unit.pk, unit.site_id, fitted(address, 45), moment(detection.time))
        for address in inside(detection)
    )
    return next((host for host in held if host), None)


def inside(detection: messages.Detection) -> tuple[str, ...]:
    """The addresses that may be a LAN host's; the sender first where both are inside."""
    match detection.direction:
        case Direction.OUTBOUND:
            return (detection.source.address,)
        case Direction.INBOUND:
            return (detection.destination.address,)
        case Direction.INTERNAL:
            return (detection.source.address, detection.destination.address)


def _shares(seen: messages.Detection, host: Host | None) -> bool:
    """Whether the fleet found a host by its address through which several devices speak; else the unit has judged that."""
    return seen.host is None and host is not None and host.shared >= SHARED


def _row(unit: Unit, boot: str, sequence: int, seen: messages.Detection, received: datetime) -> Detection:
    host = host_of(unit, seen)
    return Detection(
        unit=unit,
        site_id=unit.site_id,
        boot=boot,
        sequence=sequence,
        received=received,
        alert=seen.id,
        time=moment(seen.time),
        guard=seen.guard.value,
        direction=seen.direction.value,
        severity=seen.severity.value,
        signature_id=fitted(seen.signature_id, 80),
        signature=fitted(seen.signature, 300),
        action=seen.action.value,
        reason=fitted(seen.reason, 1000),
        protocol=fitted(seen.protocol, 16),
        source_address=fitted(seen.source.address, 45),
        source_port=port(seen.source.port),
        destination_address=fitted(seen.destination.address, 45),
        destination_port=port(seen.destination.port),
        category=fitted(seen.category, 120),
        detail=fitted(seen.detail, 2000),
        host=host,
        host_mac=seen.host or (host.mac if host else ""),
        host_name=fitted(seen.host_name, 120) or (host.name if host else ""),
        host_shared=seen.host_shared or _shares(seen, host),
    )
