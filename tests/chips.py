"""TPMs in software that tests talk to without a guest in between: swtpm(8), started for each word with it.

Who talks to it leaves its sessions open; on a unit the kernel's resource manager closes them, here a new process does.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.namespaces import end
from omamori.firmware.host.sealing import Tpm

SHUTDOWN = bytes.fromhex("8001 0000000c 00000145 0000")
"""TPM2_Shutdown(TPM_SU_CLEAR)."""


@dataclass(frozen=True)
class Chip(Tpm):
    """Its state lies in a folder; one without state is a new chip."""

    folder: Path = Path()
    orderly: bool = True
    """Whether it is told before its power goes, as a restart does."""

    def _run(self, verb: str, name: str, content: bytes, *more: str) -> bytes:
        with _powered(self.folder):
            try:
                return super()._run(verb, name, content, *more)
            finally:
                if self.orderly:
                    self._transmit(SHUTDOWN)

    def _transmit(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(10)
            talk.connect(str(self.folder / "s"))
            talk.sendall(command)
            return talk.recv(4096)

    def say(self, command: str) -> bytes:
        """Send it a command in hexadecimal; it is done, or the test fails."""
        with _powered(self.folder):
            answer = self._transmit(bytes.fromhex(command))
            self._transmit(SHUTDOWN)
        assert answer[6:10] == bytes(4), answer.hex()
        return answer


def chip(folder: Path) -> Chip:
    folder.mkdir()
    return Chip(f"swtpm:path={folder / 's'}", folder)


@contextmanager
def _powered(folder: Path) -> Iterator[None]:
    door = folder / "s"
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}", "--flags", "not-need-init,startup-clear"]  # fmt: skip
    channels = ["--server", f"type=unixio,path={door}", "--ctrl", f"type=unixio,path={door}.ctrl"]
    with (folder / "log").open("wb") as said:
        process = subprocess.Popen([*command, *channels], stdout=said, stderr=said)
    try:
        deadline = time.monotonic() + 10
        while not door.exists():
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()  # noqa: PT018 - one fact
            time.sleep(0.005)
        yield
    finally:
        end(process)
        door.unlink(missing_ok=True)
        door.with_name("s.ctrl").unlink(missing_ok=True)
