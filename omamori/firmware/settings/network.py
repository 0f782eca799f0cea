"""The unit's own address by way of systemd-networkd: a drop-in below `/run` for the bridge's file, then networkd reads it again.

Below `/run` alone: whatever happens, a start of the unit begins with what was kept.
"""

import subprocess
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.settings import Fixed, Settings

DROP_IN: Final = "run/systemd/network/40-br0.network.d/50-settings.conf"
"""Below the unit's root."""
_COMMANDS: Final = (("networkctl", "reload"), ("networkctl", "reconfigure", "br0"))


class Network:
    """Puts settings in force. Raises OSError; then `put` may have taken effect in part."""

    def __init__(self, root: Path) -> None:
        self._file = root / DROP_IN

    def put(self, settings: Settings) -> None:
        """Does nothing where they are in force already."""
        wanted = drop_in(settings.fixed) if settings.fixed else None
        if wanted == self._present():
            return
        if wanted is None:
            self._file.unlink(missing_ok=True)
        else:
            files.write_atomic(self._file, wanted, mode=0o644)
        for command in _COMMANDS:
            _run(*command)

    def _present(self) -> bytes | None:
        try:
            return files.read_capped(self._file)
        except FileNotFoundError:
            return None


def drop_in(fixed: Fixed) -> bytes:
    """systemd.network(5). The address is probed before it is used (RFC 5227); the link-local fallback rests."""
    servers = "".join(f"DNS={server}\n" for server in fixed.servers)
    return (
        "# Set on the unit's page.\n"
        f"[Network]\nDHCP=no\nLinkLocalAddressing=ipv6\nGateway={fixed.gateway}\n{servers}"
        f"[Address]\nAddress={fixed.interface}\nDuplicateAddressDetection=ipv4\n"
    ).encode()


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{' '.join(command)} takes too long") from error
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()[:200] or f'exit {done.returncode}'}")
