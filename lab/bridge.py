"""The data-path process of a unit, run for real between two namespaces: start it, give it packs, read what it says."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.namespaces import PYTHON, Line, wait_until
from omamori.firmware.host.files import write_atomic
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import SpoolReader
from omamori.protocol.messages import Detection, Log, UpBody
from omamori.protocol.version import Version

PRODUCT = (PYTHON, "-m", "omamori.firmware.bridge", "--root")
"""The command that a root directory completes."""


class BridgeProcess:
    """One process in the unit's namespace of a line, with its files below `root`."""

    def __init__(self, line: Line, root: Path, *, command: Sequence[str | Path] = PRODUCT) -> None:
        self.line, self.paths, self.log = line, Paths(root), root / "bridge.log"
        self._command = (*command, root)
        self.process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Started; at the end it is stopped."""
        with self.line.unit.running(*self._command, log=self.log) as self.process:
            yield self.process

    def install(self, content: bytes, *, version: str) -> None:
        """Puts a pack in force the way the updater does: a verified file, then the link."""
        path = self.paths.pack(Version.parse(version))
        write_atomic(path, content)
        link = path.with_name(".current.new")
        link.symlink_to(path.name)
        link.replace(self.paths.current_pack)

    def status(self) -> dict[str, object]:
        """The status file; nobody inspecting where there is none yet."""
        try:
            found = json.loads(self.paths.bridge_status.read_text())
        except FileNotFoundError:
            found = {}
        return {"pack": None, "workers": [], "state": {}, **found}

    def wait_for_pack(self, version: str, *, seconds: float = 20) -> None:
        """Raises TimeoutError."""
        wait_until(
            lambda: self.status()["pack"] == version, seconds=seconds, what=f"pack {version} to be in force"
        )

    def workers(self) -> dict[str, int]:
        """Process ids by role; workers after the first have their number behind it."""
        workers = self.status()["workers"]
        found = workers if isinstance(workers, list) else []
        return {
            worker["role"] + (f"-{worker['index']}" if worker["index"] else ""): worker["pid"]
            for worker in found
        }

    def spooled(self) -> list[UpBody]:
        """Every message left for the agent so far, oldest first."""
        segments = SpoolReader(self.paths.spool("bridge")).segments()
        return [body for segment in segments for body in segment.bodies]

    def detections(self) -> list[Detection]:
        return [body for body in self.spooled() if isinstance(body, Detection)]

    def wait_told(self, text: str, *, times: int = 1, seconds: float = 10) -> None:
        """For a log message with these words. Raises TimeoutError."""

        def often_enough() -> bool:
            return sum(isinstance(body, Log) and text in body.text for body in self.spooled()) >= times

        wait_until(often_enough, seconds=seconds, what=f"the message {text!r}")


def fetch(
    line: Line, path: str, *, where: str | None = None, seconds: float = 10, headers: Sequence[str] = ()
) -> bytes | None:
    """What the LAN host gets from the router's side by HTTP; None where that did not end well in time."""
    named = [part for header in headers for part in ("-H", header)]
    url = f"http://{where or line.wan_address}/{path}"
    done = subprocess.run(
        line.lan.command("curl", "-s", "-g", "-m", f"{seconds:g}", *named, url),
        capture_output=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None
