"""When a wanted firmware may restart its unit: what a customer may choose, and until when it may be put off.

The way (in the window, or when power returns) stays until it is changed. "Now" and a postponement are about one
firmware and end with it; the newest choice counts. Nothing is put off beyond `limit`, and the security deadline of a
rollout is the operator's alone (rollouts/deadlines.py).
"""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.operations import record
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.units import queries
from omamori.fleet.units.models import Unit, Want
from omamori.fleet.units.operations import raise_want
from omamori.protocol.vocabulary import ApplyWhen, UpdatePhase

POSTPONE_MOST: Final = timedelta(days=30)
"""From the day on which a firmware was first wanted; a deadline may come before."""


def pending(unit: Unit) -> bool:
    """Whether a firmware is on its way to the unit that it neither runs nor has refused."""
    want = unit.want
    failed = unit.update_phase == UpdatePhase.FAILED and unit.update_version == want.firmware
    return bool(want.firmware) and want.firmware != unit.firmware and not failed


def limit(want: Want) -> datetime | None:
    """The last moment until which the wanted firmware can be put off; None where none is wanted."""
    if not want.firmware or want.firmware_since is None:
        return None
    latest = want.firmware_since + POSTPONE_MOST
    return min(latest, want.deadline) if want.deadline else latest


def waits_for(want: Want, now: datetime) -> str:
    """What a staged firmware waits for: `now`, `power cycle`, `postponement` or `window`; a deadline ends all of them."""
    if want.apply == ApplyWhen.NOW:
        return "now"
    if want.at_power_cycle:
        return "power cycle"
    return "postponement" if want.postponed_until and want.postponed_until > now else "window"


@transaction.atomic
def postpone(actor: Actor, key: str, until: datetime, *, now: datetime) -> int:
    """No restart into the wanted firmware before `until`; gives the new generation.

    Raises NotFound, Conflict where nothing can be put off (any more), Invalid for a moment that is past or beyond the limit.
    """
    unit = queries.unit(actor, key)
    latest = limit(unit.want)
    if latest is None or not pending(unit):
        raise Conflict(f"no update of {key} waits: there is nothing to postpone")
    if latest <= now:
        raise Conflict(f"this update cannot be postponed any longer: its last day was {latest:%Y-%m-%d}")
    if not now < until <= latest:
        raise Invalid(f"an update can be postponed to a moment from now to {latest.isoformat()}")
    details = {"firmware": unit.want.firmware, "until": until.isoformat()}
    record(actor, "unit.postpone", key, site=unit.site, details=details)
    return raise_want([unit.pk], {"postponed_until": until, "apply": ApplyWhen.WINDOW.value})[unit.pk]


@transaction.atomic
def resume(actor: Actor, key: str) -> int:
    """It is put off no longer; gives the new generation. Raises NotFound."""
    unit = queries.unit(actor, key)
    record(actor, "unit.resume", key, site=unit.site)
    return raise_want([unit.pk], {"postponed_until": None})[unit.pk]


@transaction.atomic
def choose_way(actor: Actor, key: str, *, at_power_cycle: bool) -> int:
    """Restart by itself in the window, or only when somebody takes the power away and gives it back. Raises NotFound."""
    unit = queries.unit(actor, key)
    record(actor, "unit.way", key, site=unit.site, details={"at_power_cycle": at_power_cycle})
    change = {"at_power_cycle": at_power_cycle, "apply": ApplyWhen.WINDOW.value}
    return raise_want([unit.pk], change)[unit.pk]
