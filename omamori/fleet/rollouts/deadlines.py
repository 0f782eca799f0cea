"""The security deadline of a firmware's rollout: by then its units restart into it, whatever their customers chose.

Only the operator sets one, never so close that customers are surprised at work, and takes it back the same way.
"""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from omamori.fleet.accounts.actor import Actor, must_operate
from omamori.fleet.accounts.operations import record
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.rollouts import queries
from omamori.fleet.rollouts.models import FINAL, Kind, Outcome, Release, Rollout
from omamori.fleet.units.operations import raise_want

NOTICE: Final = timedelta(hours=1)
"""The least time that units and their customers get."""
FARTHEST: Final = timedelta(days=366)
"""What lies beyond is a slip of the pen."""


def require_usable(release: Release, deadline: datetime | None, now: datetime) -> None:
    """Raises Invalid for a deadline that is too close, or of a pack."""
    if deadline is None:
        return
    if release.kind != Kind.FIRMWARE:
        raise Invalid("a pack is in force within minutes: only a firmware has a deadline")
    if not now + NOTICE <= deadline <= now + FARTHEST:
        raise Invalid(
            f"a deadline needs at least {NOTICE.total_seconds() / 60:.0f} minutes of notice and is within a year, not"
            f" {deadline.isoformat()}"
        )


@transaction.atomic
def set_deadline(actor: Actor, rollout: Rollout, deadline: datetime | None, *, now: datetime) -> Rollout:
    """Set, move or (None) take back a deadline; units that were asked and have no outcome yet learn of it.

    Raises NotAllowed, Invalid, Conflict for a rollout in which nothing is open any more.
    """
    must_operate(actor)
    rollout = queries.rollouts(actor).select_for_update(of=("self",)).get(pk=rollout.pk)
    require_usable(rollout.release, deadline, now)
    open_ones = rollout.members.exclude(outcome__in=FINAL)
    if not open_ones.exists():
        raise Conflict(f"{rollout} has no unit left that waits for it")
    rollout.deadline = deadline
    rollout.save(update_fields=["deadline"])
    told = deadline.isoformat() if deadline else ""
    record(actor, "rollout.deadline", rollout.pk, details={"deadline": told})
    asked = open_ones.exclude(outcome=Outcome.PLANNED)
    raise_want(list(asked.values_list("unit_id", flat=True)), {"deadline": deadline})
    return rollout
