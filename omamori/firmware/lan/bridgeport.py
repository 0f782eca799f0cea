"""Opens and closes one port of the bridge by netlink (rtnetlink(7): RTM_SETLINK with IFLA_BRPORT_STATE of linux/if_link.h).

Made by hand: the netlink library takes `state` for the interface's own and switches the whole port off.
"""

import os
import socket
import struct
from enum import IntEnum
from typing import Final

_SETLINK: Final = 19
_REQUEST_AND_ACK: Final = 0x01 | 0x04
_ERROR: Final = 2
_PROTINFO_NESTED: Final = 12 | 0x8000
_STATE: Final = 1
_BRIDGE: Final = 7
"""AF_BRIDGE."""


class PortState(IntEnum):
    """linux/if_bridge.h. Without a spanning tree the kernel takes a *blocking* port for one that may forward; *disabled* stays."""

    DISABLED = 0
    FORWARDING = 3


def set_state(index: int, state: PortState) -> None:
    """The port with this interface index. Raises OSError: it is no bridge port, it is down, or a spanning tree owns it."""
    message = request(index, state)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(2)
        netlink.send(message)
        answer = netlink.recv(4096)
    length, kind = struct.unpack_from("=IH", answer)
    if kind == _ERROR and length >= 20:
        (error,) = struct.unpack_from("=i", answer, 16)
        if error:
            raise OSError(-error, f"the bridge port keeps its state: {os.strerror(-error)}")


def request(index: int, state: PortState) -> bytes:
    """The netlink message."""
    value = struct.pack("=HHB3x", 5, _STATE, state)
    body = struct.pack("=BxHiII", _BRIDGE, 0, index, 0, 0)
    body += struct.pack("=HH", 4 + len(value), _PROTINFO_NESTED) + value
    return struct.pack("=IHHII", 16 + len(body), _SETLINK, _REQUEST_AND_ACK, 1, 0) + body
