"""Intrusion prevention: rule types, and their evaluation over what the protocol parsers found.

`RuleSet(rules, variables).evaluate(inspection)` is the whole interface; see `ruleset.py`.
"""

from omamori.firmware.engine.ips.rule import Rule, RuleAction
from omamori.firmware.engine.ips.ruleset import RuleSet
from omamori.firmware.engine.ips.spans import Variables

__all__ = ["Rule", "RuleAction", "RuleSet", "Variables"]
