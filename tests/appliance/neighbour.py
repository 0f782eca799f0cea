"""What a host beside a unit can find out about it."""

from lab.namespaces import PYTHON

ASK = """
import socket, struct, time
question = struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\\7omamori\\5local\\0" + struct.pack("!2H", 1, 1)
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
out.bind(("", 5353))
member = socket.inet_aton("224.0.0.251") + socket.inet_aton("%s")
out.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member[4:])
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
for _ in range(5):
    out.sendto(question, ("224.0.0.251", 5353))
    out.settimeout(3)
    until = time.monotonic() + 3
    try:
        while time.monotonic() < until:
            data, sender = out.recvfrom(4096)
            if data[2] & 0x80 and b"\\7omamori\\5local" in data:
                print(sender[0])
                raise SystemExit
    except TimeoutError:
        pass
"""
"""Whoever answers for `omamori.local` (RFC 6762), by its address."""


def named(side, own):
    """The address that answers for the name, asked from a side by its own address; empty where nobody does."""
    return side.run(PYTHON, "-c", ASK % own).stdout.strip()


def shown(side, address):
    """The page, empty where nobody serves one."""
    found = side.run("curl", "-s", "-m", "60", "-H", "Accept-Language: en", f"http://{address}/", check=False)
    return found.stdout if "<html" in found.stdout else ""


SCAN = """
import asyncio
async def is_open(port):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection("%s", port), 10)
    except OSError:
        return False
    writer.close()
    return True
async def main():
    ports = [*range(1, 1025), *%s]
    for at in range(0, len(ports), 64):
        some = ports[at : at + 64]
        print(*(port for port, found in zip(some, await asyncio.gather(*map(is_open, some))) if found))
asyncio.run(main())
"""


def open_ports(side, address, *beyond):
    """TCP ports that take a connection from there: of the first 1,024, and of those named."""
    said = side.run(PYTHON, "-c", SCAN % (address, beyond), timeout=400).stdout
    return {int(word) for word in said.split()}
