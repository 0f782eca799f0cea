"""What units say of themselves: state and presence, applied in the order it was said; called by ingest."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from omamori.fleet.ingest.fitting import INTEGER_CAP, clamp, counted, fitted, moment
from omamori.fleet.units.models import Boot, Unit, Want
from omamori.protocol.messages import Reason, State
from omamori.protocol.reasons import LONGEST, MOST

_YEAR = 366 * 86400.0
COUNTERS = ("workers", "packets", "blocked", "neutralised", "bypassed", "events_lost")
REASONS = ("dropped", "uninspected", "unfollowed")
REPORTED = (
    "state_boot", "state_sequence", "state_time", "firmware", "slot", "pack", "generation", "update_phase",
    "update_error", "update_version", "update_changed", "reboot_at", "uptime", "booted_healthy", "reasons", *COUNTERS,
)  # fmt: skip
"""The columns a state report writes, and nothing else does."""


def comes_after(unit: Unit, key: tuple[str, int], than: tuple[str, int]) -> bool:
    """Whether a report with this (boot, sequence) was made after that one; boots follow in the order heard of."""
    if key[0] == than[0]:
        return key[1] > than[1]
    order = dict(Boot.objects.filter(unit=unit, boot__in=[key[0], than[0]]).values_list("boot", "pk"))
    return order.get(key[0], INTEGER_CAP) > order.get(than[0], -1)


def hear(unit: Unit, boots: Iterable[str], *, at: datetime) -> None:
    """Remember the order in which boots are first heard of."""
    for boot in boots:
        Boot.objects.get_or_create(unit=unit, boot=boot, defaults={"first_heard": at})


def take_state(unit: Unit, boot: str, sequence: int, state: State) -> bool:
    """Make this the unit's state; False where a newer one was applied before."""
    if not comes_after(unit, (boot, sequence), (unit.state_boot, unit.state_sequence)):
        return False
    unit.state_boot, unit.state_sequence, unit.state_time = boot, sequence, moment(state.time)
    unit.firmware, unit.slot = str(state.firmware), fitted(state.slot, 8)
    unit.pack = str(state.pack) if state.pack else ""
    unit.generation = counted(state.generation)
    unit.update_phase, unit.update_error = state.update.phase.value, fitted(state.update.error, 400)
    unit.update_version = str(state.update.version) if state.update.version else ""
    unit.update_changed, unit.reboot_at = _moment(state.update.changed), _moment(state.reboot_at)
    unit.uptime, unit.booted_healthy = clamp(state.uptime, 0.0, 100 * _YEAR), state.booted_healthy
    for counter in COUNTERS:
        setattr(unit, counter, counted(getattr(state.bridge, counter)))
    unit.reasons = {kind: _by_reason(getattr(state.bridge, kind)) for kind in REASONS}
    unit.save(update_fields=REPORTED)
    Want.objects.filter(pk=unit.pk).update(taken=unit.generation)
    return True


def present(key: str, *, online: bool, at: datetime) -> None:
    """Presence by birth and will; the time of a change is that of the change, not of its repetition."""
    found = Unit.objects.filter(pk=key)
    found.exclude(online=online).update(online=online, presence_changed=at)
    if online:
        found.update(last_seen=at)


def _by_reason(told: Sequence[Reason]) -> dict[str, int]:
    """The first ones, in text that fits any database: a newer unit's words are kept, a hostile one's flood is not."""
    return {fitted(each.reason, LONGEST): counted(each.count) for each in told[:MOST]}


def _moment(value: datetime | None) -> datetime | None:
    return moment(value) if value else None
