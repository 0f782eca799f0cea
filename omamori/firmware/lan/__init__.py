"""Process 3: which hosts are behind the unit, and is the unit wired right.

Adapters observe (`capture`, `links`); everything between a frame and a verdict is pure: parsers (`ethernet`, `arp`,
`dhcp`, `pppoe`), `sighting`, `inventory` (hosts), `wire` (what each port has shown) and `diagnosis`.
The process listens, asks gently by ARP (`sweep`) and tells; it never changes traffic, and traffic never waits for it.

    LanError
    ├── BadFrame         bytes that are not the frame they claim to be: skipped and counted
    ├── BadInventory     a stored inventory that cannot be read: set aside, the process begins anew
    └── PortMissing      a port or bridge that the kernel does not have
"""

from omamori.firmware.lan.errors import BadFrame, BadInventory, LanError, PortMissing

__all__ = ["BadFrame", "BadInventory", "LanError", "PortMissing"]
