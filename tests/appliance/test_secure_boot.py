"""UEFI Secure Boot: the machine's firmware starts what our keys signed, and nothing else."""

import subprocess
from dataclasses import replace

import pytest

from lab.guest import Guest
from lab.machine import Machine
from omamori.image.parts import SIGNATURE, partitions, sections
from omamori.image.state import State

KERNEL = "::/EFI/Linux/omamori-7.0.0.efi"


def test_the_unit_runs_with_secure_boot_on(host):
    """The site's machine knows only our keys (conftest), so all its tests ran a signed chain."""
    assert host.check_output("od -An -tx1 /sys/firmware/efi/efivars/SecureBoot-*").split()[-1] == "01"
    assert "[integrity]" in host.file("/sys/kernel/security/lockdown").content_string
    assert "Secure boot enabled" in host.check_output("dmesg")


@pytest.fixture
def kernel(image, tmp_path):
    """A copy of the disk, and how to read and replace the kernel image on it."""
    disk = tmp_path / "disk.raw"
    subprocess.run(["cp", "--sparse=always", image.disk, disk], check=True)
    start = next(part.start for part in partitions(disk) if part.name == "esp")

    def copy(source, target):
        words = ["mcopy", "-n", "-o", "-i", f"{disk}@@{start}", source, target]
        subprocess.run(words, check=True, capture_output=True)

    file = tmp_path / "kernel.efi"
    copy(KERNEL, file)
    return disk, file, lambda: copy(file, KERNEL)


def test_a_kernel_image_changed_by_one_bit_does_not_start(image, kernel, tmp_path):
    """The signed boot loader starts, and the firmware refuses what it is told to start next."""
    disk, file, put_back = kernel
    data = bytearray(file.read_bytes())
    assert SIGNATURE in sections(bytes(data))
    data[data.find(sections(bytes(data))[".cmdline"])] ^= 1
    file.write_bytes(data)
    put_back()
    machine = Machine(secure_boot=State.of().secure_boot)
    with Guest(replace(image, disk=disk), tmp_path / "guest", machine) as guest:
        guest.wait_for_text("Access denied", seconds=120)
        refused = guest.console.read_text(errors="replace")
    assert "Error loading \\EFI\\Linux\\omamori-7.0.0.efi" in refused
    assert "Linux version" not in refused
