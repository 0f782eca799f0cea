"""Intrusion prevention: rule types, and their evaluation over what the protocol parsers found.

`RuleSet(rules, variables).evaluate(inspection)` is the whole interface; see `ruleset.py`.
"""

from omamori.firmware.engine.ips.rule import Rule, RuleAction, RuleHit
from omamori.firmware.engine.ips.ruleset import RuleSet

__all__ = ["Rule", "RuleAction", "RuleHit", "RuleSet"]
