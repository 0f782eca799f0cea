"""Facts about the running system, and the notify socket of systemd. No dependency; each reads one small file."""

import os
import re
import socket

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol.ids import BootId, boot_id
from omamori.protocol.version import Version

_SLOT = re.compile(r"(?:^|\s)systemd\.verity_root_data=PARTLABEL=root-([ab])(?=\s|$)")
_PARTITION = re.compile(r"^PARTNAME=root-([ab])$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(?:\"([^\"]*)\"|'([^']*)'|(\S*))\s*")


def running_boot(paths: Paths) -> BootId:
    """Raises OSError, IdError."""
    return boot_id(files.read_capped(paths.kernel_boot_id, cap=256).decode("ascii", "replace"))


def os_release(paths: Paths) -> dict[str, str]:
    """The fields of os-release(5); lines that are none are skipped. Raises OSError."""
    text = files.read_capped(paths.os_release).decode("utf-8", "replace")
    found = (_ASSIGNMENT.fullmatch(line) for line in text.splitlines())
    return {match[1]: match[2] or match[3] or match[4] or "" for match in found if match}


def firmware_version(paths: Paths) -> Version:
    """The image's version. Raises OSError, VersionError."""
    return Version.parse(os_release(paths).get("IMAGE_VERSION", ""))


def image_variant(paths: Paths) -> str:
    """The image's variant, or an empty string. Raises OSError."""
    return os_release(paths).get("VARIANT_ID", "")


def running_slot(paths: Paths) -> str:
    """`a`, `b`, or an empty string where the system did not boot from a slot. Raises OSError.

    What lies below the root's own device: after a soft reboot (decision 0031) the kernel's command line still names the slot
    of its start. That is believed where the device does not say.
    """
    device = paths.root.stat().st_dev
    below = paths.root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}/slaves"
    for event in sorted(below.glob("*/uevent")):
        if partition := _PARTITION.search(files.read_capped(event).decode("utf-8", "replace")):
            return partition[1]
    found = _SLOT.search(files.read_capped(paths.kernel_command_line).decode("utf-8", "replace"))
    return found[1] if found else ""


def uptime(paths: Paths) -> float:
    """Seconds since boot. Raises OSError, ValueError."""
    return float(files.read_capped(paths.kernel_uptime, cap=256).split()[0])


def notify(message: str, *, address: str | None = None) -> None:
    """sd_notify(3): `READY=1`, `WATCHDOG=1`, `STATUS=...`. Does nothing where nobody listens."""
    target = address if address is not None else os.environ.get("NOTIFY_SOCKET", "")
    if not target:
        return
    name = f"\0{target[1:]}" if target.startswith("@") else target
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
            notifier.sendto(message.encode(), name)
    except OSError:
        return
