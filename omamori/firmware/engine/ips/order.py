"""The order of rules: who sets a flowbit comes before who asks for it, then pass, drop, reject, alert, then the text's order."""

from collections.abc import Sequence

from omamori.firmware.engine.ips.rule import BitOp, FlowBits, FlowInt, Rule, RuleAction, XBits

_ACTIONS = {action: rank for rank, action in enumerate(RuleAction)}
_DEEPEST = 12
"""Chains of flowbits longer than this (or circles) end there."""
_ASKS = (BitOp.ISSET, BitOp.ISNOTSET)


def ordered(rules: Sequence[Rule]) -> list[int]:
    """Numbers of `rules` in the order of evaluation."""
    levels = _levels(rules)
    return sorted(
        range(len(rules)), key=lambda number: (levels[number], _ACTIONS[rules[number].header.action], number)
    )


def rank(rule: Rule) -> int:
    return _ACTIONS[rule.header.action]


def _levels(rules: Sequence[Rule]) -> list[int]:
    levels = [0] * len(rules)
    stateful = [(number, *state_names(rule)) for number, rule in enumerate(rules) if rule.state]
    for _ in range(_DEEPEST):
        highest: dict[str, int] = {}
        for number, _asked, changed in stateful:
            for name in changed:
                highest[name] = max(highest.get(name, 0), levels[number])
        moved = False
        for number, asked, changed in stateful:
            wanted = max(
                (highest[name] + 1 for name in asked if name in highest and name not in changed), default=0
            )
            if wanted > levels[number]:
                levels[number], moved = wanted, True
        if not moved:
            break
    return levels


def state_names(rule: Rule) -> tuple[set[str], set[str]]:
    """What it remembers by name: (asked, changed)."""
    asked: set[str] = set()
    changed: set[str] = set()
    for op in rule.state:
        match op:
            case FlowBits():
                (asked if op.op in _ASKS else changed).update(f"flow:{name}" for name in op.names)
            case XBits():
                (asked if op.op in _ASKS else changed).add(f"x:{op.name}")
            case FlowInt():
                (changed if op.op in ("=", "+", "-") else asked).add(f"int:{op.name}")
    return asked, changed
