"""All rules of a pack, ready to be asked.

A moment's buffers are searched for literals, which gives candidates; these are confirmed one by one in order of
evaluation. A rule is compiled for confirmation when it first becomes a candidate, so loading costs only the search.
"""

from collections.abc import Iterable, Mapping, Sequence

import hyperscan

from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.ips import literals as choosing
from omamori.firmware.engine.ips import prefilter
from omamori.firmware.engine.ips.candidates import Candidates
from omamori.firmware.engine.ips.compiled import CompiledRule, Key
from omamori.firmware.engine.ips.literals import Literals
from omamori.firmware.engine.ips.moments import PAYLOAD, moments
from omamori.firmware.engine.ips.order import ordered, rank
from omamori.firmware.engine.ips.rule import BitOp, FlowInt, Rule, RuleAction, StateOp
from omamori.firmware.engine.ips.spans import Resolver, Variables
from omamori.firmware.engine.ips.state import Memory, Said
from omamori.firmware.engine.ips.unfiltered import Unfiltered
from omamori.firmware.engine.ips.views import Views
from omamori.firmware.engine.packet import Packet
from omamori.firmware.engine.signatures import RuleHit

_FIRED = 4096
"""Rules remembered as fired for one transaction."""


class RuleSet:
    """Which rules match now. Keeps bounded state (thresholds, xbits) and so belongs to one worker process."""

    def __init__(
        self,
        rules: Sequence[Rule],
        literals: Literals,
        databases: Mapping[str, "hyperscan.Database"],
        variables: Variables | None = None,
        needs: Iterable[str] | None = None,
    ) -> None:
        """`rules` in order of evaluation (a lazy sequence will do); see `build`. Raises SignatureError."""
        self._rules = rules
        self._resolver = Resolver(variables or Variables())
        self._compiled: dict[int, CompiledRule] = {}
        self._memory = Memory()
        self._filters = prefilter.prefilters(literals, databases)
        unfiltered = Unfiltered(
            ((number, rules[number]) for number in literals.unfiltered), self._resolver, set(literals.late)
        )
        self._candidates = Candidates(literals, self._filters, unfiltered, self._possible)
        self._needs = frozenset(needs) if needs is not None else needed(rules)
        self._packet: Packet | None = None
        self._fired_in_packet: set[Key] = set()

    @classmethod
    def build(cls, rules: Sequence[Rule], variables: Variables | None = None) -> "RuleSet":
        """From rules in any order. Raises SignatureError."""
        arranged = [rules[number] for number in ordered(rules)]
        literals = choosing.choose(arranged)
        return cls(arranged, literals, prefilter.compile_all(literals), variables)

    def __len__(self) -> int:
        return len(self._rules)

    @property
    def needs(self) -> frozenset[str]:
        """Buffer names that some rule asks for; a parser need not fill any other."""
        return self._needs

    def sids(self, action: RuleAction) -> frozenset[int]:
        """Ids of the rules with this action."""
        return frozenset(rule.sid for rule in self._rules if rule.header.action is action)

    def silent_groups(self) -> Sequence[str]:
        """Groups whose matcher does not find some of its own literals: empty when all is well."""
        return [key for key, group in sorted(self._filters.items()) if not group.finds_its_own()]

    def evaluate(self, inspection: Inspection) -> Sequence[RuleHit]:
        """Hits in order of precedence: pass, drop, reject, alert. A pass is returned alone, as the last word."""
        candidates, told = self._candidates.find(inspection)
        if not candidates:
            return ()
        views = Views(inspection)
        said = {}
        for number in sorted(candidates):
            rule = self._ready(number)
            if rule.has_said_it(inspection.flow):
                continue
            if number in told or not rule.lacks(inspection, views):
                said[number] = self._hits(number, inspection, views, told=number in told)
        if not said:
            return ()
        matched = [
            (self._compiled[number], word is Said.TELL)
            for number, word in said.items()
            if word is not Said.NOTHING
        ]
        matched.sort(key=lambda each: rank(each[0].rule))
        if matched and matched[0][0].rule.header.action is RuleAction.PASS:
            matched = matched[:1]
        alone = inspection.moment is Moment.PACKET
        return [_hit(each.rule, told=told, packet_only=alone and each.packet_only) for each, told in matched]

    # -- confirmation

    def _ready(self, number: int) -> CompiledRule:
        compiled = self._compiled.get(number)
        if compiled is None:
            compiled = self._compiled[number] = CompiledRule(self._rules[number], self._resolver)
        return compiled

    def _possible(self, number: int, views: Views, names: frozenset[str]) -> bool | None:
        return self._ready(number).possible(views, names)

    def _hits(self, number: int, inspection: Inspection, views: Views, *, told: bool) -> Said:
        """The rule matches and its state is applied: what it wants. A silent alert wants nothing; past its threshold it still acts."""
        compiled = self._ready(number)
        if self._fired(compiled.key, inspection):
            return Said.NOTHING
        rule = compiled.rule
        if rule.state and not self._memory.allows(rule.state, inspection):
            return Said.NOTHING
        if not compiled.matches(inspection, views, told=told) or self._is_old(compiled, inspection):
            return Said.NOTHING
        if rule.detection_filter and self._memory.filtered(number, rule.detection_filter, inspection):
            return Said.NOTHING
        self._remember(compiled.key, inspection)
        self._memory.apply(rule.state, inspection)
        if rule.silent:
            return Said.ACT if rule.header.action in (RuleAction.DROP, RuleAction.REJECT) else Said.NOTHING
        return Said.TELL if rule.threshold is None else self._memory.said(number, rule.threshold, inspection)

    def _fired(self, rule: Key, inspection: Inspection) -> bool:
        """Already for this packet, or for this transaction."""
        if inspection.moment is Moment.TRANSACTION:
            return rule in _fired_for(inspection)
        return (
            inspection.packet is not None
            and inspection.packet is self._packet
            and rule in self._fired_in_packet
        )

    def _remember(self, rule: Key, inspection: Inspection) -> None:
        if inspection.moment is Moment.TRANSACTION:
            fired = _fired_for(inspection)
            if len(fired) < _FIRED:
                fired.add(rule)
            return
        if inspection.packet is not self._packet:
            self._packet, self._fired_in_packet = inspection.packet, set()
        self._fired_in_packet.add(rule)

    def _is_old(self, compiled: CompiledRule, inspection: Inspection) -> bool:
        """A stream match that an earlier moment already showed."""
        if inspection.moment is not Moment.STREAM or compiled.reach > inspection.fresh:
            return False
        if not compiled.rule.sections:
            return False
        if compiled.reach:
            return True
        # Nothing but absences: once for each direction.
        key = ("stream", compiled.key, inspection.to_server)
        seen = key in inspection.flow.rule_memory
        inspection.flow.rule_memory[key] = True
        return seen


