"""The frame that the unit sends out of one port to learn whether it comes back in at the other. Pure.

Its type is the IEEE's for local experiments (802.1Q 9.2.4), its destination a group address that no host listens to. It names the
run of the process that sent it, so that another unit's probes are not taken for one's own.
"""

from dataclasses import dataclass
from typing import Final

from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.ethernet import mac_octets
from omamori.protocol.ids import Mac

ETHERTYPE: Final = 0x88B5
DESTINATION: Final = Mac("03:6f:6d:61:6d:6f")
_MAGIC: Final = b"omamori-loop\x01"
RUN_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class Returned:
    """A probe that arrived, with the run that sent it."""

    run: bytes


def frame(source: Mac, run: bytes) -> bytes:
    """The whole frame, padded to Ethernet's least length."""
    head = mac_octets(DESTINATION) + mac_octets(source) + ETHERTYPE.to_bytes(2, "big")
    return (head + _MAGIC + run).ljust(60, b"\0")


def parse(payload: bytes) -> Returned:
    """Raises BadFrame."""
    end = len(_MAGIC) + RUN_LENGTH
    if len(payload) < end or not payload.startswith(_MAGIC):
        raise BadFrame("an experiment that is not ours")
    return Returned(payload[len(_MAGIC) : end])
