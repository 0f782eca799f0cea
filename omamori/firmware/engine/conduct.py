"""What is done about a match: the mode, then exemptions, what the operator changed for this rule or guard, and a new rule's first days.

A guard brings what it would do by itself; the answer is what it does, and why not where that differs. An exemption, a
trial and a response of `log` never hide a match: it is told as logged, with the reason. Policies are exchanged while
flows live; a flow that is blocked already stays blocked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from omamori.firmware.engine.applications.layer import Context
from omamori.firmware.engine.flow import Flow
from omamori.firmware.engine.settings import Mode, Settings
from omamori.protocol.ids import Mac
from omamori.protocol.policy import NOTHING_CHANGED, Exemption, Policy, Response
from omamori.protocol.vocabulary import Guard

_Network: TypeAlias = IPv4Network | IPv6Network
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Match:
    """What a guard found, as far as a policy can name it."""

    guard: Guard
    signature_id: str
    names: tuple[str, ...] = ()
    """Sites that the client asked for, normalised."""
    created: str = ""
    """The rule's own `created_at`, as `2026_11_20` or `2026-11-20`."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is done. `why` is empty where the guard does what it would do by itself."""

    response: Response
    why: str = ""
    doubted: bool = False
    """The match is taken for a false alarm, or its rule is not proven yet: it makes no important alert."""

    @property
    def prevents(self) -> bool:
        return self.response is not Response.LOG


@dataclass(frozen=True, slots=True)
class Orders:
    """A policy made ready for look-ups. `hosts` says which inside host holds an address now."""

    policy: Policy = NOTHING_CHANGED
    hosts: Mapping[str, Mac] = field(default_factory=dict, hash=False)


class Conduct:
    """One for each engine; all guards ask it."""

    def __init__(self, settings: Settings) -> None:
        self._mode = settings.mode
        self._settings_categories = settings.blocked_categories
        self.obey(Orders())

    def obey(self, orders: Orders) -> None:
        """From now on. What the policy says that this software does not know is left out."""
        policy = orders.policy
        self._hosts = orders.hosts
        self._trial = policy.trial_days * _DAY
        self._categories = self._settings_categories | {name.lower() for name in policy.blocked_categories}
        self._changes = {
            change.subject: Response(change.response)
            for change in policy.changes
            if change.response in list(Response)
        }
        self._exemptions = [(each, _network(each.destination)) for each in policy.exemptions]

    def blocks_category(self, category: str) -> bool:
        """Whether this customer wants such sites (of UF and APG) blocked."""
        return category.lower() in self._categories

    def ruling(self, match: Match, flow: Flow, now: float, wanted: Response) -> Ruling:
        """`wanted` is what the guard would do by itself."""
        if self._mode is Mode.OBSERVE:
            return Ruling(Response.LOG)
        number = self._exempted(match, flow, now)
        if number is not None:
            return Ruling(Response.LOG, f"exception {number}", doubted=True)
        own = self._changes.get(match.signature_id)
        if own is not None:
            return Ruling(own, "" if own is wanted else f"the operator set this one to {own.value}")
        general = self._changes.get(match.guard.value)
        if general is not None and wanted is not Response.LOG:
            return Ruling(
                general,
                "" if general is wanted else f"the operator set {match.guard.value} to {general.value}",
            )
        if wanted is not Response.LOG and self._is_new(match.created, now):
            return Ruling(Response.LOG, f"new rule of {match.created}", doubted=True)
        return Ruling(wanted)

    def _is_new(self, created: str, now: float) -> bool:
        """A rule that is dated more than a day ahead of the clock shows that the clock is wrong, not that the rule is new."""
        if not (self._trial and created):
            return False
        try:
            day = datetime.strptime(created.replace("_", "-"), "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return False
        return -_DAY <= now - day.timestamp() < self._trial

    def _exempted(self, match: Match, flow: Flow, now: float) -> int | None:
        for exemption, network in self._exemptions:
            if now < exemption.until.timestamp() and self._fits(exemption, network, match, flow):
                return exemption.number
        return None

    def _fits(self, exemption: Exemption, network: _Network | None, match: Match, flow: Flow) -> bool:
        if exemption.rule and exemption.rule != match.signature_id:
            return False
        if exemption.host and self._hosts.get(_text(_inside(flow))) != exemption.host:
            return False
        if network is not None:
            ends = (flow.facts.server, _outside(flow))
            return any(ip_address(end) in network for end in ends)
        return not exemption.destination or any(_below(name, exemption.destination) for name in match.names)


def names_of(context: Context) -> tuple[str, ...]:
    """Sites a conversation is about, for `Match.names`."""
    known = [context.http.get("hostname"), context.tls.get("sni"), *_questions(context.dns)]
    return tuple(str(name).lower().rstrip(".").partition(":")[0] for name in known if name)


def _questions(dns: Mapping[str, object]) -> list[object]:
    query, answer = dns.get("query"), dns.get("answer")
    asked = [*query] if isinstance(query, list) else []
    return [each.get("rrname") for each in (*asked, answer) if isinstance(each, Mapping)]


def _network(destination: str) -> _Network | None:
    try:
        return ip_network(destination)
    except ValueError:
        return None


def _below(name: str, domain: str) -> bool:
    return name == domain or name.endswith("." + domain)


def _inside(flow: Flow) -> bytes:
    return flow.facts.client if flow.facts.client_inside else flow.facts.server


def _outside(flow: Flow) -> bytes:
    return flow.facts.server if flow.facts.client_inside else flow.facts.client


def _text(address: bytes) -> str:
    return str(ip_address(address))
