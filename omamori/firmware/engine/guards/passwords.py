"""IPS: weak or default passwords that are sent over HTTP Basic to a device inside ("internal weakness").

Inside is what sits on the LAN side, and private addresses on the router's side. The same client at the same device is told
once an hour, for a program asks again every minute. The password is in no detection, and neither is the user's name, which
may be the same.
"""

from collections import OrderedDict
from ipaddress import ip_address, ip_network
from typing import Final

from omamori.firmware.engine.applications.layer import Context, SiteAsked
from omamori.firmware.engine.conduct import Conduct, Match
from omamori.firmware.engine.domains import normalised
from omamori.firmware.engine.guards.round import Round, stop
from omamori.firmware.engine.inspection import FlowFacts
from omamori.firmware.engine.journal import Finding, Journal
from omamori.firmware.engine.passwords import is_weak
from omamori.firmware.engine.severity import Kind, grade, way
from omamori.firmware.engine.signatures import Signatures
from omamori.protocol.policy import Response
from omamori.protocol.vocabulary import Action, Direction, Guard

WEAK_PASSWORD: Final = "ips:weak-password"  # noqa: S105 - the name of a detection
_CATEGORY: Final = "internal-weakness"
_AGAIN: Final = 3600.0
_REMEMBERED: Final = 1024
_PRIVATE: Final = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)


class PasswordGuard:
    """Looks at the credentials of requests; remembers whom it told of, never what they sent."""

    def __init__(self, journal: Journal, conduct: Conduct) -> None:
        self._journal, self._conduct = journal, conduct
        self._told: OrderedDict[tuple[bytes, bytes, int], float] = OrderedDict()

    def asked(self, turn: Round, signatures: Signatures, event: SiteAsked) -> None:
        facts = turn.flow.facts
        if not event.authorization or not _towards_inside(facts):
            return
        if is_weak(event.authorization, signatures.passwords):
            self._found(turn, normalised(event.name) or str(ip_address(facts.server)))

    def _found(self, turn: Round, device: str) -> None:
        match = Match(Guard.IPS, WEAK_PASSWORD, (device,))
        ruling = self._conduct.ruling(match, turn.flow, turn.now, Response.BLOCK)
        reason = "a weak or default password was sent by HTTP Basic to a device inside"
        if ruling.prevents:
            stop(turn, reason, Guard.IPS, _CATEGORY)
        if not self._is_news(turn.flow.facts, turn.now):
            return
        finding = Finding(
            Guard.IPS,
            WEAK_PASSWORD,
            "Weak or default password on an inside device",
            Action.BLOCKED if ruling.prevents else Action.LOGGED,
            grade(Kind.RISK, way(turn.flow.facts, to_server=True)),
            f"{reason} (told only: {ruling.why})" if ruling.why and not ruling.prevents else reason,
            _CATEGORY,
            device,
            direction=Direction.INTERNAL,
        )
        # No context: a URL may hold credentials, too.
        self._journal.tell(
            turn.flow, finding, turn.now, to_server=True, key=(WEAK_PASSWORD,), context=Context()
        )

    def _is_news(self, facts: FlowFacts, now: float) -> bool:
        key = (facts.client, facts.server, facts.server_port)
        before = self._told.get(key)
        if before is not None and 0 <= now - before < _AGAIN:
            return False
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True


def _towards_inside(facts: FlowFacts) -> bool:
    if not facts.client_inside:
        return True
    server = ip_address(facts.server)
    return any(server in network for network in _PRIVATE)
