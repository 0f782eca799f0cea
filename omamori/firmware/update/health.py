"""What a trial is compared with: how the unit did before the restart, measured then, kept across it, judged purely.

Measuring costs a trial nothing: before the restart and after it, these are numbers that the running processes keep for
themselves. What was not known before is not judged, but for the test signature; the bounds are generous, since a version that fails is never tried again.
Hosts are judged only where the restart was ordered a moment after they were counted: a power cut takes them along.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from omamori.firmware.host import files, system
from omamori.firmware.host.paths import Paths
from omamori.firmware.update import gate
from omamori.firmware.update.world import World
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Side

LATELY: Final = timedelta(minutes=10)
"""A host that was heard within this time is there."""
SLOWER: Final = 10.0
"""Times what a packet took before; the processor of a unit that has just started has much else to do."""
SLOW: Final = 0.1
"""Seconds that are nothing to fail for, whatever it was before."""
FEW: Final = 2
"""Hosts at least: a single one may just have been switched off."""
SHARE: Final = 4
"""One in so many must be heard again: at night others fall asleep meanwhile."""
_CAP: Final = 4 * 1024 * 1024
PASSED: Final = "passed"


@dataclass(frozen=True, slots=True)
class Measured:
    """How a boot does; None or empty where it is not known."""

    self_test: str = ""
    """`passed` once the engine took the test signature out of a packet of every worker."""
    latency: float | None = None
    """Seconds that this packet took."""
    hosts: int | None = None
    """Heard behind the unit."""


@dataclass(frozen=True, slots=True)
class Before:
    """The last that was measured before `version` was tried."""

    version: Version
    time: datetime
    ordered: bool
    """The restart was ordered right then."""
    measured: Measured


def before(world: World, version: Version, *, ordered: bool) -> Before:
    """As things are now, with the hosts heard lately."""
    now = world.now()
    return Before(version, now, ordered, _measured(world.paths, now, now - LATELY))


def assumed(version: Version, now: datetime) -> Before:
    """Where what was measured is lost: whatever ran before took its test signature, or a version that stops nothing would be kept."""
    return Before(version, now, ordered=False, measured=Measured(self_test=PASSED))


def wait(
    world: World,
    patience: float,
    *,
    fleet_required: bool,
    before: Before | None,
    seen: Callable[[gate.Seen], None] = lambda _: None,
    since: datetime | None = None,
) -> str:
    """The health gate, compared with before where that is known; what is wrong in the end, empty when healthy.

    `seen` is told every look; `since`: when this version took over, where that was no start of the machine.
    """

    def look() -> gate.Seen:
        seen(found := gate.look(world.paths, world.now()))
        return found

    def compared() -> str:
        return worse(before, since_start(world.paths, world.now(), since)) if before else ""

    return gate.wait(
        look,
        world.sleep,
        fleet_required=fleet_required,
        patience=patience,
        worse=compared,
    )


def worse(before: Before, now: Measured) -> str:
    """What is worse than before, in words for the help desk; empty where nothing is."""
    earlier = before.measured
    found = _untested(earlier, now) or _slower(earlier.latency, now.latency)
    return found or (_fewer(earlier.hosts, now.hosts) if before.ordered else "")


def since_start(paths: Paths, now: datetime, since: datetime | None = None) -> Measured:
    """As things are, with the hosts heard in this boot, or `since`: a soft trial shares its boot with the version before."""
    try:
        started = now - timedelta(seconds=system.uptime(paths))
    except (OSError, ValueError, IndexError, OverflowError):
        started = now - LATELY
    if since is not None:
        started = max(started, min(since, now))
    return _measured(paths, now, started)


def _measured(paths: Paths, now: datetime, since: datetime) -> Measured:
    bridge = gate.read_bridge(paths, now)
    fresh = bridge if bridge and bridge.age <= gate.FRESH else None
    hosts = _hosts(paths, since)
    return Measured(fresh.self_test, fresh.latency, hosts) if fresh else Measured(hosts=hosts)


@dataclass(frozen=True, slots=True)
class _Host:
    side: str
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class _Hosts:
    hosts: tuple[_Host, ...]


def _hosts(paths: Paths, since: datetime) -> int | None:
    try:
        found = wire.from_wire(_Hosts, wire.load(files.read_capped(paths.hosts, cap=_CAP), cap=_CAP))
    except (OSError, ProtocolError):
        return None
    return sum(host.side == Side.BEHIND and host.last_seen >= since for host in found.hosts)


def _untested(before: Measured, now: Measured) -> str:
    """A bridge without a word for it is an older one."""
    if before.self_test != PASSED or now.self_test in {"", PASSED}:
        return ""
    return f"bridge: the test signature is not stopped any more: {now.self_test}"


def _slower(before: float | None, now: float | None) -> str:
    if before is None or now is None or now <= max(before * SLOWER, SLOW):
        return ""
    return f"bridge: a packet takes {now * 1000:.0f} ms to pass, {before * 1000:.0f} ms before the restart"


def _fewer(before: int | None, now: int | None) -> str:
    if before is None or before < FEW or (now or 0) >= max(1, before // SHARE):
        return ""
    heard = "lan says nothing" if now is None else f"{now} heard behind the unit"
    return f"hosts: {heard}, {before} before the restart"
