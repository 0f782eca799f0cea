"""A tap device inside a network namespace, without ever appearing in the machine's own.

QEMU inherits its file. The device stays while the guest is off, as a cable does, and ends with the namespace.
"""

import ctypes
import fcntl
import os
import struct
import threading
from pathlib import Path

from lab.namespaces import Namespace

# <linux/if_tun.h>, <linux/sched.h>
_TUNSETIFF = 0x400454CA
_TUNSETPERSIST = 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_CLONE_NEWNET = 0x40000000


def open_tap(inside: Namespace, name: str) -> int:
    """A file of the tap `name` (up) in a namespace, which is made where it is not there yet. Raises OSError."""
    opened: list[int | OSError] = []
    thread = threading.Thread(target=_open, args=(inside, name, opened))
    thread.start()
    thread.join()
    result = opened[0]
    if isinstance(result, OSError):
        raise result
    inside.run("ip", "link", "set", name, "up")
    return result


def _open(inside: Namespace, name: str, opened: list[int | OSError]) -> None:
    """In a thread of its own: the namespace is a thread's, and this one ends."""
    try:
        enter(inside)
        file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
        fcntl.ioctl(file, _TUNSETIFF, request)
        fcntl.ioctl(file, _TUNSETPERSIST, 1)
        opened.append(file)
    except OSError as error:
        opened.append(error)


def enter(inside: Namespace) -> None:
    """Move the calling thread into the namespace for the rest of its life. Raises OSError."""
    with Path(f"/run/netns/{inside.name}").open("rb") as there:
        if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter namespace {inside.name}")
