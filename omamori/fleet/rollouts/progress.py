"""Where a unit stands in a rollout, decided purely from its report.

Done is only: a slot that booted and passed its health gate runs that firmware and calls it committed, or the unit
says that pack is loaded. A failure counts from the generation on that asked for it, so that the failure of an
earlier attempt does not fail a later one.
"""

from dataclasses import dataclass

from omamori.fleet.rollouts.models import Kind, Outcome, Release
from omamori.protocol.messages import State
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase


@dataclass(frozen=True, slots=True)
class Found:
    """An outcome and, where it failed, why."""

    outcome: Outcome
    reason: str = ""


_ON_THE_WAY = {
    UpdatePhase.DOWNLOADING: Outcome.DOWNLOADING,
    UpdatePhase.STAGED: Outcome.STAGED,
    UpdatePhase.TRIAL: Outcome.TRIAL,
}


def outcome(before: str, release: Release, generation: int, state: State) -> Found:
    """The outcome after `state`, which the unit reported while `before` was so and `generation` asked for it."""
    if before == Outcome.PLANNED or state.generation < generation:
        return Found(Outcome(before))
    wanted = Version.parse(release.version)
    if release.kind == Kind.PACK:
        return _pack(wanted, state)
    return _firmware(wanted, state)


def _pack(wanted: Version, state: State) -> Found:
    if state.pack == wanted:
        return Found(Outcome.DONE)
    if refused_pack(wanted, state.update.error):
        return Found(Outcome.FAILED, state.update.error)
    return _failure_or_taken(wanted, state)


def refused_pack(wanted: Version, error: str) -> bool:
    """Whether a unit says that it will not use this pack: what the updater writes (docs/internals.md, Update)."""
    return error.startswith(
        (f"pack: the bridge did not take {wanted}:", f"withdrawn: {wanted} was withdrawn")
    )


def _firmware(wanted: Version, state: State) -> Found:
    settled = state.update.phase is UpdatePhase.COMMITTED and state.update.version == wanted
    never_updated = state.update.phase is UpdatePhase.IDLE
    if state.firmware == wanted and state.booted_healthy and (settled or never_updated):
        return Found(Outcome.DONE)
    return _failure_or_taken(wanted, state)


def _failure_or_taken(wanted: Version, state: State) -> Found:
    update = state.update
    if update.version != wanted:
        return Found(Outcome.TAKEN)
    if update.phase is UpdatePhase.FAILED:
        return Found(Outcome.FAILED, _own(update.error) or "the unit gave no reason")
    return Found(_ON_THE_WAY.get(update.phase, Outcome.TAKEN))


def _own(error: str) -> str:
    """Of the firmware: what a unit says of its pack stands before it."""
    of_pack = error.startswith(("pack: ", "withdrawn: "))
    return (error.partition("; ")[2] if of_pack else "") or error
