"""The parent's handle on the naming child: starts it, hears it, kills it when it is silent, and starts another.

Between two children a growing pause; naming that fails for ever costs a line in the log now and then and nothing else.
"""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from omamori.firmware.usage.naming import Load, Task, be_child
from omamori.firmware.usage.records import Beat, Fell, Learned, Ready, receive

_RECORDS: Final = 2_000
"""Taken in one turn; the rest waits or is lost by the child."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    start: float = 60.0
    silence: float = 10.0
    pause: float = 1.0
    longest_pause: float = 300.0


class Nurse:
    """Call `turn` about once a second, and when `fileno` is readable."""

    def __init__(
        self, load: Load, say: Callable[[str, str], None], *, patience: Patience | None = None
    ) -> None:
        self.ready: Ready | None = None
        self.beat = Beat(0, 0, 0)
        self.ended = 0
        """Children that did not end by our will."""
        self._load, self._say, self._patience = load, say, patience or Patience()
        self._channel: socket.socket | None = None
        self._pid = 0
        self._task: Task | None = None
        self._heard = self._born = self._next = 0.0
        self._missed = 0
        self._why = ""
        self._pause = self._patience.pause

    @property
    def pid(self) -> int:
        """0 while there is no child."""
        return self._pid

    def fileno(self) -> int:
        """-1 while there is no child."""
        return self._channel.fileno() if self._channel else -1

    def turn(self, task: Task) -> list[Learned]:
        """Start, restart or kill as it must be; gives what was learned meanwhile."""
        if task != self._task:
            self.stop()
            self._task = task
        if self._channel is None:
            if time.monotonic() >= self._next:
                self._start(task)
            return []
        learned = self._hear()
        if self._channel is not None:
            self._watch()
        return learned

    def missed(self) -> int:
        """Copies lost since the last call, over all children."""
        found, self._missed = self._missed, 0
        return found

    def stop(self) -> None:
        """End the child; the next turn starts another."""
        self._bury()
        self._next = 0.0

    def _start(self, task: Task) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            ours.close()
            be_child(task, theirs, parent, self._load)
        theirs.close()
        ours.setblocking(False)
        self._channel = ours
        self._born = self._heard = time.monotonic()
        self.ready = None
        self.beat = Beat(0, 0, 0)

    def _hear(self) -> list[Learned]:
        assert self._channel is not None  # noqa: S101 - the caller looked
        learned: list[Learned] = []
        try:
            while len(learned) < _RECORDS and (record := receive(self._channel)) is not None:
                self._heard = time.monotonic()
                match record:
                    case Learned():
                        learned.append(record)
                    case Beat():
                        self._missed += max(0, record.missed - self.beat.missed)
                        self.beat = record
                    case Ready():
                        self.ready = record
                    case Fell(why=why):
                        self._why = f", {why}"
        except EOFError:
            self._fell("ended")
        return learned

    def _watch(self) -> None:
        now = time.monotonic()
        allowed = self._patience.silence if self.ready else self._patience.start
        if now - self._heard > allowed:
            self._fell(f"gave no sign of life for {allowed:g} s and was killed")
        elif now - self._born > 10 * self._patience.silence:
            self._pause = self._patience.pause

    def _fell(self, how: str) -> None:
        self.ended += 1
        self._next = time.monotonic() + self._pause
        again = f"the next one starts in {self._pause:g} s"
        self._pause = min(2 * self._pause, self._patience.longest_pause)
        code = self._bury()
        self._say("warning", f"naming of applications {how} ({code}{self._why}); {again}")
        self._why = ""

    def _bury(self) -> str:
        """Close and reap; gives how it ended."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        pid, self._pid = self._pid, 0
        if not pid:
            return "never started"
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # one that only closed its channel would hold us up
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return f"signal {-code}" if code < 0 else f"exit code {code}"
