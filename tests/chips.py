"""TPMs in software that tests talk to without a guest in between: swtpm(8), started for each word with it.

Who talks to it leaves its sessions open; on a unit the kernel's resource manager closes them, here a new process does.
Each goes in order, or the older systemd of a build machine is taken for one that guesses (TPM 2.0 part 1, 19.8).
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


@dataclass(frozen=True)
class Chip(Tpm):
    """Its state lies in a folder; one without state is a new chip."""

    folder: Path = Path()

    def _run(self, verb: str, name: str, content: bytes, *more: str) -> bytes:
        with _powered(self.folder):
            try:
                return super()._run(verb, name, content, *more)
            finally:
                _shut_down(self.folder / "s")


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


def _shut_down(door: Path) -> None:
    """TPM2_Shutdown(TPM_SU_CLEAR)."""
    with socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(10)
        talk.connect(str(door))
        talk.sendall(bytes.fromhex("80010000000c000001450000"))
        assert talk.recv(64).endswith(bytes(4))
