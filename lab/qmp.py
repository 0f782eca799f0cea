"""QMP: QEMU's control socket, as far as tests need it: keys, cables, power.

Protocol: docs/interop/qmp-spec of QEMU. One JSON object a line; asynchronous events are skipped.
"""

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class QmpError(Exception):
    """QEMU refused a command, or went away."""


class Qmp:
    """A connected control session."""

    def __init__(self, path: Path, *, timeout: float = 20) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._lines.readline()
        self.execute("qmp_capabilities")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 - the answer's shape depends on the command
        """Raises QmpError."""
        request = {"execute": command, "arguments": arguments} if arguments else {"execute": command}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while line := self._lines.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise QmpError(f"{command}: {answer['error'].get('desc', answer['error'])}")
            if "return" in answer:
                return answer["return"]
        raise QmpError(f"{command}: QEMU closed its control socket")
