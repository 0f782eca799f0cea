"""QMP: QEMU's control socket, as far as tests need it: keys, cables, power.

Protocol: docs/interop/qmp-spec of QEMU. One JSON object a line; asynchronous events are skipped.
"""

import contextlib
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
        """Raises OSError, or QmpError where QEMU ends meanwhile; nothing is left open then."""
        with contextlib.ExitStack() as opened:
            self._socket = opened.enter_context(socket.socket(socket.AF_UNIX))
            self._socket.settimeout(timeout)
            self._socket.connect(str(path))
            self._lines = opened.enter_context(self._socket.makefile("rb"))
            self._lines.readline()
            self.execute("qmp_capabilities")
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

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
