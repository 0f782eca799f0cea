"""A capture through the engine: what it detects, and which packets it would stop. No root, no network."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips.rule import Group, RuleAction
from omamori.firmware.engine.ips.ruleset import RuleSet
from omamori.firmware.engine.ips.spans import AddressSet, Resolver, Variables
from omamori.firmware.engine.journal import Sighting
from omamori.firmware.engine.packet import Packet, parse
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.engine.verdict import Block, Drop, Rewrite, Suspect
from omamori.firmware.signatures.capture import Frame, read_capture
from omamori.firmware.signatures.tuning import Tuned

_MAX_DROPS = 10_000


@dataclass(frozen=True, slots=True)
class Dropped:
    """A packet that would have been stopped."""

    packet: Packet
    time: float
    reason: str
    whole: bool
    """The rest of its flow, too."""


@dataclass(slots=True)
class Outcome:
    """What came of a replay."""

    packets: int = 0
    """IP packets given to the engine."""
    skipped: int = 0
    """Frames without an IP packet."""
    dropped: int = 0
    rewritten: int = 0
    first: float = 0.0
    last: float = 0.0
    sightings: list[Sighting] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    """Why packets were dropped -> how many."""
    drops: list[Dropped] = field(default_factory=list)
    """The first `_MAX_DROPS` of them."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to replay."""

    variables: Variables = field(default_factory=Variables)
    """HOME_NET of these is the inside."""
    prevent: bool = False
    """Drop rules drop (alert rules tell only); otherwise everything is told only."""
    settings: Settings = field(default_factory=Settings)
    actions: bool = True
    """Tell alert rules from drop rules; without, no rule is read that nothing asks for."""


def replay(
    path: Path, signatures: Signatures, options: Options, *, progress: Callable[[int], None] | None = None
) -> Outcome:
    """Raises CaptureError, OSError; what came before the error is lost."""
    return replay_frames(read_capture(path), signatures, options, progress=progress)


def replay_frames(
    frames: Iterable[Frame],
    signatures: Signatures,
    options: Options,
    *,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """As `replay`, from frames."""
    engine = Engine(signatures, _settings(signatures, options))
    inside = Resolver(options.variables).addresses(options.variables.groups.get("HOME_NET", Group()))
    outcome = Outcome()
    tick = 0.0
    for frame in frames:
        if frame.packet is None:
            outcome.skipped += 1
            continue
        outcome.first = outcome.first or frame.time
        outcome.last = max(outcome.last, frame.time)
        if frame.time - tick >= 1:
            engine.tick(frame.time)
            tick = frame.time
        _one(engine, frame.packet, frame.time, inside, outcome)
        outcome.sightings.extend(engine.take_sightings())
        if progress and outcome.packets % 10_000 == 0:
            progress(outcome.packets)
    engine.flush(outcome.last)
    outcome.sightings.extend(engine.take_sightings())
    return outcome


def _settings(signatures: Signatures, options: Options) -> Settings:
    told_only: frozenset[int] = frozenset()
    rules = signatures.rules
    if options.actions and isinstance(rules, RuleSet | Tuned):
        told_only = rules.sids(RuleAction.ALERT)
    mode = Mode.PREVENT if options.prevent else Mode.OBSERVE
    return replace(
        options.settings,
        mode=mode,
        repeat=True,
        state_rules_drop=True,
        logged_rules=told_only,
        checksums=False,  # a capture made at a sender, or by hand, has them wrong
    )


def _one(engine: Engine, packet: bytes, now: float, inside: AddressSet, outcome: Outcome) -> None:
    outcome.packets += 1
    from_inside = _source(packet) in inside
    verdict = engine.packet(packet, now=now, from_inside=from_inside)
    if isinstance(verdict, Suspect):
        verdict = engine.packet(packet, now=now, from_inside=from_inside, rewriting=True)
    if isinstance(verdict, Block | Drop):
        outcome.dropped += 1
        outcome.reasons[verdict.reason] = outcome.reasons.get(verdict.reason, 0) + 1
        if len(outcome.drops) < _MAX_DROPS:
            outcome.drops.append(Dropped(parse(packet), now, verdict.reason, isinstance(verdict, Block)))
    outcome.rewritten += isinstance(verdict, Rewrite)


def _source(packet: bytes) -> bytes:
    return packet[12:16] if packet[0] >> 4 == 4 else packet[8:24]
