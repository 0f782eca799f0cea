"""Everything that changes a unit or what is wanted of it.

A claim activates a unit once. A want changes only by `raise_want`, which raises its generation by one; hints follow
from the generation, so no change can be forgotten.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from omamori.fleet.accounts.actor import Actor, must_operate
from omamori.fleet.accounts.models import Site
from omamori.fleet.accounts.operations import record
from omamori.fleet.accounts.queries import digest
from omamori.fleet.errors import Conflict, Invalid, NotAllowed
from omamori.fleet.units import queries
from omamori.fleet.units.models import Revoked, Unit, Want
from omamori.protocol import FetchingError, IdError
from omamori.protocol.fetching import Fetching, checked
from omamori.protocol.ids import UnitId, unit_id
from omamori.protocol.messages import Activation
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import ApplyWhen
from omamori.protocol.window import RebootWindow

# --- registration and activation ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate the authority signed."""

    certificate: str
    """PEM chain."""
    serial: str
    """Hex, lower case, no leading zeros: as `serial_of` gives it."""
    until: datetime


class Signer(Protocol):
    """The fleet's certificate authority, as activation needs it."""

    def sign(self, csr: str, unit: UnitId) -> Issued:
        """Raises ValueError for a request that is none, is not signed by its own key, or has a weak key."""
        ...

    def same_key(self, csr: str, certificate: str) -> bool:
        """Whether the request carries the key of that certificate. Raises ValueError for a request that is none."""
        ...


@transaction.atomic
def register(actor: Actor, key: str, site: Site, *, name: str = "", secret: str = "") -> str:
    """Make a unit known before it is shipped; gives the claim secret, which is not kept. Raises Invalid, Conflict."""
    must_operate(actor)
    key, secret = _unit_id(key), _secret(secret)
    if Unit.objects.filter(pk=key).exists():
        raise Conflict(f"unit {key} is registered already")
    now = timezone.now()
    unit = Unit.objects.create(
        id=key, site=site, name=name.strip()[:80], registered=now, claim_digest=digest(secret)
    )
    Want.objects.create(unit=unit, changed=now)
    record(actor, "unit.register", key, site=site)
    return secret


@transaction.atomic
def renew_claim(actor: Actor, key: str, *, secret: str = "") -> str:
    """Let a repaired or reset unit activate again with a new secret; its old certificate opens nothing any more."""
    must_operate(actor)
    unit, secret = _visible(actor, key), _secret(secret)
    _revoke(unit)
    unit.claim_digest, unit.activated, unit.serial, unit.certificate = digest(secret), None, "", ""
    unit.save(update_fields=["claim_digest", "activated", "serial", "certificate"])
    record(actor, "unit.renew-claim", key, site=unit.site)
    return secret


@transaction.atomic
def readmit(actor: Actor, key: str) -> None:
    """Let a unit that was reset activate again with the claim it has; its old certificate opens nothing any more."""
    must_operate(actor)
    unit = _visible(actor, key)
    _revoke(unit)
    unit.activated, unit.serial, unit.certificate = None, "", ""
    unit.save(update_fields=["activated", "serial", "certificate"])
    record(actor, "unit.readmit", key, site=unit.site)


def _revoke(unit: Unit) -> None:
    if unit.serial:
        Revoked.objects.get_or_create(serial=unit.serial, defaults={"since": timezone.now()})


@transaction.atomic
def move(actor: Actor, key: str, site: Site) -> None:
    """The unit stands at another site from now on; what it reported so far stays with the old one."""
    must_operate(actor)
    unit = _visible(actor, key)
    Unit.objects.filter(pk=unit.pk).update(site=site)
    raise_want([unit.pk], {})  # the policy of its new site
    record(actor, "unit.move", key, site=site, details={"from": unit.site_id, "to": site.pk})


@transaction.atomic
def activate(request: Activation, authority: Signer, *, now: datetime) -> str:
    """The unit's certificate chain. Raises NotAllowed (unknown unit or wrong secret), Conflict, Invalid (bad CSR).

    A repeat with the same key gets the same certificate again: the answer to the first may have been lost on the way.
    """
    unit = Unit.objects.select_for_update().filter(pk=request.unit).first()
    right = secrets.compare_digest(digest(request.secret), unit.claim_digest if unit else digest(""))
    if unit is None or not right:
        raise NotAllowed("unknown unit or wrong secret")
    try:
        return _again(unit, request, authority) if unit.activated else _first(unit, request, authority, now)
    except ValueError as error:
        raise Invalid(f"certificate request refused: {error}") from error


