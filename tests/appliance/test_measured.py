"""A machine with a TPM measures what it starts: the chip's registers, the firmware's log and the boot image tell the same story."""

import base64
import hashlib
import struct
from collections import defaultdict

import pytest

from omamori.image.parts import sections

SHA256 = 0x000B
MEASURED = (
    ".linux",
    ".osrel",
    ".cmdline",
    ".initrd",
    ".ucode",
    ".splash",
    ".dtb",
    ".uname",
    ".sbat",
    ".pcrpkey",
    ".profile",
)
"""In the order of systemd-stub (systemd-stub(7), PCR 11), which leaves out those that are not there."""
LOG = "/sys/kernel/security/tpm0/binary_bios_measurements"


def extended(register: bytes, digest: bytes) -> bytes:
    return hashlib.sha256(register + digest).digest()


def registers(log: bytes) -> dict[int, bytes]:
    """What the log says the registers hold: TCG PC Client Platform Firmware Profile, section 10, the crypto agile form."""
    # The first event is of the older form, and says which digests follow.
    first = 32 + struct.unpack_from("<I", log, 28)[0]
    assert b"Spec ID Event03" in log[:first]
    (count,) = struct.unpack_from("<I", log, 32 + 24)
    size_of = dict(struct.unpack_from("<HH", log, 32 + 28 + 4 * number) for number in range(count))
    found, at = defaultdict(lambda: bytes(32)), first
    while at < len(log):
        register, kind, digests = struct.unpack_from("<III", log, at)
        at += 12
        for _ in range(digests):
            (algorithm,) = struct.unpack_from("<H", log, at)
            digest = log[at + 2 : at + 2 + size_of[algorithm]]
            at += 2 + size_of[algorithm]
            if algorithm == SHA256 and kind != 3:  # EV_NO_ACTION extends nothing
                found[register] = extended(found[register], digest)
        at += 4 + struct.unpack_from("<I", log, at)[0]
    return found


@pytest.fixture(scope="module")
def chip(host):
    """A register as the TPM has it."""
    return lambda number: bytes.fromhex(host.check_output(f"cat /sys/class/tpm/tpm0/pcr-sha256/{number}"))


def test_the_log_explains_what_the_chip_holds(host, chip):
    told = registers(base64.b64decode(host.check_output(f"base64 {LOG}")))
    for number in (0, 1, 2, 3, 4, 5, 6, 7, 11):
        assert told[number] == chip(number), f"PCR {number}"
    assert len({told[number] for number in (4, 7, 11)}) == 3


def test_the_boot_image_is_measured_and_nothing_else_beside_it(host, chip):
    """Kernel, initrd and the command line, which names the root's hash: another root is another value."""
    image = base64.b64decode(host.check_output("base64 /efi/EFI/Linux/omamori-7.0.0.efi"))
    parts, register = sections(image), bytes(32)
    assert b"roothash=" in parts[".cmdline"]
    for name in MEASURED:
        if name in parts:
            for piece in (name.encode() + b"\0", parts[name]):
                register = extended(register, hashlib.sha256(piece).digest())
    assert register == chip(11)
    assert chip(12) == bytes(32), (
        "command line and credentials from elsewhere; the data's key is bound to it (decision 0036)"
    )
