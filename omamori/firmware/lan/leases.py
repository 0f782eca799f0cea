"""Who gives out addresses on which port: DHCP servers by their answers, to hosts and to the unit's own questions. Pure and bounded."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from omamori.firmware.lan.dhcp import Dhcp, MessageType
from omamori.firmware.lan.sighting import Port, Sighting
from omamori.protocol.ids import Mac

KEEP: Final = timedelta(minutes=10)
"""A server silent for longer is gone: the unit itself asks every few minutes."""
_MOST: Final = 16
_GIVEN = frozenset({MessageType.OFFER, MessageType.ACK})


@dataclass(frozen=True, slots=True)
class Lessor:
    """A DHCP server as it answered last."""

    mac: Mac
    port: Port
    server: str
    gateway: str
    """The first router that its leases name, empty where they name none."""
    first: datetime
    last: datetime
    answers: int = 1


class Leases:
    """Notes servers' answers; relayed ones are skipped: their server is elsewhere."""

    def __init__(self) -> None:
        self._lessors: dict[Mac, Lessor] = {}

    def note(self, sighting: Sighting, message: Dhcp) -> None:
        """Take one message in."""
        if not message.from_server or message.message not in _GIVEN or message.relay is not None:
            return
        old = self._lessors.get(sighting.source)
        if old is None and len(self._lessors) >= _MOST:
            return
        self._lessors[sighting.source] = Lessor(
            mac=sighting.source,
            port=sighting.port,
            server=str(message.server or ""),
            gateway=str(message.routers[0]) if message.routers else "",
            first=old.first if old else sighting.time,
            last=max(old.last, sighting.time) if old else sighting.time,
            answers=old.answers + 1 if old else 1,
        )

    def lessors(self, now: datetime) -> tuple[Lessor, ...]:
        """Those of the last minutes."""
        return tuple(lessor for lessor in self._lessors.values() if now - lessor.last <= KEEP)

    def forget(self, port: Port) -> None:
        """The port's cable was touched."""
        self._lessors = {mac: lessor for mac, lessor in self._lessors.items() if lessor.port is not port}

    def shift(self, by: timedelta) -> None:
        """The clock was set."""
        self._lessors = {
            mac: replace(lessor, first=lessor.first + by, last=lessor.last + by)
            for mac, lessor in self._lessors.items()
        }
