"""The five protections at work: each looks at what the parsers found and says what it wants done about this packet.

A guard only writes to the round: what becomes of the packet is decided once, by the engine, from all of them.
"""

from omamori.firmware.engine.guards.malware import MalwareGuard
from omamori.firmware.engine.guards.passwords import PasswordGuard
from omamori.firmware.engine.guards.round import Round
from omamori.firmware.engine.guards.rules import RuleGuard
from omamori.firmware.engine.guards.sites import SiteGuard

__all__ = ["MalwareGuard", "PasswordGuard", "Round", "RuleGuard", "SiteGuard"]
