"""The unit surface: activation, what is wanted, and the published TUF repository. Nothing here knows people.

Answers are JSON; a refusal says only as much as its status, since who asks is not known to be a unit of ours.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_GET, require_POST

from omamori.fleet.broker.authority import Authority, open_authority
from omamori.fleet.errors import Conflict, Invalid, NotAllowed
from omamori.fleet.lan.apart import pairs_for
from omamori.fleet.policies.queries import policy_of
from omamori.fleet.support.operations import call_for
from omamori.fleet.surfaces import addresses
from omamori.fleet.surfaces.files import serve
from omamori.fleet.surfaces.limits import RateLimit, network_of
from omamori.fleet.surfaces.peer import peer_of
from omamori.fleet.units import operations, queries
from omamori.fleet.units.certificates import CertificateSigner
from omamori.protocol import WireError, wire
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Activated, Activation, encode

ACTIVATION_CAP = 16 * 1024
"""Bytes of an activation; ours have about 1,000."""


@require_POST
def activate(request: HttpRequest) -> HttpResponse:
    """`Activation` -> `Activated`; 400 not an activation, 403, 409, 413, 429 as docs/internals.md has them."""
    now = time.monotonic()
    if not _by_address().allows(network_of(str(request.META.get("REMOTE_ADDR", ""))), now):
        return _refused(429, "too many attempts from this address")
    if int(request.META.get("CONTENT_LENGTH") or 0) > ACTIVATION_CAP:
        return _refused(413, f"an activation has at most {ACTIVATION_CAP:,} bytes")
    try:
        claim = wire.from_wire(Activation, wire.load(request.read(ACTIVATION_CAP + 1), cap=ACTIVATION_CAP))
    except WireError as error:
        return _refused(400, f"not an activation: {error}")
    if not _by_unit().allows(claim.unit, now):
        return _refused(429, "too many attempts for this unit")
    return _answer(claim)


def _answer(claim: Activation) -> HttpResponse:
    now = datetime.now(UTC)
    try:
        certificate = operations.activate(claim, CertificateSigner(_authority(), now=now), now=now)
    except NotAllowed as error:
        return _refused(403, str(error))
    except Conflict as error:
        return _refused(409, str(error))
    except Invalid as error:
        return _refused(400, str(error))
    broker = addresses.broker(settings.FLEET)
    return _document(encode(Activated(certificate, broker.host, broker.port)))


@require_GET
def want(request: HttpRequest) -> HttpResponse:
    """`Want` for the unit whose present certificate the connection carries; 401 otherwise."""
    peer = peer_of(request.META)
    unit = queries.holder(peer.name, peer.serial) if peer else None
    if unit is None:
        return _refused(401, "a unit's present certificate is needed")
    now = datetime.now(UTC)
    wanted = replace(
        queries.want(UnitId(unit.pk)),
        policy=policy_of(unit, now=now),
        apart=pairs_for(unit),
        support=call_for(unit, now=now),
    )
    return _document(encode(wanted))


def tuf(request: HttpRequest, directory: str, path: str) -> HttpResponseBase:
    """The published repository: only its metadata and targets."""
    return serve(request, addresses.repository(settings.FLEET, settings.FLEET_STATE) / directory, path)


def not_found(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001 - Django passes it by name
    """No page of ours."""
    return _refused(404, "there is nothing here")


def failed(_request: HttpRequest) -> HttpResponse:
    """Our fault; details are in the log."""
    return _refused(500, "the fleet failed; try again later")


def _document(raw: bytes) -> HttpResponse:
    return HttpResponse(raw, content_type="application/json", headers={"Cache-Control": "no-store"})


def _refused(status: int, text: str) -> HttpResponse:
    return JsonResponse({"error": text}, status=status, headers={"Cache-Control": "no-store"})


@cache
def _authority() -> Authority:
    return open_authority(Path(settings.FLEET_STATE.authority))


@cache
def _by_address() -> RateLimit:
    return RateLimit(int(settings.FLEET["activations_per_minute"]))


@cache
def _by_unit() -> RateLimit:
    return RateLimit(int(settings.FLEET["activations_per_minute"]))
