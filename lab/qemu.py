"""Which QEMU to run and how: the tools chroot's (newer, faster under emulation), else this machine's.

The chroot's program runs with its own loader and libraries, so it sees this machine's paths and devices.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from omamori.image.architecture import Architecture, Emulator, here
from omamori.image.errors import BuildHostError
from omamori.image.state import State


@dataclass(frozen=True, slots=True)
class Qemu:
    """Command prefixes and firmware files, and what it emulates."""

    system: tuple[str, ...]
    image_tool: tuple[str, ...]
    firmware: Path
    secure_firmware: Path
    """For Secure Boot: without a shell."""
    variables: Path
    emulator: Emulator

    @classmethod
    def find(cls, state: State, target: Architecture | None = None) -> "Qemu":
        """For a guest of this architecture (else this machine's). Raises BuildHostError when there is none."""
        emulator = (target or here()).emulator
        roots = (state.cache / "tools").glob(f"*/root/usr/bin/{emulator.program}")
        if found := sorted(roots, key=lambda path: path.parents[3].stat().st_mtime):
            return cls._in_chroot(found[-1].parents[2], emulator)
        if not shutil.which(emulator.program):
            raise BuildHostError(
                f"no QEMU: build an image first (omamori image build), or install {emulator.package}"
            )
        return cls._of((emulator.program,), ("qemu-img",), Path("/"), emulator)

    @classmethod
    def _in_chroot(cls, root: Path, emulator: Emulator) -> "Qemu":
        ours = here()
        loader = (str(root / ours.loader), "--library-path", str(root / f"usr/lib/{ours.multiarch}"))
        data = ("-L", str(root / "usr/share/qemu"), "-L", str(root / "usr/share/seabios"))
        return cls._of(
            (*loader, str(root / f"usr/bin/{emulator.program}"), *data),
            (*loader, str(root / "usr/bin/qemu-img")),
            root,
            emulator,
        )

    @classmethod
    def _of(
        cls, system: tuple[str, ...], image_tool: tuple[str, ...], root: Path, emulator: Emulator
    ) -> "Qemu":
        share = root / "usr/share"
        return cls(
            system,
            image_tool,
            firmware=share / emulator.firmware,
            secure_firmware=share / emulator.secure_firmware,
            variables=share / emulator.variables,
            emulator=emulator,
        )
