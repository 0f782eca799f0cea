"""Programs of another processor on this machine: QEMU's user emulation, which the kernel starts for them (binfmt_misc).

The interpreter is the tools chroot's and is opened once, at registration, so it works in every root without being in it. The
registration holds until the machine restarts; nothing is written to its disk. One that the machine has already is used.
"""

import contextlib
from pathlib import Path
from typing import Final

from omamori.image.architecture import Architecture, here
from omamori.image.errors import BuildHostError, ToolFailed
from omamori.image.programs import Chroot, run

BINFMT: Final = Path("/proc/sys/fs/binfmt_misc")
_WHOLE: Final = bytes.fromhex("ffffffffffffff00fffffffffffffffffeffffff")
"""Which bits of a program's beginning count: not the ABI's, and position-independent programs are programs too (elf(5))."""


SEARCHED: Final = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
"""For programs, while a foreign root is made."""
_UNPACKER: Final = """set -eu
native="$1/usr/local/lib/native"
mkdir -p "$native" "$1/usr/local/sbin"
cp -L {loader} {program} "$native"
for name in libz liblzma libzstd libbz2 libmd libc; do cp -L {libraries}/$name.so.? {libraries}/$name.so.?.? "$native" 2>/dev/null || true; done
printf '#!/bin/sh\nexec /usr/local/lib/native/{name} --library-path /usr/local/lib/native /usr/local/lib/native/dpkg-deb "$@"\n' > "$1/usr/local/sbin/dpkg-deb"
chmod 755 "$1/usr/local/sbin/dpkg-deb"
chroot "$1" /usr/local/sbin/dpkg-deb --version > /dev/null
"""
_GONE: Final = 'rm -r "$1/usr/local/lib/native" "$1/usr/local/sbin/dpkg-deb"'


def ready(architecture: Architecture, tools: Path, *, binfmt: Path = BINFMT) -> None:
    """Programs of this architecture can be run in chroots from now on. Raises BuildHostError where the kernel refuses."""
    if not architecture.foreign or _runs(architecture, tools):
        return
    entry = name(architecture)
    try:
        if not (binfmt / "register").exists():
            run(["mount", "-t", "binfmt_misc", "binfmt_misc", binfmt])
        (binfmt / "register").write_bytes(registration(architecture, tools / "root/usr/bin" / entry))
    except (OSError, ToolFailed) as error:
        raise BuildHostError(
            f"programs for {architecture.debian} cannot be run here: the kernel takes no interpreter for them ({error}). It needs "
            f"binfmt_misc, and no entry of another's in {binfmt / entry} (echo -1 to it removes it)"
        ) from error
    if not _runs(architecture, tools):
        raise BuildHostError(
            f"programs for {architecture.debian} do not run here, though {binfmt / entry} is there"
        )


def name(architecture: Architecture) -> str:
    """Of the interpreter and of its entry, where mmdebstrap looks for it."""
    return f"qemu-{architecture.machine}"


def registration(architecture: Architecture, interpreter: Path) -> bytes:
    """What is told to the kernel (Documentation/admin-guide/binfmt-misc.rst): F opens it now, P keeps a program's own name."""
    coded = [
        "".join(f"\\x{byte:02x}" for byte in part) for part in (bytes.fromhex(architecture.magic), _WHOLE)
    ]
    return f":{name(architecture)}:M::{coded[0]}:{coded[1]}:{interpreter}:FP".encode()


def quicker(architecture: Architecture, tools: Path) -> list[str]:
    """Words for mmdebstrap: packages are unpacked by this machine's own `dpkg-deb`, beside the root's while that is made.

    Most of the time of an emulated installation is decompression. The kernel starts the program, whoever asks for it.
    """
    if not architecture.foreign:
        return []
    ours = here()
    libraries = f"{tools}/root/usr/lib/{ours.multiarch}"
    made = _UNPACKER.format(
        loader=f"{tools}/root/{ours.loader}",
        name=Path(ours.loader).name,
        libraries=libraries,
        program=f"{tools}/root/usr/bin/dpkg-deb",
    )
    return [f"--extract-hook={made}", f"--customize-hook={_GONE}", f'--aptopt=DPkg::Path "{SEARCHED}"']


def _runs(architecture: Architecture, tools: Path) -> bool:
    """Tried with its own loader of programs, which came with its C library."""
    with contextlib.suppress(ToolFailed):
        Chroot(tools / "root").run([f"/{architecture.loader}", "--version"], timeout=60)
        return True
    return False
