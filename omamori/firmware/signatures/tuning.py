"""Suricata's `threshold.config`: how often a rule is told, for whom it is not, and what it does when it comes too often.

`Tuned` stands around a rule set and changes its hits; the rules themselves stay as they are written. As in Suricata, a rule's own
`threshold` wins over an `event_filter`, and a suppressed rule still drops where it says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from omamori.firmware.engine.inspection import Inspection
from omamori.firmware.engine.ips.rule import ANYTHING, Group, Rule, RuleAction
from omamori.firmware.engine.ips.ruleset import RuleSet
from omamori.firmware.engine.ips.spans import AddressSet, Resolver, Variables
from omamori.firmware.engine.ips.state import Bounded, Memory, Said, ends, tracked
from omamori.firmware.engine.ips.thresholds import Threshold, ThresholdKind, Track
from omamori.firmware.engine.signatures import RuleHit
from omamori.firmware.signatures.suricata.errors import RuleError
from omamori.firmware.signatures.suricata.header import parse_group

_SIDES = ("by_src", "by_dst", "by_either")
_ACTIONS = {action.value: action for action in RuleAction}


class TuningError(ValueError):
    """A line that is none: its number and the reason."""


@dataclass(frozen=True, slots=True)
class Suppression:
    side: str
    """`by_src`, `by_dst` or `by_either`; empty for everybody."""
    addresses: Group = ANYTHING


@dataclass(frozen=True, slots=True)
class RateFilter:
    """From the match after `count` within `seconds` on, for `timeout` seconds, the rule does `action`."""

    track: Track
    count: int
    seconds: int
    action: RuleAction
    timeout: int


@dataclass(slots=True)
class Tuning:
    """Of one rule, or of all with its group id, or of all."""

    threshold: Threshold | None = None
    rate: RateFilter | None = None
    suppressions: list[Suppression] = field(default_factory=list)


def parse_tuning(text: str) -> dict[tuple[int, int], Tuning]:
    """By (gid, sid), 0 for any. Raises TuningError."""
    found: dict[tuple[int, int], Tuning] = {}
    for number, line in enumerate(text.replace("\\\n", " ").splitlines(), 1):
        bare = line.partition("#")[0].strip()
        if not bare:
            continue
        try:
            kind, _, rest = bare.partition(" ")
            words = _words(rest)
            key = int(words["gen_id"]), int(words["sig_id"])
            _enter(found.setdefault(key, Tuning()), kind, words)
        except RuleError as error:
            raise TuningError(f"line {number}: {error.reason}") from error
        except (KeyError, ValueError) as error:
            raise TuningError(f"line {number}: {error} is missing or wrong") from error
    return found


def _words(text: str) -> dict[str, str]:
    """`name value` pairs at the commas outside brackets."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    pairs = (part.strip().partition(" ") for part in [*parts, text[start:]])
    return {name: value.strip() for name, _, value in pairs}


def _enter(tuning: Tuning, kind: str, words: Mapping[str, str]) -> None:
    match kind:
        case "suppress":
            side = words.get("track", "")
            if side and side not in _SIDES:
                raise ValueError(f"track {side}")
            addresses = parse_group(words["ip"], ports=False) if side else ANYTHING
            tuning.suppressions.append(Suppression(side, addresses))
        case "event_filter" | "threshold":
            kinds = {each.name.lower(): each for each in ThresholdKind}
            tuning.threshold = Threshold(kinds[words["type"]], *_counts(words))
        case "rate_filter":
            action = _ACTIONS[words["new_action"]]
            tuning.rate = RateFilter(*_counts(words), action, int(words["timeout"]))
        case _:
            raise ValueError(kind)


def _counts(words: Mapping[str, str]) -> tuple[Track, int, int]:
    return Track(words["track"]), int(words["count"]), int(words["seconds"])


