"""Protocol parsers: bytes of one flow in, facts out. None keeps a packet, asks the time or knows a rule."""
