"""A VLAN interface without the kernel's 8021q module, which not every build machine has: a TAP device whose frames leave and
come by another port with a tag.

Run as a program: port, tag control (priority and VLAN number). Prints the name of the device once it is there. The kernel takes the
tag off what it receives and tells it beside the frame (PACKET_AUXDATA).
"""

import contextlib
import fcntl
import os
import selectors
import socket
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
SOL_PACKET, PACKET_AUXDATA, HAS_TAG = 263, 8, 0x10
TAG = 0x8100


def tap(name):
    made = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(made, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return made


def wire(port):
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    made.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    made.bind((port, 3))
    return made


def tag_of(beside):
    """None of a frame without."""
    for _, _, data in beside:
        status, _, _, _, _, tag, _ = struct.unpack("=IIIHHHH", data)
        if status & HAS_TAG:
            return tag
    return None


def arrived(packets, tag):
    """A frame of this VLAN that came from elsewhere, untagged; whatever its priority."""
    try:
        frame, beside, _, where = packets.recvmsg(1 << 17, 64)
    except OSError:  # the port is down
        return None
    ours = tag_of(beside)
    return (
        frame
        if where[2] != socket.PACKET_OUTGOING and ours is not None and ours & 0xFFF == tag & 0xFFF
        else None
    )


def deliver(device, frame):
    """A frame for a device that is not up (yet) is lost, as at any port."""
    with contextlib.suppress(OSError):
        os.write(device, frame)


if __name__ == "__main__":
    port, tag = sys.argv[1], int(sys.argv[2])
    name = f"{port}.{tag & 0xFFF}"
    device, packets = tap(name), wire(port)
    print(name, flush=True)
    chosen = selectors.DefaultSelector()
    chosen.register(device, selectors.EVENT_READ)
    chosen.register(packets, selectors.EVENT_READ)
    while True:
        for key, _ in chosen.select():
            if key.fileobj is packets:
                frame = arrived(packets, tag)
                if frame:
                    deliver(device, frame)
            else:
                frame = os.read(device, 1 << 17)
                packets.send(frame[:12] + struct.pack("!HH", TAG, tag) + frame[12:])