def tuned(
    rules: Sequence[Rule], variables: Variables, tuning: Mapping[tuple[int, int], Tuning]
) -> "RuleSet | Tuned":
    """The rules ready to be asked, tuned where there is something to tune. Raises SignatureError."""
    ready = RuleSet.build(rules, variables)
    if not tuning:
        return ready
    own = frozenset(rule.sid for rule in rules if rule.threshold is not None)
    return Tuned(ready, tuning, variables, own)


class Tuned:
    """A rule set whose hits are tuned."""

    def __init__(
        self,
        rules: RuleSet,
        tuning: Mapping[tuple[int, int], Tuning],
        variables: Variables,
        own: frozenset[int],
    ) -> None:
        """`own`: ids of the rules with a threshold of their own. Raises SignatureError."""
        self._rules, self._tuning, self._own = rules, tuning, own
        self._memory = Memory()
        self._rates: Bounded[tuple[float, int, float]] = Bounded()
        """(begin of the window, matches in it, since when the other action holds or 0)"""
        resolver = Resolver(variables)
        self._addresses: dict[Group, AddressSet] = {
            each.addresses: resolver.addresses(each.addresses)
            for tuned in tuning.values()
            for each in tuned.suppressions
        }

    @property
    def needs(self) -> frozenset[str]:
        return self._rules.needs

    def sids(self, action: RuleAction) -> frozenset[int]:
        """Ids of the rules with this action that no rate gives another one."""
        rated = {sid for (_, sid), tuning in self._tuning.items() if tuning.rate is not None}
        return frozenset() if 0 in rated else self._rules.sids(action) - rated

    def evaluate(self, inspection: Inspection) -> Sequence[RuleHit]:
        hits = [tuned for hit in self._rules.evaluate(inspection) if (tuned := self._tune(hit, inspection))]
        passes = [hit for hit in hits if hit.action == RuleAction.PASS]
        return passes[:1] or hits

    def _tune(self, hit: RuleHit, inspection: Inspection) -> RuleHit | None:
        for key in ((hit.gid, hit.sid), (hit.gid, 0), (0, 0)):
            tuning = self._tuning.get(key)
            if tuning is None:
                continue
            if tuning.rate is not None and self._is_frequent(hit.sid, tuning.rate, inspection):
                return replace(hit, action=tuning.rate.action.value, rated=True)
            word = self._said(hit, tuning, inspection)
            if word is Said.NOTHING:
                return None
            return hit if word is Said.TELL else replace(hit, told=False)
        return hit

    def _said(self, hit: RuleHit, tuning: Tuning, inspection: Inspection) -> Said:
        """Past a threshold a rule of any action still acts; one that is suppressed only where its writer said so."""
        if any(self._is_suppressed(each, inspection) for each in tuning.suppressions):
            return Said.ACT if hit.action in (RuleAction.DROP, RuleAction.REJECT) else Said.NOTHING
        if tuning.threshold is None or hit.sid in self._own:
            return Said.TELL
        return self._memory.said((hit.gid, hit.sid), tuning.threshold, inspection)

    def _is_suppressed(self, suppression: Suppression, inspection: Inspection) -> bool:
        addresses = self._addresses[suppression.addresses]
        source, destination = ends(inspection)
        match suppression.side:
            case "by_src":
                return source in addresses
            case "by_dst":
                return destination in addresses
            case "by_either":
                return source in addresses or destination in addresses
            case _:
                return True

    def _is_frequent(self, sid: int, rate: RateFilter, inspection: Inspection) -> bool:
        """Counts this match; as `IsThresholdReached` of Suricata 7."""
        key, now = (sid, tracked(rate.track, inspection)), inspection.now
        known = self._rates.get(key)
        if known is None:
            self._rates.keep(key, (now, 1, 0.0))
            return False
        since, count, holds = known
        if holds:
            over = abs(int(now) - holds) > rate.timeout
            self._rates.keep(key, (since, count, 0.0 if over else holds))
            return not over
        within = abs(now - since) <= rate.seconds
        count, since = (count + 1, since) if within else (1, now)
        reached = count > rate.count
        self._rates.keep(key, (since, count, float(int(now)) if reached else 0.0))
        return reached
