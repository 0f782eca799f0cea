"""Scans and password guessing, from copies of handshakes and first datagrams: a log group in, detections out.

It runs beside the workers, in the supervisor's process, and only ever tells. Where the kernel has no log group, that is said
once and everything else goes on. No bytes of a copy make it raise.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

from omamori.firmware.bridge.wiring import Wiring
from omamori.firmware.engine import datagram_scans
from omamori.firmware.engine.scans import Kind, Knock, Suspicion, Watch
from omamori.firmware.engine.severity import Kind as Severe
from omamori.firmware.engine.severity import Way, grade
from omamori.firmware.host import handshakes
from omamori.firmware.host.nflog import Copy, NflogError, PacketLog
from omamori.protocol.ids import DetectionId
from omamori.protocol.messages import Detection, Endpoint, Log, encode_body
from omamori.protocol.vocabulary import Action, Direction, Guard

_NUMBERS: Final = 8_000_000_000
"""Detections are numbered from here; the workers stay far below."""
_ROUND: Final = 64
"""Batches of copies taken at once."""
_SYN, _ACK = 0x02, 0x10
_TITLES: Final = {
    Kind.PORTS: "Port scan",
    Kind.HOSTS: "Host scan",
    Kind.GUESSING: "Password guessing",
    Kind.DATAGRAMS: "UDP port scan",
}


class ScanWatch:
    """Call `work` when the descriptor is ready and at least once a second. It never raises: after a fault nothing more is seen."""

    def __init__(self, wiring: Wiring, group: int) -> None:
        """Raises OSError where the kernel or its rules cannot do that."""
        self._failed = False
        self._outside = wiring.outside_port
        self._watch, self._datagrams = Watch(), datagram_scans.watch()
        self._next = _NUMBERS
        self._next_tick = 0.0
        self._log = PacketLog(group, longest=handshakes.LENGTH)
        try:
            handshakes.apply(wiring.bridge, group, wiring.openings)
        except handshakes.HandshakesError as error:
            self._log.close()
            raise NflogError(0, str(error)) from error

    def fileno(self) -> int:
        return self._log.fileno()

    def work(self) -> Sequence[bytes]:
        """Detections, or what went wrong, as message bodies."""
        if self._failed:
            return ()
        now = time.time()
        try:
            return [encode_body(self._detection(suspicion, now)) for suspicion in self._taken(now)]
        except Exception as error:  # noqa: BLE001 - whatever happens here, the data path goes on
            self._failed = True
            return [_said(f"scans are no longer seen: {error!r}")]

    def close(self) -> None:
        self._log.close()

    def _taken(self, now: float) -> Iterator[Suspicion]:
        for _ in range(_ROUND):
            copies = self._log.receive()
            if not copies:
                break
            for copy in copies:
                found = self._copy(copy, now, from_inside=copy.in_port != self._outside)
                if found is not None:
                    yield found
        if not self._next_tick - 2 < now < self._next_tick:
            self._next_tick = now + 1
            yield from self._watch.tick(now)
            yield from self._datagrams.tick(now)

    def _copy(self, copy: Copy, now: float, *, from_inside: bool) -> Suspicion | None:
        if copy.prefix:
            self._datagram(copy, now, from_inside=from_inside)
            return None
        read = knock(copy.data, from_inside=from_inside)
        if read is None:
            return None
        who, answers = read
        if answers:
            return self._watch.answered(who, now)
        self._watch.asked(who, now)
        return None

    def _datagram(self, copy: Copy, now: float, *, from_inside: bool) -> None:
        answers = copy.prefix == handshakes.ANSWER
        read = datagram(copy.data, from_inside=from_inside, answers=answers)
        if read is None:
            return
        who, client_port = read
        if answers:
            self._datagrams.answered(who, now)
        elif datagram_scans.counts(who, client_port):
            self._datagrams.asked(who, now)

    def _detection(self, found: Suspicion, now: float) -> Detection:
        self._next += 1
        target = str(ip_address(found.server))
        return Detection(
            id=DetectionId(f"{max(int(now), 0)}-{self._next % 10**10}"),
            time=datetime.fromtimestamp(max(now, 0.0), UTC),
            guard=Guard.IPS,
            direction=Direction.OUTBOUND if found.from_inside else Direction.INBOUND,
            severity=grade(Severe.ATTACK, Way.SENT if found.from_inside else Way.RECEIVED),
            signature_id=found.kind.value,
            signature=_TITLES[found.kind],
            action=Action.LOGGED,
            reason=_reason(found, target),
            protocol="udp" if found.kind is Kind.DATAGRAMS else "tcp",
            source=Endpoint(str(ip_address(found.client))),
            destination=Endpoint(target, found.port),
            category="scan" if found.kind is not Kind.GUESSING else "password-guessing",
            detail=f"port {found.port}" if found.port else target,
        )


class Unseen:
    """In the place of a watch where the kernel has none: says so once."""

    def __init__(self, why: OSError) -> None:
        self._said = [_said(f"scans are not seen: {why}")]
        self._never_ready = socket.socketpair()

    def fileno(self) -> int:
        return self._never_ready[0].fileno()

    def work(self) -> Sequence[bytes]:
        said, self._said = self._said, []
        return said

    def close(self) -> None:
        for end in self._never_ready:
            end.close()


def _said(text: str) -> bytes:
    return encode_body(Log(datetime.now(UTC), "bridge", "warning", text[:500]))


def knock(data: bytes, *, from_inside: bool) -> tuple[Knock, bool] | None:
    """Who asks whom, and whether this is the answer; None for what is no TCP segment. `from_inside`: this packet."""
    found = _carried(data, socket.IPPROTO_TCP, 14)
    if found is None:
        return None
    source, destination, segment = found
    ports = int.from_bytes(segment[:2], "big"), int.from_bytes(segment[2:4], "big")
    if segment[13] & (_SYN | _ACK) == _SYN | _ACK:
        return Knock(destination, source, ports[0], not from_inside), True
    return Knock(source, destination, ports[1], from_inside), False


def datagram(data: bytes, *, from_inside: bool, answers: bool) -> tuple[Knock, int] | None:
    """Who asks whom by UDP, and from which port; `answers`: this one comes back. None for what is no datagram."""
    found = _carried(data, socket.IPPROTO_UDP, 4)
    if found is None:
        return None
    source, destination, ports = found
    from_port, to_port = int.from_bytes(ports[:2], "big"), int.from_bytes(ports[2:4], "big")
    if answers:
        return Knock(destination, source, from_port, not from_inside), to_port
    return Knock(source, destination, to_port, from_inside), from_port


def _carried(data: bytes, protocol: int, size: int) -> tuple[bytes, bytes, bytes] | None:
    """Source, destination, and so many bytes of what an IP packet of this protocol carries; None where they are not there."""
    version = data[0] >> 4 if data else 0
    if version == 4 and len(data) >= 20 and data[9] == protocol:
        at, source, destination = 4 * (data[0] & 0xF), data[12:16], data[16:20]
    elif version == 6 and len(data) >= 40 and data[6] == protocol:
        at, source, destination = 40, data[8:24], data[24:40]
    else:
        return None
    found = data[at : at + size]
    return None if at < 20 or len(found) < size else (source, destination, found)


def _reason(found: Suspicion, target: str) -> str:
    match found.kind:
        case Kind.PORTS:
            return f"{found.count} ports of {target} were tried within a minute and did not answer"
        case Kind.DATAGRAMS:
            return f"{found.count} UDP ports of {target} were tried within a minute and did not answer"
        case Kind.HOSTS:
            return f"port {found.port} of {found.count} hosts was tried within a minute and did not answer"
        case Kind.GUESSING:
            return f"{found.count} connections to port {found.port} of {target} within a minute"
