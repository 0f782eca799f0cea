"""What the unit's processes say of themselves, read for one answer. A file that is missing or broken reads as *not known yet*."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from omamori.firmware.host import files, notice
from omamori.firmware.host.notice import Notice
from omamori.firmware.host.paths import Paths
from omamori.protocol.errors import ProtocolError
from omamori.protocol.messages import Finding, Host, Hosts, Wiring
from omamori.protocol.vocabulary import Side, WiringCode
from omamori.protocol.wire import from_wire

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Agent:
    """The part of `agent/status.json` that the page shows."""

    unit: str = ""
    phase: str = ""
    problem: str = ""
    activated: bool = False
    connected: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything one page is made from."""

    findings: tuple[Finding, ...] = ()
    """Root cause first; empty while there is no diagnosis yet."""
    hosts: tuple[Host, ...] = ()
    agent: Agent | None = None
    """None while the agent has said nothing."""
    has_radio: bool = False
    helper: Notice | None = None
    """None while nobody from outside may look at the unit."""

    @property
    def root(self) -> WiringCode | None:
        return self.findings[0].code if self.findings else None

    def has(self, *codes: WiringCode) -> bool:
        """Whether one of these is among the findings."""
        return any(finding.code in codes for finding in self.findings)

    def on(self, side: Side) -> tuple[Host, ...]:
        """Hosts last seen on this side."""
        return tuple(host for host in self.hosts if host.side is side)


def read(paths: Paths) -> Situation:
    """Never raises."""
    wiring = _shaped(paths.wiring, Wiring)
    hosts = _shaped(paths.hosts, Hosts)
    return Situation(
        findings=wiring.findings if wiring else (),
        hosts=hosts.hosts if hosts else (),
        agent=_shaped(paths.agent_status, Agent),
        has_radio=paths.radio.exists(),
        helper=notice.read(paths.support_notice),
    )


def _shaped(path: Path, shape: type[T]) -> T | None:
    return _tried(lambda: from_wire(shape, json.loads(files.read_capped(path))))


def _tried(read_it: Callable[[], T]) -> T | None:
    try:
        return read_it()
    except (OSError, ValueError, RecursionError, ProtocolError):
        return None
