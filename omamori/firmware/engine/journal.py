"""What the guards saw, as detections: told once, numbered without collision, bounded in number."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from omamori.firmware.engine.applications.layer import Context
from omamori.firmware.engine.flow import Flow
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import RuleHit
from omamori.protocol.ids import DetectionId
from omamori.protocol.messages import Detection, Endpoint
from omamori.protocol.vocabulary import Action, Direction, Guard, Severity

_MAX_TOLD = 512
"""Different matches told of one flow; a flow that matches more says nothing new."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """Detection numbers of one worker: `first`, `first + step`, ... Workers of one unit take different `first`, the same `step`."""

    first: int = 1
    step: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """A guard's match, before it is decided whether it is news."""

    guard: Guard
    signature_id: str
    signature: str
    action: Action
    severity: Severity
    reason: str
    category: str = ""
    detail: str = ""
    hit: RuleHit | None = None
    direction: Direction | None = None
    """Where it is not simply who opened the flow."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A detection with what an event record tells beyond it."""

    detection: Detection
    hit: RuleHit | None
    flow: int
    application: str
    context: Context


class Journal:
    """Detections waiting to be taken out."""

    def __init__(self, settings: Settings, numbering: Numbering) -> None:
        self._waiting: deque[Sighting] = deque()
        self._limit = settings.detections
        self._next, self._step = numbering.first, numbering.step
        self.lost = 0

    def tell(
        self,
        flow: Flow,
        finding: Finding,
        now: float,
        *,
        to_server: bool,
        key: tuple[object, ...],
        context: Context,
    ) -> bool:
        """True if it is news: `key` was not told of this flow before."""
        if key in flow.told or len(flow.told) >= _MAX_TOLD:
            return False
        flow.told.add(key)
        detection = self._detection(flow, finding, now, to_server=to_server)
        self._waiting.append(Sighting(detection, finding.hit, flow.number, flow.facts.application, context))
        if len(self._waiting) > self._limit:
            self._waiting.popleft()
            self.lost += 1
        return True

    def take(self) -> Sequence[Sighting]:
        taken = tuple(self._waiting)
        self._waiting.clear()
        return taken

    def _detection(self, flow: Flow, finding: Finding, now: float, *, to_server: bool) -> Detection:
        facts = flow.facts
        ported = facts.protocol in ("tcp", "udp", "sctp")
        client = Endpoint(str(ip_address(facts.client)), facts.client_port if ported else None)
        server = Endpoint(str(ip_address(facts.server)), facts.server_port if ported else None)
        number, self._next = self._next, self._next + self._step
        return Detection(
            id=DetectionId(f"{max(int(now), 0)}-{number % 10**10}"),
            time=datetime.fromtimestamp(max(now, 0.0), UTC),
            guard=finding.guard,
            direction=finding.direction or (Direction.OUTBOUND if facts.client_inside else Direction.INBOUND),
            severity=finding.severity,
            signature_id=finding.signature_id,
            signature=finding.signature,
            action=finding.action,
            reason=finding.reason,
            protocol=facts.protocol,
            source=client if to_server else server,
            destination=server if to_server else client,
            category=finding.category,
            detail=finding.detail,
        )


class Unspoken:
    """Reasons for which packets were stopped without a detection, counted."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, reason: str) -> None:
        known = reason in self._counts or len(self._counts) < _MAX_TOLD
        name = reason if known else "other reasons"
        self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, int]:
        taken, self._counts = self._counts, {}
        return taken
