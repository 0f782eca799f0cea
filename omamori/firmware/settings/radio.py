"""The access point by way of systemd: hostapd's configuration below `/run`, then its service starts, starts again or stops.

The service has started once the radio is on the air. Below `/run` alone, as the unit's address is.
"""

import subprocess
from typing import Final

from omamori.firmware.host import accesspoint, files
from omamori.firmware.host.accesspoint import AccessPoint
from omamori.firmware.host.paths import Paths

SERVICE: Final = "omamori-wifi.service"
_PATIENCE: Final = 120
"""Seconds; the service itself gives up after 90."""


class RadioFailed(OSError):  # noqa: N818 - what happened
    """The access point did not come up; the configuration stays written."""


class Radio:
    """Puts an access point in force."""

    def __init__(self, paths: Paths) -> None:
        self._file, self._radio = paths.hostapd, paths.radio

    @property
    def present(self) -> bool:
        return self._radio.exists()

    def put(self, wanted: AccessPoint | None, *, wait: bool) -> None:
        """Does nothing where it is in force already. Raises RadioFailed (where it waits), OSError."""
        text = accesspoint.configuration(wanted) if wanted else None
        if text == self._written():
            return
        if text is None:
            self._file.unlink(missing_ok=True)
            _systemctl("stop")
            return
        files.write_atomic(self._file, text, mode=0o600)
        _systemctl("restart", *(() if wait else ("--no-block",)))

    def _written(self) -> bytes | None:
        try:
            return files.read_capped(self._file)
        except FileNotFoundError:
            return None


def _systemctl(*words: str) -> None:
    command = ["systemctl", *words, SERVICE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise RadioFailed(f"{' '.join(command)} takes too long") from error
    if done.returncode:
        raise RadioFailed(f"{' '.join(command)}: {done.stderr.strip()[:200] or f'exit {done.returncode}'}")
