"""The processors an image can be made for: everything that is named differently for each, in one place.

A recipe names one (`architecture = "arm64"`) and writes `{debian}`, `{multiarch}`, `{console}` and `{sha256}` where the names differ;
the stages ask it for the rest. Sources: Debian's `dpkg-architecture -L`, PEP 600 (wheels), UEFI 2.10 section 3.5.1.1 (file
names of boot loaders), the Discoverable Partitions Specification (types of partitions, by systemd-repart's names).
"""

import platform
import re
from dataclasses import dataclass
from typing import Final

from omamori.image.errors import BuildHostError, RecipeError

_GLIBCS: Final = ("_2_34", "_2_28", "_2_17", "2014")
"""Those of wheels that Debian 13's runs, newest first."""
_BOOT: Final = "/usr/lib/systemd/boot/efi"


@dataclass(frozen=True, slots=True)
class Emulator:
    """QEMU for it. Firmware files are below `/usr/share`; `board` and `devices` are words of its command line."""

    package: str
    program: str
    firmware_package: str
    firmware: str
    secure_firmware: str
    variables: str
    board: str
    secure_board: str
    guard: tuple[str, ...] = ()
    """Keeps the variables out of the guest's reach, under Secure Boot."""
    devices: tuple[str, ...] = ()
    """What the other board has by itself."""
    processor: str = "max"
    """The one that is emulated."""
    tpm: str = "tpm-crb"
    """How its board has a TPM."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One processor, by the names of those who name it."""

    debian: str
    multiarch: str
    machine: str
    """The kernel's (`uname -m`) and the wheels'."""
    efi: str
    """In the names of what firmware starts."""
    partitions: str
    """In the names of partition types."""
    console: str
    """Of QEMU's board."""
    sha256: str
    """The kernel module by which the processor computes it."""
    loader: str
    """Of ELF programs."""
    emulator: Emulator
    magic: str
    """How its programs begin, in hexadecimal: 20 bytes of the ELF header, of which `e_machine` tells (elf(5))."""

    @property
    def stub(self) -> str:
        """What makes a kernel a program for firmware."""
        return f"{_BOOT}/linux{self.efi}.efi.stub"

    @property
    def boot_loader(self) -> str:
        return f"{_BOOT}/systemd-boot{self.efi}.efi"

    @property
    def loader_copies(self) -> tuple[str, str]:
        """On the boot partition: the one that the unit names to the firmware, and the one that firmware starts from a disk it does not know."""
        return f"/EFI/systemd/systemd-boot{self.efi}.efi", f"/EFI/BOOT/BOOT{self.efi.upper()}.EFI"

    @property
    def partition_types(self) -> dict[str, str]:
        """Their own, so that the data partition, made at first boot, is found by being the only plain Linux one."""
        return {"root": f"root-{self.partitions}", "hash": f"root-{self.partitions}-verity"}

    @property
    def platforms(self) -> list[str]:
        """Of wheels that run, in order of preference."""
        return [f"manylinux{glibc}_{self.machine}" for glibc in _GLIBCS]

    @property
    def foreign(self) -> bool:
        """Whether this machine cannot run its programs without an interpreter."""
        return self.debian != here().debian

    @property
    def tools(self) -> list[str]:
        """What a chroot of this machine's own programs needs beside the usual ones to make images for it."""
        if not self.foreign:
            return []
        return [
            "qemu-user",
            f"gcc-{self.triplet}",
            f"libc6-dev-{self.debian}-cross",
            f"libpython3-dev:{self.debian}",
        ]

    @property
    def triplet(self) -> str:
        """As compilers call it, in names of packages."""
        return self.multiarch.replace("_", "-")

    def filled(self, text: str) -> str:
        """A recipe's text with its `{names}` said. Raises RecipeError for a name that says nothing."""
        return _NAMED.sub(self._said, text)

    def _said(self, found: re.Match[str]) -> str:
        if found[1] not in _NAMES:
            raise RecipeError(
                f"{found[0]} in {found.string!r} is no name that differs between architectures: {', '.join(_NAMES)}"
            )
        return str(getattr(self, found[1]))


_NAMES: Final = ("debian", "multiarch", "console", "sha256")
_NAMED: Final = re.compile(r"\{([^{}]*)\}")
_ALL: Final = (
    Architecture(
        debian="amd64",
        multiarch="x86_64-linux-gnu",
        machine="x86_64",
        efi="x64",
        partitions="x86-64",
        console="ttyS0",
        sha256="sha256_ssse3",
        loader="lib64/ld-linux-x86-64.so.2",
        magic="7f454c4602010100000000000000000002003e00",
        emulator=Emulator(
            package="qemu-system-x86",
            program="qemu-system-x86_64",
            firmware_package="ovmf",
            firmware="OVMF/OVMF_CODE_4M.fd",
            secure_firmware="OVMF/OVMF_CODE_4M.secboot.fd",
            variables="OVMF/OVMF_VARS_4M.fd",
            board="q35",
            secure_board="q35,smm=on",
            guard=("-global", "driver=cfi.pflash01,property=secure,value=on"),
            processor="max,-erms,-fsrm",  # told that moving single bytes is slow, as it is there, the kernel clears a page in an eighth of the steps
        ),
    ),
    Architecture(
        debian="arm64",
        multiarch="aarch64-linux-gnu",
        machine="aarch64",
        efi="aa64",
        partitions="arm64",
        console="ttyAMA0",
        sha256="sha2_ce",
        loader="lib/ld-linux-aarch64.so.1",
        magic="7f454c460201010000000000000000000200b700",
        emulator=Emulator(
            package="qemu-system-arm",
            program="qemu-system-aarch64",
            firmware_package="qemu-efi-aarch64",
            firmware="AAVMF/AAVMF_CODE.no-secboot.fd",
            secure_firmware="AAVMF/AAVMF_CODE.secboot.fd",
            variables="AAVMF/AAVMF_VARS.fd",
            board="virt",
            secure_board="virt",
            devices=("-device", "virtio-keyboard-pci,addr=0x9"),
            tpm="tpm-tis-device",
        ),
    ),
)


OLDEST: Final = "amd64"
"""Of images that do not say what they are for: there was no other."""


def of(debian: str) -> Architecture:
    """By Debian's name. Raises RecipeError naming those there are."""
    for known in _ALL:
        if known.debian == debian:
            return known
    raise RecipeError(f"no architecture {debian!r}; there are: {', '.join(known.debian for known in _ALL)}")


def here(machine: str = "") -> Architecture:
    """The machine's this runs on, or the one of this name (`uname -m`). Raises BuildHostError where images cannot be made."""
    machine = machine or platform.machine()
    for known in _ALL:
        if known.machine == machine:
            return known
    raise BuildHostError(
        f"images are not made on {machine}; on: {', '.join(known.machine for known in _ALL)}"
    )
