"""Everything the engine can refuse; the tree is drawn here.

EngineError
├── PacketError      bytes that are no whole IP packet
└── SignatureError   signatures that cannot be used
"""


class EngineError(Exception):
    """The engine cannot use what it was given."""


class PacketError(EngineError):
    """Not an IPv4 or IPv6 packet, cut short, or with lengths that contradict each other."""


class SignatureError(EngineError):
    """A domain or pattern that cannot be matched; the text names it."""
