"""Everything that changes what guards do: the operator's alone, each with its audit record, and bounded for each unit.

Every change raises the wants of the units it is for in the same transaction, so that they fetch it within seconds. An exception
that ends by its time needs no message: the unit knows when.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from omamori.fleet.accounts.actor import Actor, must_operate
from omamori.fleet.accounts.models import Site
from omamori.fleet.accounts.operations import record
from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.policies import queries
from omamori.fleet.policies.models import Exemption, Standing
from omamori.fleet.units.models import Unit
from omamori.fleet.units.operations import raise_want
from omamori.fleet.units.queries import unit as visible_unit
from omamori.protocol import IdError, PolicyError
from omamori.protocol import policy as wire
from omamori.protocol.ids import mac

LONGEST: Final = timedelta(days=366)
"""What should pass for longer is a rule to be mended, not an exception."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where something holds: at one unit, or (without a unit) at every unit of a site, also later ones."""

    site: Site
    unit: Unit | None = None

    def units(self) -> list[str]:
        """Those it is for now."""
        return [self.unit.pk] if self.unit else list(self.site.units.values_list("pk", flat=True))

    def __str__(self) -> str:
        return self.unit.pk if self.unit else f"site {self.site.pk}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What an exception is about; all that is set must fit, and something is set."""

    host: str = ""
    rule: str = ""
    destination: str = ""


def scope(actor: Actor, *, unit: str = "", site: int | None = None) -> Scope:
    """The unit or the site, one of the two. Raises NotFound, Invalid."""
    if bool(unit) == (site is not None):
        raise Invalid("name a unit or a site, one of the two")
    if unit:
        found = visible_unit(actor, unit)
        return Scope(found.site, found)
    return Scope(visible_site(actor, site if site is not None else 0))


# --- exceptions --------------------------------------------------------------------------------------------------


@transaction.atomic
def add(
    actor: Actor, where: Scope, criteria: Criteria, *, lasts: timedelta, reason: str, now: datetime
) -> Exemption:
    """Let matches that fit pass for so long. Raises NotAllowed, Invalid, Conflict when there are too many."""
    must_operate(actor)
    kept = _kept(criteria)
    if not timedelta(0) < lasts <= LONGEST:
        raise Invalid(f"an exception lasts up to {LONGEST.days} days, not {lasts}")
    _locked(where.site)
    _bounded(where, now)
    made = Exemption.objects.create(
        site=where.site,
        unit=where.unit,
        host=kept.host,
        rule=kept.rule,
        destination=kept.destination,
        created=now,
        created_by=str(actor)[:160],
        reason=_reason(reason),
        until=now + lasts,
    )
    details = {"for": str(where), "until": made.until.isoformat(), "reason": made.reason}
    details |= {name: value for name, value in _named(kept) if value}
    record(actor, "exception.add", made.pk, site=where.site, details=details)
    raise_want(where.units(), {})
    return made


@transaction.atomic
def end(actor: Actor, key: int, *, reason: str, now: datetime) -> Exemption:
    """From now on it does not hold. Raises NotFound, NotAllowed, Invalid, Conflict where it ended before."""
    must_operate(actor)
    found = queries.exemption(actor, key)
    _locked(found.site)
    found.refresh_from_db()
    if not found.active(now):
        raise Conflict(f"{found} has ended already")
    found.ended, found.ended_by = now, str(actor)[:160]
    found.save(update_fields=["ended", "ended_by"])
    record(actor, "exception.end", found.pk, site=found.site, details={"reason": _reason(reason)})
    raise_want(Scope(found.site, found.unit).units(), {})
    return found


def _kept(criteria: Criteria) -> Criteria:
    """In their one spelling."""
    try:
        kept = Criteria(
            host=mac(criteria.host.strip()) if criteria.host.strip() else "",
            rule=wire.rule(criteria.rule) if criteria.rule.strip() else "",
            destination=wire.destination(criteria.destination) if criteria.destination.strip() else "",
        )
    except (PolicyError, IdError) as error:
        raise Invalid(str(error)) from error
    if kept == Criteria():
        raise Invalid("an exception names a host, a rule or a destination")
    return kept


