"""What a guest's machine is made of, and QEMU's command line for it.

Plain data: nothing here starts a process or opens a file.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from lab.namespaces import Namespace
from lab.qemu import Qemu
from omamori.image.build import Image

TCG = "tcg,thread=multi"
_SLOTS = {"wan0": 4, "lan0": 5, "mgmt0": 6}
_MACS = {"wan0": "02:0a:0a:00:00:04", "lan0": "02:0a:0a:00:00:05", "mgmt0": "02:0a:0a:00:00:06"}


class Boot(Enum):
    """How the machine starts: through its firmware and boot loader (A/B), or straight into slot A's kernel (fast)."""

    FIRMWARE = "firmware"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Plug:
    """A tap of this name in a namespace, the other end of a guest's port."""

    namespace: Namespace
    name: str


class Disk(Enum):
    """What the guest's disk is connected by, in QEMU's words; `disk` is the drive, and it starts from it."""

    VIRTIO = ("virtio-blk-pci,drive=disk,addr=0x3,bootindex=1",)
    NVME = ("nvme,drive=disk,serial=omamori,addr=0x3,bootindex=1",)
    SATA = ("ide-hd,drive=disk,bus=ide.0,bootindex=1",)
    USB = ("qemu-xhci,id=usb,addr=0x3", "usb-storage,bus=usb.0,drive=disk,bootindex=1")

    def words(self) -> list[str]:
        return [word for device in self.value for word in ("-device", device)]


@dataclass(frozen=True, slots=True)
class Machine:
    """What the guest is made of. `credentials` reach systemd by SMBIOS type 11, as from a factory.

    `secure_boot`: a folder of keys that the machine's firmware knows; it starts nothing that they did not sign.
    `unreadable`: sectors of the disk that cannot be read, as on a flash chip that wears out.
    `tpm`: the machine has a TPM 2.0, whose state lies beside the disk. `stick`: a second disk, which it may only read.
    `card`: QEMU's name of its network cards; only the product has drivers for others than virtio's, and for other disks.
    """

    boot: Boot = Boot.FIRMWARE
    ports: Mapping[str, Plug] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    memory_mib: int = 1024
    accelerator: str = TCG
    secure_boot: Path | None = None
    tpm: bool = False
    uuid: str = "0a0a0a0a-0001-4001-8001-0a0a0a0a0a01"
    unreadable: tuple[int, ...] = ()
    stick: Path | None = None
    card: str = "virtio-net-pci"
    disk: Disk = Disk.VIRTIO


@dataclass(frozen=True, slots=True)
class Run:
    """One time that the machine is on: its files, and what it is connected to.

    `taps`: file descriptors by port, inherited by QEMU; `ssh_port`: of this machine, forwarded to the guest's port 22;
    `tpm`: the socket of the machine's TPM, where it has one. `words`: of the kernel's command line, which the machine adds to
    those of a boot image (SMBIOS, systemd-stub(7)).
    """

    disk: Path
    variables: Path
    console: Path
    control: Path
    taps: Mapping[str, int]
    ssh_port: int
    tpm: Path | None = None
    words: tuple[str, ...] = ()


def command_line(machine: Machine, qemu: Qemu, image: Image, run: Run) -> list[str]:
    """The words that start QEMU."""
    secure = machine.secure_boot is not None
    board = qemu.emulator
    return [
        *qemu.system,
        *("-machine", board.secure_board if secure else board.board, "-accel", machine.accelerator, "-cpu", "host" if "kvm" in machine.accelerator else board.processor),
        *("-smp", "2", "-m", str(machine.memory_mib), "-uuid", machine.uuid),
        *("-nodefaults", "-no-user-config", "-display", "none", "-device", "i6300esb,addr=0x7"),
        *("-chardev", f"file,id=console,path={run.console},append=on", "-serial", "chardev:console"),
        *("-qmp", f"unix:{run.control},server=on,wait=off"),
        *("-device", "virtio-rng-pci,addr=0x8"),
        *("-drive", f"if=none,id=disk,cache=unsafe,{_disk(machine, run)}"),
        *machine.disk.words(),
        *_stick(machine.stick),
        *(_kernel(image) if machine.boot is Boot.DIRECT else _firmware(qemu, run.variables, secure=secure)),
        *_tpm(run.tpm, board.tpm),
        *_smbios(machine.credentials, run.words),
        *_network(run, machine.card),
        *board.devices,
    ]  # fmt: skip


def _disk(machine: Machine, run: Run) -> str:
    """QEMU's blkdebug lies above the disk, so that sectors are counted as the guest counts them."""
    if not machine.unreadable:
        return f"format=qcow2,file={run.disk}"
    errors = "".join(
        f",inject-error.{number}.event=none,inject-error.{number}.iotype=read,inject-error.{number}.errno=5,inject-error.{number}.sector={sector}"
        for number, sector in enumerate(machine.unreadable)
    )
    return f"driver=blkdebug,image.driver=qcow2,image.file.driver=file,image.file.filename={run.disk}{errors}"


def _stick(stick: Path | None) -> list[str]:
    if stick is None:
        return []
    return ["-drive", f"if=none,id=stick,format=raw,readonly=on,file={stick}", "-device", "virtio-blk-pci,drive=stick,addr=0x9"]  # fmt: skip


def _kernel(image: Image) -> list[str]:
    return ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", image.command_line]


def _firmware(qemu: Qemu, variables: Path, *, secure: bool) -> list[str]:
    firmware = qemu.secure_firmware if secure else qemu.firmware
    return [
        *(qemu.emulator.guard if secure else ()),
        *("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={firmware}"),
        *("-drive", f"if=pflash,format=raw,unit=1,file={variables}"),
    ]


def _tpm(socket: Path | None, device: str) -> list[str]:
    if socket is None:
        return []
    return [
        *("-chardev", f"socket,id=tpm-control,path={socket}"),
        *("-tpmdev", "emulator,id=tpm0,chardev=tpm-control", "-device", f"{device},tpmdev=tpm0"),
    ]


def _smbios(credentials: Mapping[str, str], words: tuple[str, ...]) -> list[str]:
    values = [
        f"io.systemd.credential.binary:{name}={base64.b64encode(text.encode()).decode()}"
        for name, text in credentials.items()
    ]
    if words:
        values.append(f"io.systemd.stub.kernel-cmdline-extra={' '.join(words)}")
    return [word for value in values for word in ("-smbios", f"type=11,value={value}")]


def _network(run: Run, model: str) -> list[str]:
    """A port without a plug is a card without a peer: link up, nobody there."""
    words = []
    for port, slot in _SLOTS.items():
        card = f"{model},id={port},mac={_MACS[port]},addr={slot:#x},romfile="
        if port in run.taps:
            words += ["-netdev", f"tap,fd={run.taps[port]},id={port}-net"]
        elif port == "mgmt0":
            forward = f"hostfwd=tcp:127.0.0.1:{run.ssh_port}-:22"
            words += ["-netdev", f"user,id={port}-net,restrict=on,{forward}"]
        peer = f",netdev={port}-net" if port in run.taps or port == "mgmt0" else ""
        words += ["-device", card + peer]
    return words
