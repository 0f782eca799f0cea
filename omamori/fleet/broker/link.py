"""The link worker: from the broker into the fleet's database, and acknowledgements and hints back.

A message is acknowledged only after `FleetSide.store` returned, so what is lost between broker and database (either
may die at any moment) is sent again by the unit. The store must keep each (unit, boot, sequence) once. One message
that the store refuses never holds up the others: a failed batch is stored one by one.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from ssl import create_default_context
from threading import Event
from typing import Any, Final, Protocol

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from omamori.fleet.broker.authority import LINK, Pair
from omamori.fleet.broker.intake import Garbage, Presence, Taken, read
from omamori.fleet.broker.mosquitto import PACKET_CAP
from omamori.protocol.backoff import full_jitter
from omamori.protocol.ids import BootId, UnitId
from omamori.protocol.messages import Acknowledge, DownBody, Unrecognised, Upward, WantHint, encode_down
from omamori.protocol.topics import Down, all_up, down

log = logging.getLogger(__name__)

BATCH: Final = 200
"""Messages in one transaction."""
PATIENCE: Final = 0.1
"""Seconds the first message of a batch waits for others."""
_POLL: Final = 1.0
_SEARCH: Final = 2.0
"""Seconds a failed batch is searched for the message that spoils it; the rest is left for the units to send again."""
_EXPIRY: Final = 3600
"""Seconds the broker keeps an acknowledgement or hint for a unit that is away; both are sent again when needed."""


class FleetSide(Protocol):
    """What the worker needs of the fleet's database. Any exception means: not done, try again."""

    def store(self, batch: Sequence[Upward]) -> None:
        """Store each (unit, boot, sequence) once, all or nothing; return after the commit."""

    def presence(self, unit: UnitId, *, online: bool, time: datetime) -> None:
        """A unit came or went."""

    def raised(self) -> Iterable[tuple[UnitId, int]]:
        """Units whose wanted generation is above the one they reported, with that generation."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Where the broker is and who the worker is."""

    host: str
    port: int
    trust: str
    """PEM of the fleet's root."""
    identity: Pair
    name: str = LINK
    bucket_digits: str = "+"
    """Two hex digits where several workers split the fleet."""


@dataclass(slots=True)
class Tally:
    """What this worker did since it started."""

    stored: int = 0
    garbage: int = 0
    unrecognised: int = 0
    refused: int = 0
    """Messages that the store would not take, alone or in a batch; not acknowledged."""
    batches: int = 0
    connections: int = 0


@dataclass(slots=True)
class _Batch:
    messages: list[Upward] = field(default_factory=list)
    since: float = 0.0

    def due(self, now: float) -> bool:
        return bool(self.messages) and (len(self.messages) >= BATCH or now - self.since >= PATIENCE)


