"""The engine as the worker needs it, made out of a signature pack; imported and loaded by the nursery and its workers only."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from omamori.firmware.bridge.direction import Direction
from omamori.firmware.bridge.nursery import Loaded
from omamori.firmware.bridge.orders import OrderFiles
from omamori.firmware.bridge.proven import Proven
from omamori.firmware.bridge.rehearsal import rehearse
from omamori.firmware.engine.block_page import Notice
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.guards.sites import TOLD_ONLY
from omamori.firmware.engine.journal import Numbering
from omamori.firmware.engine.opening import Openings
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.engine.verdict import Verdict
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol.errors import ProtocolError
from omamori.protocol.messages import Detection, Log, UpBody, encode_body
from omamori.protocol.vocabulary import Action, Guard

_SUM_EVERY: Final = 60.0
_SUM_MOST: Final = 10
_NOTICE_CAP: Final = 4096


class EngineInspector:
    """One engine, whose detections leave as message bodies, and which does as the operator's policy says.

    Where the ports are swapped it takes each for the other.
    """

    def __init__(
        self, engine: Engine, orders: OrderFiles | None = None, direction: Direction | None = None
    ) -> None:
        self._engine, self._orders, self._direction = engine, orders, direction
        self._swapped = False
        self._next_sum = 0.0

    def packet(
        self, data: bytes, *, now: float, from_inside: bool | None, rewriting: bool, verified: bool = False
    ) -> Verdict:
        inside = from_inside is None or from_inside is not self._swapped
        return self._engine.packet(data, now=now, from_inside=inside, rewriting=rewriting, verified=verified)

    def tick(self, now: float) -> None:
        self._engine.tick(now)
        if self._direction:
            self._direction.look(now)
            self._swapped = self._direction.swapped
        if self._orders and (news := self._orders.news(now)):
            self._engine.obey(news)

    def missed(self, now: float) -> None:
        self._engine.missed(now)

    def relieve(self, now: float) -> int:
        return self._engine.relieve(now)

    def uninspected(self) -> Mapping[str, int]:
        return self._engine.statistics.uninspected()

    def unfollowed(self) -> Mapping[str, int]:
        return self._engine.statistics.unfollowed()

    def take_messages(self) -> Sequence[bytes]:
        """One that does not fit a message is left out; its detection is still counted by the engine."""
        told: list[UpBody] = [each for each in self._engine.take_detections() if not _is_summed_up(each)]
        return [line for line in map(_line, [*told, *self._unspoken()]) if line]

    def _unspoken(self) -> Sequence[Log]:
        """What was stopped without a detection, summed up once a minute."""
        now = time.monotonic()
        if now < self._next_sum or not (counts := self._engine.take_unspoken()):
            return ()
        self._next_sum = now + _SUM_EVERY
        most = sorted(counts.items(), key=lambda pair: -pair[1])[:_SUM_MOST]
        listed = "; ".join(f"{count} by {reason}" for reason, count in most)
        text = f"{sum(counts.values())} packets were stopped without an alert: {listed}"
        return (Log(datetime.now(UTC), "bridge", "info", text[:1000]),)


def inspector(
    signatures: Signatures,
    first_number: int,
    settings: Settings,
    orders: OrderFiles | None = None,
    direction: Direction | None = None,
    openings: Openings | None = None,
) -> EngineInspector:
    """An engine that inspects with these signatures."""
    engine = Engine(signatures, settings, Numbering(first=first_number), openings)
    made = EngineInspector(engine, orders, direction)
    made.tick(time.time())
    return made


def load(path: Path, paths: Paths, flows: int) -> Loaded:
    """The pack at `path`, checked and ready. Raises PackError, OSError, EngineError."""
    from omamori.firmware.signatures import pack

    proven = Proven(paths, path, pack.read_manifest(path))
    signatures = pack.load(path, replayed=not proven.already())
    rehearse(signatures)
    proven.remember()
    settings = Settings(flows=flows, notice=_notice(paths))
    return Loaded(
        signatures.version,
        lambda number, openings: inspector(
            signatures, number, settings, OrderFiles(paths), Direction(paths), openings
        ),
    )


def _notice(paths: Paths) -> Notice:
    """Whom the page in place of a blocked one says to ask: as the file says, where there is one that can be read."""
    usual = Notice()
    try:
        found = json.loads(files.read_capped(paths.notice, cap=_NOTICE_CAP))
        return Notice(str(found.get("ja", usual.contact_ja)), str(found.get("en", usual.contact_en)))
    except (OSError, ValueError, AttributeError, RecursionError):
        return usual


def _is_summed_up(detection: Detection) -> bool:
    """A visit that nobody minds is in the hourly sums (decision 0010); an event for each would be megabytes a day."""
    allowed = detection.guard in (Guard.UF, Guard.APG) and detection.action is Action.LOGGED
    return allowed and TOLD_ONLY not in detection.reason


def _line(body: UpBody) -> bytes | None:
    try:
        return encode_body(body)
    except ProtocolError:
        return None
