"""A TPM 2.0 for a guest: swtpm(8), with its state in a folder, so that it outlives the machine's power and can be exchanged."""

import subprocess
import time
from pathlib import Path
from typing import Final

from lab.namespaces import end

_PATIENCE: Final = 20.0


class TpmError(Exception):
    """swtpm did not start; the message is what it said."""


class SoftwareTpm:
    """One chip. A folder without state is a new one, with another seed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where QEMU speaks to it."""
        return self._folder / "control"

    def start(self) -> None:
        """Does nothing where it runs. Raises TpmError, OSError."""
        if self._process and self._process.poll() is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self._folder}", "--ctrl", f"type=unixio,path={self.socket}"]  # fmt: skip
        log = self._folder / "swtpm.log"
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        deadline = time.monotonic() + _PATIENCE
        while not self.socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TpmError(f"swtpm did not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Its state stays. Safe to call twice."""
        if self._process:
            end(self._process)
            self._process = None
