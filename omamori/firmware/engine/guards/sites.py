"""WG, UF and APG: sites by the name or page that a client asks for in DNS, HTTP, TLS or QUIC, and by the address it reaches."""

from dataclasses import dataclass

from omamori.firmware.engine.applications.http_exchange import path_of
from omamori.firmware.engine.applications.layer import How, SiteAsked
from omamori.firmware.engine.conduct import Conduct, Match
from omamori.firmware.engine.domains import listable
from omamori.firmware.engine.guards.round import Round, stop
from omamori.firmware.engine.journal import Finding, Journal
from omamori.firmware.engine.severity import Kind, grade, site_kind, way
from omamori.firmware.engine.signatures import Signatures
from omamori.protocol.policy import Response
from omamori.protocol.vocabulary import Action, Guard

_LONGEST_ID = 72
"""Of a listed URL as far as a signature id carries it."""

TOLD_ONLY = "told only"
"""In the reason of a match that an order of the operator kept from being blocked."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """An entry of a list, and what was asked for that led to it."""

    guard: Guard
    entry: str
    category: str
    asked: str
    by: str
    """How it was asked for, for people."""
    names: tuple[str, ...] = ()


class SiteGuard:
    """Looks up what a client wants in every list."""

    def __init__(self, journal: Journal, conduct: Conduct) -> None:
        self._journal, self._conduct = journal, conduct

    def reached(self, turn: Round, signatures: Signatures) -> None:
        """A flow has begun: the address outside is looked up, towards the inside only among what is dangerous."""
        facts = turn.flow.facts
        outside = facts.server if facts.client_inside else facts.client
        for guard, table in signatures.addresses.items():
            hit = table.lookup(outside)
            if hit is not None and (facts.client_inside or guard is Guard.WG):
                by = "connection to" if facts.client_inside else "connection from"
                self._listed(turn, _Listed(guard, hit.address, hit.category, hit.address, by))

    def asked(self, turn: Round, signatures: Signatures, event: SiteAsked) -> None:
        """A name, and of HTTP the page there."""
        name = listable(event.name)
        if name is None:
            return
        for guard, names in signatures.domains.items():
            hit = names.lookup(name)
            if hit is not None:
                self._listed(turn, _Listed(guard, hit.domain, hit.category, name, event.how.value, (name,)))
        if event.how is How.HTTP:
            self._page(turn, signatures, name, event.target)

    def _page(self, turn: Round, signatures: Signatures, name: str, target: bytes) -> None:
        for guard, urls in signatures.urls.items():
            hit = urls.lookup(name, target)
            if hit is not None:
                asked = name + path_of(target)
                self._listed(turn, _Listed(guard, hit.url, hit.category, asked, "HTTP page", (name,)))

    def _listed(self, turn: Round, listed: _Listed) -> None:
        guard = listed.guard
        unwanted = guard is Guard.WG or self._conduct.blocks_category(listed.category)
        match = Match(guard, f"{guard.value}:{listed.entry[:_LONGEST_ID]}", listed.names)
        wanted = Response.BLOCK if unwanted else Response.LOG
        ruling = self._conduct.ruling(match, turn.flow, turn.now, wanted)
        reason = f"{listed.by} {listed.asked}: {listed.entry} is listed as {listed.category or guard.value}"
        if ruling.prevents:
            stop(turn, reason, guard, listed.category)
        elif ruling.why:
            reason = f"{reason} ({TOLD_ONLY}: {ruling.why})"
        kind = Kind.RISK if ruling.doubted else site_kind(guard, listed.category)
        finding = Finding(
            guard,
            match.signature_id,
            f"{guard.value.upper()} {listed.category}".strip(),
            Action.BLOCKED if ruling.prevents else Action.LOGGED,
            grade(kind, way(turn.flow.facts, to_server=True)),
            reason,
            listed.category,
            listed.asked,
        )
        key = (guard, listed.entry)
        self._journal.tell(turn.flow, finding, turn.now, to_server=True, key=key, context=turn.context())
