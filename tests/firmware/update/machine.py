"""A machine's firmware, as far as it starts a boot loader: its variables and a boot partition are files below a directory.

It tries `BootNext` once, then what `BootOrder` names, then the file at the removable path (UEFI 2.10, sections 3.1 and 3.3), reads load
options by its own decoder, refuses what is not signed, and hangs where a program hangs, until somebody switches it off and on.
"""

import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from omamori.firmware.host.paths import Paths

GLOBAL, LOADER = "8be4df61-93ca-11d2-aa0d-00e098032b8c", "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
FIRST, SECOND = "EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"
PARTITION = UUID("6f6d616d-6f72-4969-8000-0000000000aa")
OLD = b"MZ, the boot loader of the factory"
DISK = b"\1\0\0\0\0\0" + "UEFI DISK\0".encode("utf-16-le")
"""An option that firmware makes itself; it stands for the removable path."""
_ATTRIBUTES = b"\7\0\0\0"


class Machine:
    """Fresh from the factory: both copies are there, and the firmware knows the disk only."""

    def __init__(self, root: Path) -> None:
        self.root, self.paths = root, Paths(root)
        self.esp = root / "efi"
        self.variables = root / "sys/firmware/efi/efivars"
        self.signed, self.hangs = {OLD}, set[bytes]()
        self.starts: list[str] = []
        """The copy each start tried, `-` before one that came to nothing."""
        for copy in (FIRST, SECOND):
            self.write(copy, OLD)
        self.variables.mkdir(parents=True)
        self.lose_variables()
        device = root / "sys/class/block/sda1"
        device.mkdir(parents=True)
        for name, value in {"partition": 1, "start": 2048, "size": 1048576}.items():
            (device / name).write_text(f"{value}\n")
        labels = root / "dev/disk/by-partlabel"
        labels.mkdir(parents=True)
        (root / "dev/sda1").touch()
        (labels / "esp").symlink_to("../../sda1")

    def lose_variables(self) -> None:
        for path in self.variables.iterdir():
            path.unlink()
        self.set("Boot0000", DISK)
        self.set("BootOrder", struct.pack("<H", 0))

    def write(self, copy: str, content: bytes) -> None:
        path = self.esp / copy
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def read(self, copy: str) -> bytes:
        return (self.esp / copy).read_bytes()

    def set(self, name: str, content: bytes, vendor: str = GLOBAL) -> None:
        (self.variables / f"{name}-{vendor}").write_bytes(_ATTRIBUTES + content)

    def get(self, name: str) -> bytes:
        path = self.variables / f"{name}-{GLOBAL}"
        return path.read_bytes()[4:] if path.exists() else b""

    def start(self) -> str:
        """The copy that it starts from. Fails where nothing starts."""
        self.starts.clear()
        for _ in range(2):
            for copy in self._tried():
                content = self.read(copy) if (self.esp / copy).exists() else b""
                if content in self.hangs:
                    self.starts.append(f"-{copy}")
                    break  # and off and on again
                if content in self.signed:
                    self.starts.append(copy)
                    self._started(copy)
                    return copy
                self.starts.append(f"-{copy}")
        raise AssertionError(f"bricked: {self.starts}")

    def _tried(self) -> Iterator[str]:
        following, order = self.get("BootNext"), self.get("BootOrder")
        (self.variables / f"BootNext-{GLOBAL}").unlink(missing_ok=True)
        for (number,) in itertools.chain(
            struct.iter_unpack("<H", following), struct.iter_unpack("<H", order)
        ):
            option = self.get(f"Boot{number:04X}")
            yield SECOND if option == DISK else named(option)
        yield SECOND

    def _started(self, copy: str) -> None:
        told = {
            "LoaderImageIdentifier": "\\" + copy.replace("/", "\\"),
            "LoaderDevicePartUUID": str(PARTITION),
        }
        for name, text in told.items():
            self.set(name, f"{text}\0".encode("utf-16-le"), LOADER)


def named(option: bytes) -> str:
    """The file that a load option names on this machine's boot partition."""
    attributes, length = struct.unpack_from("<IH", option)
    end = next(at for at in range(6, len(option), 2) if option[at : at + 2] == b"\0\0")
    assert (attributes, option[6:end].decode("utf-16-le")) == (1, "Omamori")
    path = option[end + 2 :]
    assert len(path) == length
    nodes = []
    while path:
        kind, subtype, size = struct.unpack_from("<BBH", path)
        nodes.append(((kind, subtype), path[4:size]))
        path = path[size:]
    (drive, disk), (file, name), (end_of_path, _) = nodes
    assert (drive, file, end_of_path) == ((4, 1), (4, 4), (0x7F, 0xFF))
    assert struct.unpack("<IQQ16sBB", disk) == (1, 2048, 1048576, PARTITION.bytes_le, 2, 2)
    return name.decode("utf-16-le").removesuffix("\0").removeprefix("\\").replace("\\", "/")
