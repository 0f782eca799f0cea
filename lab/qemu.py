"""Which QEMU to run and how: the tools chroot's (newer, faster under emulation), else this machine's.

The chroot's program runs with its own loader and libraries, so it sees this machine's paths and devices.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from omamori.image.errors import BuildHostError
from omamori.image.state import State

_LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True, slots=True)
class Qemu:
    """Command prefixes and firmware files."""

    system: tuple[str, ...]
    image_tool: tuple[str, ...]
    firmware: Path
    variables: Path

    @property
    def secure_firmware(self) -> Path:
        """Without a shell, and with its variables out of the guest's reach: for Secure Boot."""
        return self.firmware.with_name("OVMF_CODE_4M.secboot.fd")

    @classmethod
    def find(cls, state: State) -> "Qemu":
        """Raises BuildHostError when there is none."""
        roots = sorted((state.cache / "tools").glob("*/root"), key=lambda path: path.stat().st_mtime)
        if roots:
            return cls._in_chroot(roots[-1])
        if not shutil.which("qemu-system-x86_64"):
            raise BuildHostError(
                "no QEMU: build an image first (omamori image build), or install qemu-system-x86"
            )
        ovmf = Path("/usr/share/OVMF")
        return cls(("qemu-system-x86_64",), ("qemu-img",), ovmf / "OVMF_CODE_4M.fd", ovmf / "OVMF_VARS_4M.fd")

    @classmethod
    def _in_chroot(cls, root: Path) -> "Qemu":
        libraries = root / _LIBRARIES
        loader = (str(root / "lib64/ld-linux-x86-64.so.2"), "--library-path", str(libraries))
        data = ("-L", str(root / "usr/share/qemu"), "-L", str(root / "usr/share/seabios"))
        return cls(
            (*loader, str(root / "usr/bin/qemu-system-x86_64"), *data),
            (*loader, str(root / "usr/bin/qemu-img")),
            root / "usr/share/OVMF/OVMF_CODE_4M.fd",
            root / "usr/share/OVMF/OVMF_VARS_4M.fd",
        )
