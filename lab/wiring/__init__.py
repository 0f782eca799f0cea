"""Wiring under test: topologies with real parts, every fault and every correct variant, and how the real process judges them.

`topology` builds, `faults` and `variants` say what is built, `trial` runs one and watches the verdict, `report` counts,
`pages` writes the guides out of the table of codes. Engineers' code, never shipped.
"""
