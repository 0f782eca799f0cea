"""WG, UF and APG: sites by the name that a client asks for, in DNS, HTTP or TLS."""

from omamori.firmware.engine.applications.layer import How, SiteAsked
from omamori.firmware.engine.conduct import Conduct, Match
from omamori.firmware.engine.domains import DomainHit, normalised
from omamori.firmware.engine.guards.round import Round, stop
from omamori.firmware.engine.journal import Finding, Journal
from omamori.firmware.engine.severity import Kind, grade, site_kind, way
from omamori.firmware.engine.signatures import Signatures
from omamori.protocol.policy import Response
from omamori.protocol.vocabulary import Action, Guard


class SiteGuard:
    """WG, UF and APG: sites by the name that a client asks for."""

    def __init__(self, journal: Journal, conduct: Conduct) -> None:
        self._journal, self._conduct = journal, conduct

    def asked(self, turn: Round, signatures: Signatures, event: SiteAsked) -> None:
        name = normalised(event.name)
        if name is None:
            return
        for guard, table in signatures.domains.items():
            hit = table.lookup(name)
            if hit is not None:
                self._listed(turn, guard, hit, name, event.how)

    def _listed(self, turn: Round, guard: Guard, hit: DomainHit, name: str, how: How) -> None:
        unwanted = guard is Guard.WG or self._conduct.blocks_category(hit.category)
        match = Match(guard, f"{guard.value}:{hit.domain}", (name,))
        ruling = self._conduct.ruling(
            match, turn.flow, turn.now, Response.BLOCK if unwanted else Response.LOG
        )
        reason = f"{how.value} {name}: {hit.domain} is listed as {hit.category or guard.value}"
        if ruling.prevents:
            stop(turn, reason, guard, hit.category)
        elif ruling.why:
            reason = f"{reason} (told only: {ruling.why})"
        kind = Kind.RISK if ruling.doubted else site_kind(guard, hit.category)
        finding = Finding(
            guard,
            match.signature_id,
            f"{guard.value.upper()} {hit.category}".strip(),
            Action.BLOCKED if ruling.prevents else Action.LOGGED,
            grade(kind, way(turn.flow.facts, to_server=True)),
            reason,
            hit.category,
            name,
        )
        key = (guard, hit.domain)
        self._journal.tell(turn.flow, finding, turn.now, to_server=True, key=key, context=turn.context())