def _again(unit: Unit, request: Activation, authority: Signer) -> str:
    if not unit.certificate or not authority.same_key(request.csr, unit.certificate):
        raise Conflict(f"unit {unit.pk} is activated already")
    return unit.certificate


def _first(unit: Unit, request: Activation, authority: Signer, now: datetime) -> str:
    issued = authority.sign(request.csr, request.unit)
    unit.activated, unit.serial = now, serial_of(issued.serial)
    unit.certificate, unit.certificate_until = issued.certificate, issued.until
    unit.save(update_fields=["activated", "serial", "certificate", "certificate_until"])
    return issued.certificate


def serial_of(text: str) -> str:
    """The one spelling of a serial number: lower-case hex without leading zeros."""
    return text.lower().lstrip("0") or "0"


# --- what is wanted ----------------------------------------------------------------------------------------------


@transaction.atomic
def set_window(actor: Actor, key: str, window: RebootWindow) -> int:
    """The customer's choice of when the unit may reboot; gives the new generation. Raises NotFound."""
    unit = _visible(actor, key)
    chosen = {
        "timezone": window.timezone,
        "weekdays": sorted(set(window.weekdays)),
        "start": window.start,
        "end": window.end,
    }
    record(actor, "unit.window", key, site=unit.site, details=chosen)
    return raise_want([unit.pk], chosen)[unit.pk]


@transaction.atomic
def set_fetching(actor: Actor, key: str, fetching: Fetching) -> int:
    """How updates come to the unit; gives the new generation. Raises NotFound, Invalid."""
    unit = _visible(actor, key)
    try:
        chosen = asdict(checked(fetching))
    except FetchingError as error:
        raise Invalid(str(error)) from error
    record(actor, "unit.fetching", key, site=unit.site, details=chosen)
    return raise_want([unit.pk], chosen)[unit.pk]


@transaction.atomic
def apply_now(actor: Actor, key: str) -> int:
    """Let what is staged reboot the unit at once, this one time; gives the new generation. Raises NotFound.

    Who says now no longer wants it put off.
    """
    unit = _visible(actor, key)
    record(actor, "unit.apply-now", key, site=unit.site)
    return raise_want([unit.pk], {"apply": ApplyWhen.NOW.value, "postponed_until": None})[unit.pk]


@transaction.atomic
def want_versions(
    keys: list[str],
    *,
    firmware: Version | None = None,
    pack: Version | None = None,
    deadline: datetime | None = None,
) -> dict[str, int]:
    """Want these versions of these units; gives the new generations.

    A new firmware waits for its window again, put off by nobody yet, and for no longer than until its own `deadline`.
    """
    change: dict[str, object] = {}
    if firmware:
        change |= {
            "firmware": str(firmware),
            "firmware_since": timezone.now(),
            "apply": ApplyWhen.WINDOW.value,
            "postponed_until": None,
            "deadline": deadline,
        }
    if pack:
        change |= {"pack": str(pack)}
    return raise_want(keys, change)


@transaction.atomic
def raise_want(keys: list[str], change: Mapping[str, object]) -> dict[str, int]:
    """Change what is wanted of units and raise each generation by one; gives the new generations by unit."""
    generations: dict[str, int] = {}
    for start in range(0, len(keys), 500):
        some = Want.objects.filter(pk__in=keys[start : start + 500])
        some.update(**change, generation=F("generation") + 1, changed=timezone.now())
        generations |= dict(some.values_list("unit_id", "generation"))
    return generations


def _visible(actor: Actor, key: str) -> Unit:
    return queries.unit(actor, key)


def _unit_id(key: str) -> UnitId:
    try:
        return unit_id(key)
    except IdError as error:
        raise Invalid(str(error)) from error


def _secret(given: str) -> str:
    if given and len(given) < 20:
        raise Invalid("a claim secret needs 20 characters or more")
    return given or secrets.token_urlsafe(32)
