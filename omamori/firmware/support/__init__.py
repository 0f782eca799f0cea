"""Process 8 of the unit, only while a support key holds: lets its holder into a shell that may look and change nothing.

It obeys the grant (host/grant.py) and judges nothing. It opens no port: it calls the fleet's relay and hands the stream to an
SSH server on standard input, in its own user without any right, which believes the one key of the grant. Decision 0029.
"""
