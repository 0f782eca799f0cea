"""Port scans, host scans and password guessing, told from TCP handshakes alone: who knocks at what, and what is answered.

A scan is many different targets of one source that do not answer within a few seconds; asking the same target again, or one
that answered within the last day, counts for nothing. So a browser with sixty connections, a poller whose line is down and a
file-sharing client that calls dead peers on ever other ports are none. From inside to private addresses nothing counts:
printers are looked for there. Password guessing is many answered connections to one log-in service.

Everything is bounded: when too much is remembered, the longest unheard source is forgotten. Times are the caller's.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

WINDOW: Final = 60.0
"""Seconds within which things are counted."""
PATIENCE: Final = 3.0
"""Seconds a target has to answer."""
AGAIN: Final = 3600.0
"""The same is told once in so long."""
SOURCES: Final = 1024
TARGETS: Final = 32_768
"""Of all sources together."""
TARGETS_OF_ONE: Final = 256
ANSWERED: Final = 16_384
ANSWERED_FOR: Final = 86_400.0
LOGINS: Final = 4096

_EVERYDAY: Final = frozenset((53, 80, 123, 443, 853, 5222, 5223, 5228))
"""Ports that one program calls at very many hosts; from inside many silent ones only mean that the line is bad."""
_MAIL: Final = frozenset((25, 110, 143, 465, 587, 993, 995))
_LOGIN: Final = _MAIL | {21, 22, 23, 1433, 3306, 3389, 5432, 5900}
_PRIVATE: Final = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)


class Kind(Enum):
    """What was seen; the value is the detection's signature id."""

    PORTS = "ips:port-scan"
    HOSTS = "ips:host-scan"
    GUESSING = "ips:password-guessing"
    DATAGRAMS = "ips:udp-port-scan"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many within the window are no longer ordinary."""

    ports: int
    """Silent ports of one host."""
    hosts: int
    """Silent hosts at one port."""
    logins: int
    """Answered connections to one log-in service."""
    mail: int
    """The same to one mail service, which programs use, too."""


FROM_OUTSIDE: Final = Limits(ports=15, hosts=15, logins=20, mail=60)
FROM_INSIDE: Final = Limits(ports=50, hosts=60, logins=60, mail=150)


class Knock(NamedTuple):
    """One side of a handshake, seen from the client. Addresses are packed."""

    client: bytes
    server: bytes
    port: int
    from_inside: bool


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something worth telling. Where hosts were scanned, `server` is the last of them; `port` is None where there are many."""

    kind: Kind
    client: bytes
    server: bytes
    port: int | None
    from_inside: bool
    count: int


@dataclass(slots=True)
class _Source:
    from_inside: bool
    silent: OrderedDict[tuple[bytes, int], float] = field(default_factory=OrderedDict)
    """When each target was first asked that has not answered since."""


