"""Process 7 of the unit, short-lived: tries what somebody wants to change on the unit's page, and takes it back by itself.

It runs as root, started by systemd when the page has left an order. It alone knows the code on the label, counts wrong ones,
judges the order anew, and keeps a change only once the fleet was reached with it. Decision 0019.
"""
