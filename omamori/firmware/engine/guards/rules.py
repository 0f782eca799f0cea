"""IPS: rules over packets, streams and messages. What a match does is decided by `harm.py` and the settings."""

from omamori.firmware.engine.guards.round import Round, stop
from omamori.firmware.engine.harm import judge
from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.journal import Finding, Journal, rule_severity
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.signatures import RuleHit, Signatures
from omamori.protocol.vocabulary import Action, Guard


class RuleGuard:
    """IPS: rules over packets, streams and messages."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings, self._journal = settings, journal

    def inspect(self, turn: Round, signatures: Signatures, inspection: Inspection) -> None:
        if turn.flow.passed:
            return
        for hit in signatures.rules.evaluate(inspection):
            if hit.action == "pass":
                turn.flow.passed = True
                return
            self._hit(turn, hit, inspection)

    def _hit(self, turn: Round, hit: RuleHit, inspection: Inspection) -> None:
        reason = f"rule {hit.gid}:{hit.sid}: {hit.message}"
        judgement = judge(hit, from_outside=not turn.flow.facts.client_inside)
        prevents = self._settings.mode is Mode.PREVENT and hit.sid not in self._settings.logged_rules
        blocks = prevents and judgement.blocks
        if blocks:
            stop(turn, reason)
        elif prevents:
            reason = f"{reason} (told only: {judgement.why})"
        if not hit.told:
            turn.silent += blocks
            return
        to_server = inspection.to_server
        context = turn.context(inspection.transaction)
        finding = Finding(
            Guard.IPS,
            f"{hit.gid}:{hit.sid}",
            hit.message,
            Action.BLOCKED if blocks else Action.LOGGED,
            rule_severity(turn.flow, hit.classtype, to_server=to_server, harmful=judgement.blocks),
            reason,
            hit.classtype,
            context.subject,
            hit,
        )
        key = self._key(hit, inspection)
        self._journal.tell(turn.flow, finding, turn.now, to_server=to_server, key=key, context=context)

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