class Watch:
    """Feed it every handshake in the order of time; `tick` about once a second."""

    def __init__(self, judge: "Judge | None" = None, *, logins: bool = True) -> None:
        """`judge`: what silent targets amount to, other than of handshakes; `logins`: whether answers may be guessing."""
        self._amounts, self._counts_logins = judge or of_handshakes, logins
        self._sources: OrderedDict[bytes, _Source] = OrderedDict()
        self._targets = 0
        self._changed: set[bytes] = set()
        self._answered: OrderedDict[int, float] = OrderedDict()
        self._logins: OrderedDict[Knock, tuple[float, int]] = OrderedDict()
        """When the counting began, and how many since."""
        self._told: OrderedDict[tuple[object, ...], float] = OrderedDict()

    def asked(self, knock: Knock, now: float) -> None:
        """The client sent a SYN, or a probe that is no connection."""
        if knock.from_inside and _is_private(knock.server):
            return
        answered = self._answered.get(_key(knock))
        if answered is not None and now - answered < ANSWERED_FOR:
            return
        source = self._source(knock)
        target = (knock.server, knock.port)
        if target not in source.silent:
            source.silent[target] = now
            self._targets += 1
            self._bound(source)
        self._changed.add(knock.client)

    def answered(self, knock: Knock, now: float) -> Suspicion | None:
        """The server sent SYN and ACK."""
        source = self._sources.get(knock.client)
        if source is not None and source.silent.pop((knock.server, knock.port), None) is not None:
            self._targets -= 1
        self._answered[_key(knock)] = now
        self._answered.move_to_end(_key(knock))
        if len(self._answered) > ANSWERED:
            self._answered.popitem(last=False)
        return self._login(knock, now) if self._counts_logins and knock.port in _LOGIN else None

    def tick(self, now: float) -> list[Suspicion]:
        """What the silent targets amount to by now."""
        found: list[Suspicion] = []
        for client in list(self._changed):
            source = self._sources.get(client)
            if source is None or not self._forget_old(source, now):
                self._changed.discard(client)
            else:
                found += self._judge(client, source, now)
        return found

    def remembered(self) -> int:
        """Entries of all kinds, for tests of the bounds."""
        return self._targets + len(self._sources) + len(self._answered) + len(self._logins) + len(self._told)

    def _source(self, knock: Knock) -> _Source:
        source = self._sources.get(knock.client)
        if source is None:
            source = self._sources[knock.client] = _Source(knock.from_inside)
        self._sources.move_to_end(knock.client)
        return source

    def _bound(self, source: _Source) -> None:
        if len(source.silent) > TARGETS_OF_ONE:
            source.silent.popitem(last=False)
            self._targets -= 1
        while len(self._sources) > SOURCES or self._targets > TARGETS:
            client, oldest = self._sources.popitem(last=False)
            self._targets -= len(oldest.silent)
            self._changed.discard(client)

    def _forget_old(self, source: _Source, now: float) -> bool:
        """Whether anything is left."""
        while source.silent and not 0 <= now - next(iter(source.silent.values())) <= WINDOW:
            source.silent.popitem(last=False)
            self._targets -= 1
        return bool(source.silent)

    def _judge(self, client: bytes, source: _Source, now: float) -> list[Suspicion]:
        silent = [target for target, since in source.silent.items() if now - since >= PATIENCE]
        found = self._amounts(client, silent, source.from_inside)
        return [each for each in found if self._is_news((each.kind, client), now)]

    def _login(self, knock: Knock, now: float) -> Suspicion | None:
        limits = FROM_INSIDE if knock.from_inside else FROM_OUTSIDE
        if knock.from_inside and (knock.port == 25 or _is_private(knock.server)):
            return None  # a mail server of one's own, a device of one's own
        since, count = self._logins.get(knock, (now, 0))
        if not 0 <= now - since <= WINDOW:
            since, count = now, 0
        self._logins[knock] = (since, count + 1)
        self._logins.move_to_end(knock)
        if len(self._logins) > LOGINS:
            self._logins.popitem(last=False)
        if count + 1 < (limits.mail if knock.port in _MAIL else limits.logins):
            return None
        if not self._is_news((Kind.GUESSING, knock), now):
            return None
        return Suspicion(Kind.GUESSING, knock.client, knock.server, knock.port, knock.from_inside, count + 1)

    def _is_news(self, key: tuple[object, ...], now: float) -> bool:
        before = self._told.get(key)
        if before is not None and 0 <= now - before < AGAIN:
            return False
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > SOURCES:
            self._told.popitem(last=False)
        return True


Judge = Callable[[bytes, Sequence[tuple[bytes, int]], bool], list[Suspicion]]
"""From a client, the (server, port) pairs that did not answer it, and whether it is inside."""


def of_handshakes(client: bytes, silent: Sequence[tuple[bytes, int]], inside: bool) -> list[Suspicion]:  # noqa: FBT001 - a direction, as everywhere
    limits = FROM_INSIDE if inside else FROM_OUTSIDE
    hosts = Counter(server for server, _ in silent)
    ports = Counter(port for _, port in silent if not (inside and port in _EVERYDAY))
    found = [
        Suspicion(Kind.PORTS, client, server, None, inside, count)
        for server, count in hosts.most_common(1)
        if count >= limits.ports
    ]
    found += [
        Suspicion(Kind.HOSTS, client, _last(silent, port), port, inside, count)
        for port, count in ports.most_common(1)
        if count >= limits.hosts
    ]
    return found


def _last(targets: Sequence[tuple[bytes, int]], port: int) -> bytes:
    return next(server for server, each in reversed(targets) if each == port)


def _key(knock: Knock) -> int:
    return hash((knock.client, knock.server, knock.port))


def _is_private(address: bytes) -> bool:
    found = ip_address(address)
    return any(found in network for network in _PRIVATE)
