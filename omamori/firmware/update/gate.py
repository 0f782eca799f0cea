"""The health gate: is this boot fit to be kept? Facts are read at the edge, `judge` decides on them.

Healthy means: the bridge's workers are alive with a pack loaded, both ports belong to the kernel bridge and those with
a cable forward, and the fleet is reached unless the unit is not activated or could not reach it before the trial either.
What is compared with numbers of before the restart is in health.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.messages import BridgeState
from omamori.protocol.version import Version

FRESH = 15.0
"""Seconds; the bridge writes its status every two."""
PORTS = ("wan0", "lan0")
_KEY_LOST = "key lost"
"""The agent's phase where the unit was active and its key does not open any more (decision 0036)."""
_FORWARDING = "3"
"""`BR_STATE_FORWARDING` (include/uapi/linux/if_bridge.h)."""


@dataclass(frozen=True, slots=True)
class BridgeSeen:
    """The bridge's status; `age` in seconds."""

    age: float
    workers: int
    pack: Version | None
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why each pack that it does not use is no use, by version."""
    self_test: str = ""
    latency: float | None = None
    """Seconds that the self-test's packet took; see `bridge/selftest.py`."""


@dataclass(frozen=True, slots=True)
class PortSeen:
    """A port's state in the kernel bridge; empty where it is no port of one."""

    name: str
    state: str
    carrier: bool


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """The agent's status."""

    activated: bool
    connected: bool
    lost: bool = False
    """It was active, and its key does not open."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All facts of one look; None for a process that has said nothing."""

    bridge: BridgeSeen | None
    ports: tuple[PortSeen, ...]
    agent: AgentSeen | None


def judge(seen: Seen, *, fleet_required: bool) -> str:
    """What is wrong, in words for the help desk; empty when healthy."""
    return _bridge(seen.bridge) or _ports(seen.ports) or (_agent(seen.agent) if fleet_required else "")


def guards(seen: Seen) -> bool:
    """Whether the bridge inspects, whatever else is not yet as it should be."""
    return not _bridge(seen.bridge)


def wait(
    look: Callable[[], Seen],
    sleep: Callable[[float], None],
    *,
    fleet_required: bool,
    patience: float,
    worse: Callable[[], str] = lambda: "",
) -> str:
    """Look once a second until healthy, `patience` seconds at most; the last finding, empty when healthy.

    `worse` compares with an earlier boot; it is asked once nothing else is wrong.
    """
    wrong = ""
    for _ in range(max(1, int(patience))):
        wrong = judge(look(), fleet_required=fleet_required) or worse()
        if not wrong:
            return ""
        sleep(1.0)
    return wrong


def look(paths: Paths, now: datetime) -> Seen:
    """Read the facts; what cannot be read counts as not said."""
    ports = tuple(_read_port(paths.root / "sys/class/net" / name) for name in PORTS)
    return Seen(read_bridge(paths, now), ports, read_agent(paths))


@dataclass(frozen=True, slots=True)
class _BridgeStatus:
    time: datetime
    state: BridgeState
    pack: Version | None = None
    refused: dict[str, str] = field(default_factory=dict)
    self_test: str = ""
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class _AgentStatus:
    activated: bool = False
    connected: bool = False
    phase: str = ""


def read_bridge(paths: Paths, now: datetime) -> BridgeSeen | None:
    """The bridge's status file, or None."""
    try:
        status = wire.from_wire(_BridgeStatus, wire.load(files.read_capped(paths.bridge_status)))
    except (OSError, ProtocolError):
        return None
    age = abs((now - status.time).total_seconds())
    return BridgeSeen(
        age, status.state.workers, status.pack, status.refused, status.self_test, status.latency
    )


def reached(paths: Paths) -> bool:
    """Whether the agent has the fleet now."""
    agent = read_agent(paths)
    return agent is not None and agent.connected


def read_agent(paths: Paths) -> AgentSeen | None:
    """The agent's status file, or None."""
    try:
        status = wire.from_wire(_AgentStatus, wire.load(files.read_capped(paths.agent_status)))
    except (OSError, ProtocolError):
        return None
    return AgentSeen(status.activated, status.connected, lost=status.phase == _KEY_LOST)


def _read_port(device: Path) -> PortSeen:
    return PortSeen(device.name, _word(device / "brport/state"), _word(device / "carrier") == "1")


def _word(path: Path) -> str:
    try:
        return files.read_capped(path, cap=64).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _bridge(seen: BridgeSeen | None) -> str:
    if seen is None:
        return "bridge: says nothing"
    if seen.age > FRESH:
        return f"bridge: last heard of {seen.age:.0f} s ago"
    if seen.workers < 1:
        return "bridge: no worker is alive"
    return "" if seen.pack is not None else "bridge: no signature pack is loaded"


def _ports(ports: tuple[PortSeen, ...]) -> str:
    for port in ports:
        if not port.state:
            return f"port {port.name}: not in the bridge"
        if port.carrier and port.state != _FORWARDING:
            return f"port {port.name}: does not forward (state {port.state})"
    return ""


def _agent(seen: AgentSeen | None) -> str:
    if seen is None:
        return "agent: says nothing"
    if seen.lost:
        return "agent: the unit's key does not open"
    return "agent: does not reach the fleet" if seen.activated and not seen.connected else ""
