"""Process 8 of the unit, gone in a moment: shows the root cause of the wiring's diagnosis on the status lamp.

systemd starts it when the diagnosis has changed, and only where there is such a lamp. The kernel does the blinking: nothing of
ours runs between two changes.
"""
