"""The bridge's ports as the data path needs them: looked at once at start, put right where that disturbs nobody, else told.

| what | why | done |
| --- | --- | --- |
| the ports' MTUs differ | the bridge drops frames over the smaller one in silence (jumbo frames one way) | the smaller is raised |
| receive offload (LRO) is on | the hardware merges packets for good; the other side gets what nobody sent | switched off |
| GRO is off on a network card | each packet is inspected alone: several times the work | switched on |
| tagged frames are not shown to IP rules | a VLAN would pass uninspected | shown |
| checksums | the kernel completes them before a packet is changed, whatever the hardware does | proven by the self-test |

Source: net/bridge/br_forward.c (is_skb_forwardable), linux/ethtool.h, net/bridge/br_netfilter_hooks.c.
"""

import array
import fcntl
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

_SIOCETHTOOL, _SIOCSIFMTU = 0x8946, 0x8922
_GET_FLAGS, _SET_FLAGS, _LRO = 0x25, 0x26, 1 << 15
_GET_GRO, _SET_GRO = 0x2B, 0x2C
_ORDINARY: Final = 1500


def examine(bridge: str, ports: Sequence[str], root: Path = Path("/")) -> tuple[str, ...]:
    """Sentences about what was found amiss and what became of it; empty where all is well. Never raises for one port's sake."""
    return (
        *_mtu(bridge, ports, root),
        *(said for port in ports for said in _offloads(port, root)),
        *_tagged(root),
    )


def mtu(port: str, root: Path = Path("/")) -> int:
    """Raises OSError, ValueError."""
    return int((root / "sys/class/net" / port / "mtu").read_text())


def _mtu(bridge: str, ports: Sequence[str], root: Path) -> Iterator[str]:
    try:
        sizes = {port: mtu(port, root) for port in ports}
    except (OSError, ValueError) as error:
        yield f"the ports' MTUs cannot be read: {error}"
        return
    largest = max(sizes.values())
    for port in (port for port, size in sizes.items() if size < largest):
        done = _tried(partial(_set_mtu, port, largest), "raised")
        yield f"{port} had an MTU of {sizes[port]}, the other port {largest}: {done}"
    if largest > _ORDINARY:
        with_bridge = _bridge_mtu(bridge, root)
        if with_bridge != largest:
            yield f"jumbo frames: {bridge} has an MTU of {with_bridge}, its ports {largest}; its own traffic only"


def _bridge_mtu(bridge: str, root: Path) -> int:
    try:
        return mtu(bridge, root)
    except (OSError, ValueError):
        return 0


def _offloads(port: str, root: Path) -> Iterator[str]:
    try:
        flags, gro = _ethtool(port, _GET_FLAGS), _ethtool(port, _GET_GRO)
    except OSError as error:
        yield f"the offloads of {port} cannot be read: {error}"
        return
    if flags & _LRO:
        done = _tried(partial(_ethtool, port, _SET_FLAGS, flags & ~_LRO), "switched off")
        yield f"{port} merged packets in hardware (LRO): {done}"
    if not gro and (root / "sys/class/net" / port / "device").exists():
        yield f"{port} had no receive merging (GRO): {_tried(partial(_ethtool, port, _SET_GRO, 1), 'switched on')}"


def _tagged(root: Path) -> Iterator[str]:
    switch = root / "proc/sys/net/bridge/bridge-nf-filter-vlan-tagged"
    try:
        if switch.read_text().strip() == "1":
            return
    except OSError as error:
        yield f"frames with a VLAN tag pass uninspected: {error}"
        return
    refused = _tried(partial(switch.write_text, "1"), "")
    if refused:
        yield f"frames with a VLAN tag pass uninspected: {refused}"


def _tried(correct: Callable[[], object], done: str) -> str:
    try:
        correct()
    except OSError as error:
        return f"that cannot be changed ({error})"
    return done


def _set_mtu(port: str, size: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFMTU, struct.pack("16si12x", port.encode(), size))


def _ethtool(port: str, command: int, value: int = 0) -> int:
    """Raises OSError."""
    words = array.array("I", [command, value])
    request = struct.pack("16sP8x", port.encode(), words.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
    return words[1]
