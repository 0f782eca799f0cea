"""UDP port scans: many ports of one host that a source tries within a minute and that send no datagram back.

Datagrams have no handshake, so most of what goes unanswered is innocent, and is left out here: an answer that comes late (a resolver's
after the kernel forgot the question), what is sent to many at once, traceroute, media of calls on hold. One port at many hosts
is none at all: so look pollers of printers, peers of file sharing, resolvers, time and QUIC where it is not let through. An ICMP error
is no answer: a closed port is as telling as a silent one.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from omamori.firmware.engine.scans import Kind, Knock, Suspicion, Watch

_SERVICES: Final = 10_000
"""Ports below are services; above, calls, games and peers agree on ports of their own each time."""
_PRIVILEGED: Final = 1024
SERVICES_OUTSIDE, SERVICES_INSIDE = 15, 30
"""Silent service ports of one host that are no longer ordinary, of a source outside and inside."""
ALL_OUTSIDE, ALL_INSIDE = 100, 150
"""The same of ports of any kind: as many calls as nobody begins within a minute."""
_ANSWERING: Final = frozenset((1194, 1900, 3478, 3702, 4500, 5060, 5061, 5353, 51820))
"""Ports beyond the privileged ones that services send from; what comes from such a port to a high one is an answer."""
_TRACEROUTE: Final = range(33_434, 33_700)


def watch() -> Watch:
    """Of datagrams: `asked` only what `counts`, `answered` every first datagram that came back."""
    return Watch(of_datagrams, logins=False)


def counts(knock: Knock, source_port: int) -> bool:
    """Whether the first datagram of a flow, from this port, may be part of a scan."""
    if _goes_to_many(knock.server) or knock.port in _TRACEROUTE:
        return False
    answers = source_port < _PRIVILEGED or source_port in _ANSWERING
    return not (answers and knock.port >= _PRIVILEGED)


def of_datagrams(client: bytes, silent: Sequence[tuple[bytes, int]], inside: bool) -> list[Suspicion]:  # noqa: FBT001 - a direction, as everywhere
    """What targets amount to that did not answer."""
    services, everything = (SERVICES_INSIDE, ALL_INSIDE) if inside else (SERVICES_OUTSIDE, ALL_OUTSIDE)
    low = Counter(server for server, port in silent if port < _SERVICES)
    for counted, limit in ((low, services), (Counter(server for server, _ in silent), everything)):
        for server, count in counted.most_common(1):
            if count >= limit:
                return [Suspicion(Kind.DATAGRAMS, client, server, None, inside, count)]
    return []


def _goes_to_many(address: bytes) -> bool:
    """Multicast, or a broadcast as far as an address shows it."""
    if len(address) == 16:
        return address[0] == 0xFF
    return address[0] >= 224 or address[3] == 255
