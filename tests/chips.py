"""TPMs in software that tests talk to without a guest in between: swtpm(8), started for each word with it.

Who talks to it leaves its sessions open; on a unit the kernel's resource manager closes them, here a new process does.
"""

import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.namespaces import end
from omamori.firmware.host.sealing import Tpm

SHUTDOWN = bytes.fromhex("8001 0000000c 00000145 0000")
"""TPM2_Shutdown(TPM_SU_CLEAR)."""
EXTEND = "8002 00000041 00000182 {:08x} 00000009 40000009 0000 00 0000 00000001 000b" + "ab" * 32
"""TPM2_PCR_Extend, SHA-256."""


@dataclass(frozen=True)
class Chip(Tpm):
    """Its state lies in a folder; one without state is a new chip."""

    folder: Path = Path()
    door: Path = Path()
    """Its socket, there while it has power: in a place with a short name, for a socket's may have 107 bytes."""
    orderly: bool = True
    """Whether it is told before its power goes, as a restart does."""
    measured: int | None = None
    """The register into which its machine has measured something else: 7 is another key of Secure Boot, or none."""

    def _run(self, verb: str, name: str, content: bytes, *more: str) -> bytes:
        with self._powered():
            try:
                return super()._run(verb, name, content, *more)
            finally:
                if self.orderly:
                    self._transmit(SHUTDOWN)

    def _transmit(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(10)
            talk.connect(str(self.door))
            talk.sendall(command)
            return talk.recv(4096)

    def say(self, command: str) -> bytes:
        """Send it a command in hexadecimal; it is done, or the test fails."""
        with self._powered():
            answer = self._transmit(bytes.fromhex(command))
            self._transmit(SHUTDOWN)
        assert answer[6:10] == bytes(4), answer.hex()
        return answer

    @contextmanager
    def _powered(self) -> Iterator[None]:
        control, log = self.door.with_suffix(".ctrl"), self.folder / "log"
        command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}", "--flags", "not-need-init,startup-clear"]  # fmt: skip
        channels = ["--server", f"type=unixio,path={self.door}", "--ctrl", f"type=unixio,path={control}"]
        with log.open("wb") as said:
            process = subprocess.Popen([*command, *channels], stdout=said, stderr=said)
        try:
            deadline = time.monotonic() + 10
            while not self.door.exists():
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()  # noqa: PT018 - one fact
                time.sleep(0.005)
            if self.measured is not None:
                self._transmit(bytes.fromhex(EXTEND.format(self.measured)))
            yield
        finally:
            end(process)
            for socket_ in (self.door, control):
                socket_.unlink(missing_ok=True)


def chip(folder: Path) -> Chip:
    """A new one, or the one whose state lies there already."""
    folder.mkdir(exist_ok=True)
    door = Path(tempfile.gettempdir()) / f"chip-{uuid.uuid4().hex}"
    return Chip(f"swtpm:path={door}", folder, door)
