"""IPS: rules over packets, streams and messages. What a match does is decided by `harm.py` and the settings."""

from dataclasses import replace

from omamori.firmware.engine.applications.layer import Context
from omamori.firmware.engine.conduct import Conduct, Match, Ruling, names_of
from omamori.firmware.engine.guards.round import Round, stop
from omamori.firmware.engine.harm import Judgement, judge
from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.journal import Finding, Journal
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.severity import grade, rule_kind, way
from omamori.firmware.engine.signatures import RuleHit, Signatures
from omamori.protocol.policy import Response
from omamori.protocol.vocabulary import Action, Guard


class RuleGuard:
    """IPS: rules over packets, streams and messages."""

    def __init__(self, settings: Settings, journal: Journal, conduct: Conduct) -> None:
        self._settings, self._journal, self._conduct = settings, journal, conduct

    def inspect(self, turn: Round, signatures: Signatures, inspection: Inspection) -> None:
        if turn.flow.passed or turn.passed:
            return
        for hit in signatures.rules.evaluate(inspection):
            if hit.action == "pass":
                turn.passed, turn.flow.passed = True, not hit.packet_only
                return
            self._hit(turn, hit, inspection)

    def _hit(self, turn: Round, hit: RuleHit, inspection: Inspection) -> None:
        reason = f"{'rate of ' if hit.rated else ''}rule {hit.gid}:{hit.sid}: {hit.message}"
        judgement = judge(hit, from_outside=not turn.flow.facts.client_inside)
        context = turn.context(inspection.transaction)
        ruling = self._ruling(turn, hit, context, judgement)
        if ruling.prevents:
            # Only who wrote `drop` or `reject` chose how much of the flow it is for.
            alone = hit.packet_only and hit.action != "alert"
            stop(turn, reason, Guard.IPS, hit.classtype, packet_only=alone)
        elif ruling.why:
            reason = f"{reason} (told only: {ruling.why})"
        if not hit.told:
            turn.silent += ruling.prevents
            return
        to_server = inspection.to_server
        kind = rule_kind(hit, harmful=judgement.blocks and not ruling.doubted)
        finding = Finding(
            Guard.IPS,
            f"{hit.gid}:{hit.sid}",
            hit.message,
            Action.BLOCKED if ruling.prevents else Action.LOGGED,
            grade(kind, way(turn.flow.facts, to_server=to_server)),
            reason,
            hit.classtype,
            context.subject,
            hit,
        )
        key = self._key(hit, inspection)
        self._journal.tell(turn.flow, finding, turn.now, to_server=to_server, key=key, context=context)

    def _ruling(self, turn: Round, hit: RuleHit, context: Context, judgement: Judgement) -> Ruling:
        """Its `why` also says which row of the table of harm lets it pass."""
        if self._settings.mode is Mode.OBSERVE or hit.sid in self._settings.logged_rules:
            return Ruling(Response.LOG)
        if hit.keeps_state and not self._settings.state_rules_drop:
            return Ruling(Response.LOG, "it only keeps state")
        created = next(iter(hit.metadata.get("created_at", ())), "")
        match = Match(Guard.IPS, f"{hit.gid}:{hit.sid}", names_of(context), created)
        wanted = Response.BLOCK if judgement.blocks else Response.LOG
        ruling = self._conduct.ruling(match, turn.flow, turn.now, wanted)
        return replace(ruling, why=ruling.why or judgement.why)

    def _key(self, hit: RuleHit, inspection: Inspection) -> tuple[object, ...]:
        """What counts as the same match again."""
        if not self._settings.repeat:
            return (hit.gid, hit.sid)
        if inspection.moment is Moment.PACKET:
            facts = inspection.flow
            return (hit.gid, hit.sid, "packet", facts.to_server_packets, facts.to_client_packets)
        if inspection.moment is Moment.STREAM:
            return (hit.gid, hit.sid, "stream", inspection.stream_at + inspection.fresh, inspection.to_server)
        return (hit.gid, hit.sid, "message", inspection.transaction, inspection.to_server)
