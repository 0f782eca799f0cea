"""IPS: weak or default passwords that are sent over HTTP Basic to a device inside ("internal weakness"), and guessing of passwords.

Inside is what sits on the LAN side, and private addresses on the router's side. The same client at the same device is told
once an hour, for a program asks again every minute. The password is in no detection, and neither is the user's name, which
may be the same.
"""

from collections import OrderedDict
from ipaddress import ip_address, ip_network
from typing import Final, TypeVar

from omamori.firmware.engine.applications.layer import Context, SiteAsked
from omamori.firmware.engine.conduct import Conduct, Match
from omamori.firmware.engine.domains import listable
from omamori.firmware.engine.guards.round import Round, stop
from omamori.firmware.engine.inspection import FlowFacts
from omamori.firmware.engine.journal import Finding, Journal
from omamori.firmware.engine.passwords import is_weak
from omamori.firmware.engine.severity import Kind, grade, way
from omamori.firmware.engine.signatures import Signatures
from omamori.protocol.policy import Response
from omamori.protocol.vocabulary import Action, Direction, Guard

WEAK_PASSWORD: Final = "ips:weak-password"  # noqa: S105 - the name of a detection
GUESSING: Final = "ips:password-guessing"
REFUSALS: Final = 20
"""So many within a minute are guessing; a program with an old password asks less often."""
_WINDOW: Final = 60.0
_AGAIN: Final = 3600.0
_REMEMBERED: Final = 1024
_PRIVATE: Final = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
_Key = tuple[str, bytes, bytes, int]
Value = TypeVar("Value")


class PasswordGuard:
    """Looks at the credentials of requests and at how they are answered; remembers whom it told of, never what they sent."""

    def __init__(self, journal: Journal, conduct: Conduct) -> None:
        self._journal, self._conduct = journal, conduct
        self._told: OrderedDict[_Key, float] = OrderedDict()
        self._refusals: OrderedDict[_Key, tuple[float, int]] = OrderedDict()
        """When the counting began, and how many since."""

    def asked(self, turn: Round, signatures: Signatures, event: SiteAsked) -> None:
        """A request came with this header."""
        facts = turn.flow.facts
        if not event.authorization or not _towards_inside(facts):
            return
        if is_weak(event.authorization, signatures.passwords):
            self._weak(turn, listable(event.name) or str(ip_address(facts.server)))

    def refused(self, turn: Round) -> None:
        """A server did not take the credentials of a request."""
        key = _key(GUESSING, turn.flow.facts)
        since, count = self._refusals.pop(key, (turn.now, 0))
        if not 0 <= turn.now - since <= _WINDOW:
            since, count = turn.now, 0
        _remember(self._refusals, key, (since, count + 1))
        if count + 1 >= REFUSALS and self._is_news(key, turn.now):
            self._guessing(turn, count + 1)

    def _weak(self, turn: Round, device: str) -> None:
        match = Match(Guard.IPS, WEAK_PASSWORD, (device,))
        ruling = self._conduct.ruling(match, turn.flow, turn.now, Response.BLOCK)
        reason = "a weak or default password was sent by HTTP Basic to a device inside"
        if ruling.prevents:
            stop(turn, reason, Guard.IPS, "internal-weakness")
        if not self._is_news(_key(WEAK_PASSWORD, turn.flow.facts), turn.now):
            return
        finding = Finding(
            Guard.IPS,
            WEAK_PASSWORD,
            "Weak or default password on an inside device",
            Action.BLOCKED if ruling.prevents else Action.LOGGED,
            grade(Kind.RISK, way(turn.flow.facts, to_server=True)),
            f"{reason} (told only: {ruling.why})" if ruling.why and not ruling.prevents else reason,
            "internal-weakness",
            device,
            direction=Direction.INTERNAL,
        )
        self._tell(turn, finding)

    def _guessing(self, turn: Round, count: int) -> None:
        finding = Finding(
            Guard.IPS,
            GUESSING,
            "Password guessing",
            Action.LOGGED,
            grade(Kind.ATTACK, way(turn.flow.facts, to_server=True)),
            f"{count} log-ins over HTTP were refused within a minute",
            "password-guessing",
            str(ip_address(turn.flow.facts.server)),
        )
        self._tell(turn, finding)

    def _tell(self, turn: Round, finding: Finding) -> None:
        """Without context: a URL may hold credentials, too."""
        key = (finding.signature_id,)
        self._journal.tell(turn.flow, finding, turn.now, to_server=True, key=key, context=Context())

    def _is_news(self, key: _Key, now: float) -> bool:
        before = self._told.get(key)
        if before is not None and 0 <= now - before < _AGAIN:
            return False
        _remember(self._told, key, now)
        return True


def _remember(memory: "OrderedDict[_Key, Value]", key: _Key, value: Value) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)


def _key(what: str, facts: FlowFacts) -> _Key:
    return what, facts.client, facts.server, facts.server_port


def _towards_inside(facts: FlowFacts) -> bool:
    if not facts.client_inside:
        return True
    server = ip_address(facts.server)
    return any(server in network for network in _PRIVATE)