def _fired_for(inspection: Inspection) -> set[Key]:
    """Rules that fired for this transaction; only the newest of each direction is kept."""
    memory, key = inspection.flow.rule_memory, ("transaction", inspection.to_server)
    kept = memory.get(key)
    if not isinstance(kept, tuple) or kept[0] != inspection.transaction:
        kept = memory[key] = (inspection.transaction, set())
    fired: set[Key] = kept[1]
    return fired


def _changes(op: StateOp) -> bool:
    """It sets something, rather than asks."""
    if isinstance(op, FlowInt):
        return op.op in ("=", "+", "-")
    return op.op in (BitOp.SET, BitOp.UNSET, BitOp.TOGGLE)


def needed(rules: Iterable[Rule]) -> frozenset[str]:
    """Buffers that these rules look at."""
    return frozenset(name for rule in rules for name in _needs(rule))


def _needs(rule: Rule) -> set[str]:
    where = moments(rule)
    names = {section.buffer for section in rule.sections if section.buffer != PAYLOAD}
    has_payload = any(section.buffer == PAYLOAD for section in rule.sections)
    if has_payload and (where.packet or where.datagram or where.transaction):
        names.add("payload")
    if has_payload and (where.stream or where.transaction):
        names.add("stream")
    if where.event:
        names.add("events")
    return names


def _hit(rule: Rule, *, told: bool, packet_only: bool) -> RuleHit:
    metadata: dict[str, list[str]] = {}
    for key, value in rule.metadata:
        metadata.setdefault(key, []).append(value)
    return RuleHit(
        sid=rule.sid,
        gid=rule.gid,
        rev=rule.revision,
        message=rule.message,
        classtype=rule.classtype,
        priority=rule.priority,
        action=rule.header.action.value,
        metadata=metadata,
        told=told,
        packet_only=packet_only,
        keeps_state=rule.silent and any(map(_changes, rule.state)),
    )