def _named(criteria: Criteria) -> Iterable[tuple[str, str]]:
    return (("host", criteria.host), ("rule", criteria.rule), ("destination", criteria.destination))


def _bounded(where: Scope, now: datetime) -> None:
    """No unit gets more than fit its message; what is for the site counts for each."""
    held = Exemption.objects.filter(site=where.site, until__gt=now, ended__isnull=True)
    of_site = held.filter(unit__isnull=True).count()
    most = max((held.filter(unit=key).count() for key in where.units()), default=0)
    if of_site + most >= wire.MAX_EXEMPTIONS:
        raise Conflict(f"{where} has {wire.MAX_EXEMPTIONS} exceptions already; end one first")


# --- what holds until it is changed ------------------------------------------------------------------------------


@transaction.atomic
def block_categories(actor: Actor, where: Scope, names: Iterable[str], *, blocked: bool) -> list[str]:
    """Block these categories of the URL filter and the application guard, or no longer; gives all that are blocked here."""
    must_operate(actor)
    try:
        chosen = {wire.category(name) for name in names}
    except PolicyError as error:
        raise Invalid(str(error)) from error
    row = _standing(where)
    before = set(row.blocked_categories)
    after = sorted(before | chosen if blocked else before - chosen)
    if len(after) > wire.MAX_CATEGORIES // 2:
        raise Conflict(
            f"{where} would block {len(after)} categories; {wire.MAX_CATEGORIES // 2} are possible"
        )
    row.blocked_categories = after
    row.save(update_fields=["blocked_categories"])
    _changed(actor, where, "policy.categories", {"blocked": after})
    return after


@transaction.atomic
def respond(actor: Actor, where: Scope, subject: str, response: str, *, reason: str) -> None:
    """What a guard or a rule does here; an empty response takes that back. Raises Invalid, Conflict."""
    must_operate(actor)
    try:
        change = wire.change(subject, response or "log")
    except PolicyError as error:
        raise Invalid(str(error)) from error
    row = _standing(where)
    row.changes.pop(change.subject, None)
    if response:
        row.changes[change.subject] = change.response
    if len(row.changes) > wire.MAX_CHANGES // 2:
        raise Conflict(f"{where} has {wire.MAX_CHANGES // 2} changed responses already")
    row.save(update_fields=["changes"])
    details = {"subject": change.subject, "response": response or "default", "reason": _reason(reason)}
    _changed(actor, where, "policy.respond", details)


@transaction.atomic
def set_trial(actor: Actor, where: Scope, days: int) -> None:
    """A rule younger than so many days is told only. Raises Invalid."""
    must_operate(actor)
    if not 0 <= days <= wire.MAX_TRIAL_DAYS:
        raise Invalid(f"a trial lasts 0 to {wire.MAX_TRIAL_DAYS} days, not {days}")
    row = _standing(where)
    row.trial_days = days
    row.save(update_fields=["trial_days"])
    _changed(actor, where, "policy.trial", {"days": days})


def _standing(where: Scope) -> Standing:
    _locked(where.site)
    found, _ = Standing.objects.get_or_create(site=where.site, unit=where.unit)
    return found


def _changed(actor: Actor, where: Scope, operation: str, details: Mapping[str, object]) -> None:
    record(actor, operation, where, site=where.site, details=details)
    raise_want(where.units(), {})


def _locked(site: Site) -> None:
    """Changes at one site come one after another, so that its bounds hold."""
    Site.objects.select_for_update().get(pk=site.pk)


def _reason(text: str) -> str:
    cleaned = " ".join(text.split())
    if not cleaned:
        raise Invalid("say why: it is kept for the audit")
    return cleaned[:400]
