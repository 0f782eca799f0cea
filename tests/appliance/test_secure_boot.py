"""UEFI Secure Boot: the machine's firmware starts what our keys signed, and nothing else."""

import shutil
import struct
import subprocess
from dataclasses import replace

import pytest

from lab.guest import Guest
from lab.machine import Machine
from omamori.image import secureboot
from omamori.image.packages import Store
from omamori.image.parts import SIGNATURE, partitions, sections
from omamori.image.progress import Lines
from omamori.image.recipe import load
from omamori.image.rootfs import Sources, tools_stage
from omamori.image.stages import Cache
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


@pytest.fixture
def sign(tmp_path):
    """Signs a boot image as a build does, with the `db` of a folder."""
    recipe = load("test")
    tools = Cache(State.of().cache, Lines()).get(tools_stage(recipe, Sources(Store(State.of().packages))))

    def signed(data, keys):
        (tmp_path / "plain.efi").write_bytes(data)
        # The folder of what is to be signed is the one where the signed one comes.
        secureboot.sign("/run/signed/plain.efi", tmp_path / "signed.efi", keys, tools, epoch=recipe.epoch)
        return (tmp_path / "signed.efi").read_bytes()

    return signed


def turned(data):
    """One bit is another one, in the line that says what to start."""
    changed = bytearray(data)
    changed[data.find(sections(data)[".cmdline"])] ^= 1
    return bytes(changed)


def unsigned(data):
    """The certificate table cut off, and its place in the header zeroed (Microsoft PE/COFF, "Optional Header Data Directories")."""
    (header,) = struct.unpack_from("<I", data, 0x3C)
    entry = header + 24 + 112 + 8 * 4
    place, size = struct.unpack_from("<II", data, entry)
    assert place + size == len(data)
    bare = bytearray(data[:place])
    bare[entry : entry + 8] = bytes(8)
    assert SIGNATURE not in sections(bytes(bare))
    return bytes(bare)


def folder_of(name, place):
    """A folder whose `db` is the machine's key of this name."""
    place.mkdir()
    for ending in ("key", "crt"):
        shutil.copyfile(State.of().secure_boot / f"{name}.{ending}", place / f"db.{ending}")
    return place


CHANGES = {
    "one bit": lambda data, _sign, _place: turned(data),
    "no signature": lambda data, _sign, _place: unsigned(data),
    "a stranger's key": lambda data, sign, place: sign(unsigned(data), secureboot.development_keys(place)),
    "the key that exchanges keys": lambda data, sign, place: sign(unsigned(data), folder_of("KEK", place)),
    "the key of the platform": lambda data, sign, place: sign(unsigned(data), folder_of("PK", place)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_kernel_image_that_our_key_did_not_sign_does_not_start(image, kernel, sign, change, tmp_path):
    """The signed boot loader starts, and the firmware refuses what it is told to start next."""
    disk, file, put_back = kernel
    whole = file.read_bytes()
    assert SIGNATURE in sections(whole)
    file.write_bytes(CHANGES[change](whole, sign, tmp_path / "others"))
    put_back()
    with started(image, disk, tmp_path) as guest:
        guest.wait_for_text("Access denied", seconds=120)
        refused = guest.console.read_text(errors="replace")
    assert "Error loading \\EFI\\Linux\\omamori-7.0.0.efi" in refused
    assert "Linux version" not in refused


def test_the_same_kernel_image_signed_again_by_our_key_starts(image, kernel, sign, tmp_path):
    """So what is refused above is refused for its signature, not for how it was changed."""
    disk, file, put_back = kernel
    file.write_bytes(sign(unsigned(file.read_bytes()), State.of().secure_boot))
    put_back()
    with started(image, disk, tmp_path) as guest:
        guest.wait_for_ssh(seconds=300)  # the console has no word of a kernel that is well
        assert "Access denied" not in guest.console.read_text(errors="replace")


def test_words_beside_the_sealed_command_line_start_nothing(image, tmp_path):
    """No signature covers them: the machine's own strings, which a tool of its vendor writes (systemd-stub(7))."""
    with started(image, image.disk, tmp_path) as guest:
        guest.stop()
        guest.start(words=("rdinit=/bin/sh", "systemd.run=/bin/sh", "--"))
        guest.wait(
            lambda: guest.console.read_text(errors="replace").count("other words than the sealed ones") > 1,
            seconds=200,
            what="two starts that were ended",
        )
        guest.stop()
        guest.start()
        guest.wait_for_ssh(seconds=300)


def started(image, disk, place):
    machine = Machine(secure_boot=State.of().secure_boot)
    return Guest(replace(image, disk=disk), place / "guest", machine)
