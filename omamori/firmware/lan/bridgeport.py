"""Opens and closes one port of the bridge by netlink (rtnetlink(7): RTM_SETLINK with IFLA_BRPORT_STATE of linux/if_link.h)."""

from enum import IntEnum
from typing import Final

from omamori.firmware.host import netlink as nl
from omamori.firmware.host import rtnetlink as rt

_PROTINFO: Final = 12
_STATE: Final = 1
_BRIDGE: Final = 7
"""AF_BRIDGE."""


class PortState(IntEnum):
    """linux/if_bridge.h. Without a spanning tree the kernel takes a *blocking* port for one that may forward; *disabled* stays."""

    DISABLED = 0
    FORWARDING = 3


def set_state(index: int, state: PortState) -> None:
    """The port with this interface index. Raises OSError: it is no bridge port, it is down, or a spanning tree owns it."""
    protocol = nl.nested(_PROTINFO, nl.attribute(_STATE, bytes([state])))
    with rt.RouteSocket() as kernel:
        kernel.change(rt.SETLINK, rt.LINK.pack(_BRIDGE, 0, index, 0, 0) + protocol)
