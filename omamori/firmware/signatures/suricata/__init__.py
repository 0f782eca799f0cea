"""The Suricata 7 rule language: text in, rule values out.

Errors: RuleError (with line, column, reason) <- RuleSyntaxError (text that is no rule), Unsupported (a keyword, protocol or
buffer that this engine does not carry; it names which).
"""

from omamori.firmware.signatures.suricata.errors import RuleError, RuleSyntaxError, Unsupported
from omamori.firmware.signatures.suricata.files import Parsed, Refusal, parse_rules
from omamori.firmware.signatures.suricata.parser import parse_rule

__all__ = ["Parsed", "Refusal", "RuleError", "RuleSyntaxError", "Unsupported", "parse_rule", "parse_rules"]