class Link:
    """One worker. `run` blocks until `stop` is set and survives broker and database outages."""

    def __init__(self, settings: LinkSettings, fleet: FleetSide) -> None:
        self.tally = Tally()
        self._settings, self._fleet = settings, fleet
        self._batch = _Batch()
        self._hinted: dict[UnitId, int] = {}
        self._polled = 0.0
        self._failures = 0

    def run(self, stop: Event) -> None:
        """Connects, works, and reconnects with back-off."""
        while not stop.is_set():
            client: Client | None = None
            try:
                client = self._client()
                self._connect(client)
                self._work(client, stop)
            except OSError as error:  # also a pair of key and certificate of which one is just being renewed
                log.warning("no broker at %s:%s: %s", self._settings.host, self._settings.port, error)
            finally:
                if client:
                    client.disconnect()
            self._failures += 1
            wait = full_jitter(
                self._failures,
                SystemRandom().random(),
                first=timedelta(seconds=1),
                most=timedelta(seconds=30),
            )
            stop.wait(wait.total_seconds())

    def _client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._settings.name,
            protocol=MQTTv5,
            reconnect_on_failure=False,
        )
        context = create_default_context(cafile=self._settings.trust)
        context.load_cert_chain(self._settings.identity.certificate, self._settings.identity.key)
        client.tls_set_context(context)
        client.on_connect = self._connected
        client.on_message = self._received
        client.max_inflight_messages_set(1000)
        return client

    def _connect(self, client: Client) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 24 * 3600
        properties.MaximumPacketSize = PACKET_CAP
        client.connect(
            self._settings.host, self._settings.port, keepalive=60, clean_start=False, properties=properties
        )

    def _work(self, client: Client, stop: Event) -> None:
        while not stop.is_set() and client.loop(0.05) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            if self._batch.due(time.monotonic()):
                self._flush(client)
            if client.is_connected():
                self._hint(client)
        self._flush(client)

    def _connected(self, client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:  # noqa: ANN401 - paho's
        if reason.is_failure:
            log.error("the broker refuses us: %s", reason)
            return
        self._failures = 0
        self.tally.connections += 1
        client.subscribe(all_up(bucket_digits=self._settings.bucket_digits), qos=1)

    def _received(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:  # noqa: ANN401 - paho's
        match read(message.topic, bytes(message.payload)):
            case Taken(message=upward):
                self._keep(upward)
            case Presence(unit=unit, online=online):
                self._presence(unit, online=online)
            case Garbage(reason=reason):
                self.tally.garbage += 1
                log.warning("garbage on %.80s: %.200s", message.topic, reason)

    def _keep(self, upward: Upward) -> None:
        if not self._batch.messages:
            self._batch.since = time.monotonic()
        self._batch.messages.append(upward)
        if isinstance(upward.body, Unrecognised):
            self.tally.unrecognised += 1
            log.info("unit %s sends %.40r, which this fleet does not know", upward.unit, upward.body.kind)

    def _presence(self, unit: UnitId, *, online: bool) -> None:
        """In order with what came before it. A presence that cannot be stored is lost; the next state heals it."""
        try:
            self._fleet.presence(unit, online=online, time=datetime.now(UTC))
        except Exception:
            log.exception("presence of %s is not stored", unit)

    def _flush(self, client: Client) -> None:
        messages, self._batch = self._batch.messages, _Batch()
        if not messages:
            return
        stored = self._store(messages)
        self.tally.batches += 1
        self.tally.stored += len(stored)
        self.tally.refused += len(messages) - len(stored)
        for (unit, boot), sequences in _by_boot(stored).items():
            self._say(client, unit, Down.CALL, Acknowledge(boot, tuple(sequences)))

    def _store(self, messages: list[Upward], deadline: float | None = None) -> list[Upward]:
        """Those that are committed. What fails for good is told from what fails for now by time alone."""
        try:
            self._fleet.store(messages)
        except Exception as error:
            deadline = deadline or time.monotonic() + _SEARCH
            if len(messages) == 1 or time.monotonic() > deadline:
                log.exception(
                    "%d messages are not stored, one of them of %s", len(messages), messages[0].unit
                )
                return []
            log.warning("a batch of %d is not stored, trying its halves: %s", len(messages), error)
        else:
            return messages
        half = len(messages) // 2
        return self._store(messages[:half], deadline) + self._store(messages[half:], deadline)

    def _hint(self, client: Client) -> None:
        if time.monotonic() - self._polled < _POLL:
            return
        self._polled = time.monotonic()
        try:
            raised = list(self._fleet.raised())
        except Exception:
            log.exception("which wants were raised is not known")
            return
        for unit, generation in raised:
            if self._hinted.get(unit, -1) < generation:
                self._say(client, unit, Down.WANT, WantHint(generation))
                self._hinted[unit] = generation

    def _say(self, client: Client, unit: UnitId, channel: Down, body: DownBody) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = _EXPIRY
        client.publish(down(unit, channel), encode_down(body), qos=1, properties=properties)


def _by_boot(messages: list[Upward]) -> dict[tuple[UnitId, BootId], list[int]]:
    grouped: defaultdict[tuple[UnitId, BootId], list[int]] = defaultdict(list)
    for message in messages:
        grouped[message.unit, message.boot].append(message.sequence)
    return grouped
