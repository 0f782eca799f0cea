"""The capability number: what a unit or fleet understands, raised whenever a message gains a field or kind."""

CAPABILITY = 9
