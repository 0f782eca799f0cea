"""The MQTT session, one object for each connection: MQTT 5, or 3.1.1 where the broker has no 5. Thin over paho.

TLS is mutual; the client id is the unit id; the will says that the unit went. What arrives is decoded and queued;
what cannot be decoded is counted and forgotten. The outbox owns delivery, so nothing of paho's is kept between sessions.
"""

import logging
import select
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from omamori.protocol import ProtocolError
from omamori.protocol.ids import BootId, UnitId
from omamori.protocol.messages import DownBody, Log, Upward, decode_down, encode_up
from omamori.protocol.topics import Down, Up, down, up

if TYPE_CHECKING:
    from omamori.firmware.host.settings import Proxy

log = logging.getLogger(__name__)

BURST: Final = 400
"""Packets taken in one turn."""
KEEPALIVE: Final = 60
PACKET_CAP: Final = 256 * 1024
SESSION_EXPIRY: Final = 7 * 24 * 3600
WILL_DELAY: Final = 20
"""Seconds; a reconnect within them is no absence."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where to connect, and as whom."""

    host: str
    port: int
    unit: UnitId
    boot: BootId
    proxy: "Proxy | None" = None


class Session:
    """Call `connect` once, then `work` again and again until it says False."""

    def __init__(self, peer: Peer, trust: ssl.SSLContext, *, version: MQTTProtocolVersion) -> None:
        self.received: deque[DownBody] = deque(maxlen=1000)
        self.established = False
        """The broker took us."""
        self.refusal = ""
        self.garbage = 0
        self._peer, self._five = peer, version == MQTTProtocolVersion.MQTTv5
        self._client = _client(peer)(
            CallbackAPIVersion.VERSION2,
            client_id=peer.unit,
            protocol=version,
            clean_session=None if self._five else False,
            reconnect_on_failure=False,
        )
        self._client.tls_set_context(trust)
        self._client.max_inflight_messages_set(1000)
        self._client.will_set(
            up(peer.unit, Up.LOG),
            self._presence("offline"),
            qos=1,
            properties=self._options(PacketTypes.WILLMESSAGE),
        )
        self._client.on_connect = self._connected
        self._client.on_message = self._arrived

    def connect(self) -> None:
        """Raises OSError."""
        self._client.connect(
            self._peer.host,
            self._peer.port,
            keepalive=KEEPALIVE,
            properties=self._options(PacketTypes.CONNECT),
            clean_start=False if self._five else MQTT_CLEAN_START_FIRST_ONLY,
        )

    def work(self, seconds: float) -> bool:
        """Wait at most so long for something, then take what is there. False once the connection is over."""
        going = self._step(seconds)
        for _ in range(BURST):
            if not (going and self._readable()):
                break
            going = self._step(0)
        return going

    def _step(self, seconds: float) -> bool:
        """One packet; paho reads no more at a time."""
        return self._client.loop(seconds) == MQTTErrorCode.MQTT_ERR_SUCCESS and not self.refusal

    def _readable(self) -> bool:
        connection = self._client.socket()
        if not isinstance(connection, ssl.SSLSocket):
            return False
        return bool(connection.pending() or select.select([connection], [], [], 0)[0])

    def publish(self, channel: Up, payload: bytes) -> bool:
        """At least once, as far as the broker."""
        sent = self._client.publish(up(self._peer.unit, channel), payload, qos=1)
        return sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def leave(self) -> None:
        """Say goodbye; the broker then sends no will."""
        if self.established:
            self.publish(Up.LOG, self._presence("offline"))
        self._client.disconnect()
        self._client.loop(0.1)

    def _connected(self, client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:  # noqa: ANN401 - paho's
        if reason.is_failure:
            self.refusal = str(reason)
            return
        client.subscribe([(down(self._peer.unit, channel), 1) for channel in Down])
        self.publish(Up.LOG, self._presence("online"))
        self.established = True

    def _arrived(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:  # noqa: ANN401 - paho's
        try:
            self.received.append(decode_down(bytes(message.payload)))
        except ProtocolError as error:
            self.garbage += 1
            log.warning("garbage on %s: %s", message.topic, error)

    def _presence(self, word: str) -> bytes:
        body = Log(datetime.now(UTC), "presence", "info", word)
        return encode_up(Upward(self._peer.unit, self._peer.boot, 0, body))

    def _options(self, packet: int) -> Properties | None:
        if not self._five:
            return None
        options = Properties(packet)  # type: ignore[no-untyped-call]
        if packet == PacketTypes.CONNECT:
            options.SessionExpiryInterval = SESSION_EXPIRY
            options.MaximumPacketSize = PACKET_CAP
        else:
            options.WillDelayInterval = WILL_DELAY
        return options


def _client(peer: Peer) -> type[Client]:
    """The library's own, or one whose connection begins at the proxy: for that the library needs another one."""
    if peer.proxy is None:
        return Client
    from omamori.firmware.host import tunnel

    class Tunnelled(Client):
        def _create_socket_connection(self) -> socket.socket:
            return tunnel.connect(peer.host, peer.port, proxy=peer.proxy, timeout=self.connect_timeout)

    return Tunnelled
