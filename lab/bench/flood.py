"""A flood of the smallest datagrams at a fixed rate: `python -m lab.bench.flood ADDRESS RATE`, until it is stopped.

Twenty go to one port, then it is the next one's turn, so that nobody who inspects can be done with a flow. Only addresses
of test networks are taken (RFC 1918, 5737), and it ends by itself after a minute.
"""

import contextlib
import ipaddress
import socket
import sys
import time
from typing import Final

_PAYLOAD: Final = bytes.fromhex("9c1f7be2065d43a8f0916e2bd7c43a8857e1")
"""With UDP, IP and Ethernet headers and the check sum, a frame of 64 bytes."""
_BURST: Final = 20
_FIRST_PORT, _PORTS = 20_000, 20_000
_LONGEST: Final = 60.0


def main() -> None:
    """Send."""
    address, rate = ipaddress.ip_address(sys.argv[1]), int(sys.argv[2])
    if not address.is_private:
        raise SystemExit(f"{address} is not an address of a test network")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        _send(sender, str(address), rate)


def _send(sender: socket.socket, address: str, rate: int) -> None:
    begun = time.monotonic()
    sent = 0
    while (elapsed := time.monotonic() - begun) < _LONGEST:
        if sent >= elapsed * rate:
            time.sleep(_BURST / rate)
            continue
        target = (address, _FIRST_PORT + sent // _BURST % _PORTS)
        for _ in range(_BURST):
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                sender.sendto(_PAYLOAD, target)
        sent += _BURST


if __name__ == "__main__":
    main()
