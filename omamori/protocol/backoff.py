"""How long either side waits before it tries again: exponential back-off with full jitter.

After an outage all units come back at once, and a TLS handshake is the fleet's scarce resource; full jitter spreads
them best (Brooker, "Exponential Backoff And Jitter", 2015).
"""

from datetime import timedelta


def full_jitter(failures: int, chance: float, *, first: timedelta, most: timedelta) -> timedelta:
    """The wait after so many failures in a row, between nothing and `min(most, first * 2**(failures - 1))`.

    `chance` is uniform in [0, 1): the caller brings the randomness.
    """
    ceiling = min(most, first * (1 << min(max(failures - 1, 0), 20)))
    return ceiling * chance
