"""What the unit is right now, read from what its processes say of themselves. Missing and odd files read as defaults."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from omamori.firmware.host import files, system
from omamori.firmware.host.paths import Paths
from omamori.protocol import ProtocolError, wire
from omamori.protocol.messages import BridgeState, Hosts, State, UpdateState, Want, decode
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase

FRESH: Final = timedelta(seconds=15)
"""The bridge writes its status every 2 s; an older one is of a bridge that is gone."""
UNKNOWN: Final = Version(0, 0, 0)
"""Where os-release does not say which firmware this is: an engineer's machine."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _BridgeStatus:
    time: datetime
    state: BridgeState
    pack: Version | None = None


@dataclass(frozen=True, slots=True)
class ByHand:
    """A version that was ordered at the unit, from a stick or a mirror, while the fleet wants what it wanted then."""

    version: Version
    generation: int
    instead_of: Version | None = None

    def holds(self, want: Want | None) -> bool:
        """Whether the fleet wants nothing else now."""
        return want is None or want.generation <= self.generation or want.firmware == self.instead_of


@dataclass(frozen=True, slots=True)
class UpdateFile:
    """`update/state.json`."""

    update: UpdateState
    pack: Version | None = None
    slot: str = ""
    healthy: bool | None = None
    by_hand: ByHand | None = None


NO_UPDATE: Final = UpdateFile(UpdateState(UpdatePhase.IDLE))


def read_want(paths: Paths) -> Want | None:
    """The newest want that was fetched."""
    try:
        return decode(Want, files.read_capped(paths.want))
    except (OSError, ProtocolError):
        return None


def read_update(paths: Paths) -> UpdateFile:
    """What the updater says."""
    return _read(UpdateFile, paths.update_state) or NO_UPDATE


def read_hosts(paths: Paths) -> Hosts | None:
    """What the LAN process says."""
    return _read(Hosts, paths.hosts)


def state(paths: Paths, *, now: datetime, reboot_at: datetime | None) -> State:
    """Everything in one message."""
    update, want = read_update(paths), read_want(paths)
    status = _read(_BridgeStatus, paths.bridge_status)
    alive = status is not None and abs(now - status.time) <= FRESH
    bridge = status.state if status is not None and alive else BridgeState()
    return State(
        time=now,
        firmware=_firmware(paths),
        slot=update.slot or _slot(paths),
        pack=(status.pack if status and alive else None) or update.pack,
        generation=want.generation if want else 0,
        update=update.update,
        bridge=bridge,
        uptime=_uptime(paths),
        booted_healthy=_healthy(update, bridge),
        reboot_at=reboot_at,
    )


def same(one: State, other: State) -> bool:
    """Whether nothing worth a message changed: times and counters alone do not."""
    return _worth(one) == _worth(other)


def _worth(state: State) -> tuple[object, ...]:
    about = (state.firmware, state.slot, state.pack, state.generation, state.update, state.booted_healthy)
    return (*about, state.reboot_at, bool(state.bridge.workers), bool(state.bridge.events_lost))


def _healthy(update: UpdateFile, bridge: BridgeState) -> bool:
    if update.healthy is not None:
        return update.healthy
    return bridge.workers > 0 and update.update.phase is not UpdatePhase.TRIAL


def _read(shape: type[T], path: Path) -> T | None:
    try:
        return wire.from_wire(shape, json.loads(files.read_capped(path)))
    except (OSError, ValueError, RecursionError, ProtocolError):
        return None


def _firmware(paths: Paths) -> Version:
    try:
        return system.firmware_version(paths)
    except (OSError, ProtocolError):
        return UNKNOWN


def _slot(paths: Paths) -> str:
    try:
        return system.running_slot(paths)
    except OSError:
        return ""


def _uptime(paths: Paths) -> float:
    try:
        return system.uptime(paths)
    except (OSError, ValueError, IndexError):
        return 0.0


def now() -> datetime:
    """The wall clock, aware."""
    return datetime.now(UTC)
