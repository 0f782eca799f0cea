"""The parent of the data path: which pack is in force, which worker owns which queues, and what the unit is told.

At any time there is at most one generation serving (new flows), one draining (the flows it already owns) and one loading.
The wanted pack is looked at anew in every round, so starting, swapping, falling back and recovering are one rule:
load what is wanted and not in force. A pack that fails is not tried again until its file changes, or nothing else is left. The kernel forwards
whatever happens here; time without a worker is told as a gap.
"""

import logging
import secrets
import select
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from omamori.firmware.bridge import status
from omamori.firmware.bridge.generation import Assignment, Generation, Load, Pack
from omamori.firmware.bridge.report import Kind
from omamori.firmware.host.firewall import Firewall, FirewallError, Plan, QueuePair
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import SpoolWriter
from omamori.firmware.host.system import notify
from omamori.protocol.messages import Log

_LOG = logging.getLogger(__name__)
_NUMBERS: Final = 1_000_000
"""Detection numbers of one generation."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    load: float = 120.0
    """A pack that takes longer is no use."""
    silence: float = 3.0
    """A worker without a sign of life for so long hangs."""
    drain: float = 60.0
    """How long a replaced worker keeps its flows at most."""
    quiet: float = 5.0
    """A replaced worker that saw no packet for so long is done."""
    farewell: float = 5.0
    status: float = 2.0
    crashes: float = 60.0
    """Three crashes within this make a pack unusable where there is another one."""
    forgive: float = 60.0
    """Where no pack is usable at all, they are tried again after so long."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """The bridge and its ports, and the first of the four queue numbers."""

    bridge: str
    outside: str
    inside: str
    inside_port: int
    first_queue: int = 0


class Supervisor:
    """Call `run`; it returns after `stop`."""

    def __init__(
        self, paths: Paths, wiring: Wiring, load: Load, firewall: Firewall, timing: Timing | None = None
    ) -> None:
        self._paths, self._wiring, self._load, self._firewall = paths, wiring, load, firewall
        self._timing = timing or Timing()
        self._spool = SpoolWriter(paths.spool("bridge"))
        self._totals = status.Totals()
        self._serving: Generation | None = None
        self._draining: Generation | None = None
        self._loading: Generation | None = None
        self._leaving: list[Generation] = []
        self._unusable: set[Pack] = set()
        self._crashes: list[float] = []
        self._generations = secrets.randbelow(5000)
        self._not_before = 0.0
        self._forgive_at = 0.0
        self._next_status = 0.0
        self._gap_since: float | None = time.monotonic()
        self._drain_until = 0.0
        self._stopping = False

    def stop(self) -> None:
        """Safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Supervise until stopped; what was blocked stays blocked afterwards, everything else passes."""
        notify("READY=1")
        while not self._stopping:
            self._wait()
            self._listen()
            self._bury()
            self._watch()
            self._choose_pack()
            self._tell()
        self._leave()

    # --- the rounds ---------------------------------------------------------------------------------------------------

    def _alive(self) -> list[Generation]:
        named = (self._serving, self._draining, self._loading)
        return [generation for generation in named if generation] + self._leaving

    def _wait(self) -> None:
        poll = select.poll()
        for generation in self._alive():
            poll.register(generation.channel, select.POLLIN)
        if any(event & ~select.POLLIN for _, event in poll.poll(250)):
            time.sleep(0.02)  # a closed channel stays ready until its process is reaped

    def _listen(self) -> None:
        for generation in self._alive():
            self._hear(generation)
        if self._loading and self._loading.ready:
            self._put_in_force(self._loading)

    def _hear(self, generation: Generation) -> None:
        for kind, content in generation.records():
            if kind is Kind.DETECTION:
                self._spool.put_line(content)
            elif kind is Kind.LOG:
                self._say("warning", content.decode("utf-8", "replace"))

    def _bury(self) -> None:
        for generation in [one for one in self._alive() if one.exited()]:
            self._hear(generation)
            self._totals.add(generation.counters)
            generation.channel.close()
            if generation is self._loading:
                self._loading = None
                self._not_loaded(generation)
            elif generation is self._serving:
                self._serving = None
                self._crashed(generation)
            elif generation is self._draining:
                self._draining = None
                self._apply()
            else:
                self._leaving.remove(generation)

    def _watch(self) -> None:
        now = time.monotonic()
        for generation in self._alive():
            allowed = self._timing.silence if generation.ready else self._timing.load
            if now - generation.last_sign > allowed:
                self._say(
                    "error", f"worker {generation.pid} gave no sign of life for {allowed:g} s and is killed"
                )
                generation.last_sign = now
                generation.kill()
        drained = self._draining and now - self._draining.last_work > self._timing.quiet
        if self._draining and (drained or now > self._drain_until):
            self._retire_draining()

    def _choose_pack(self) -> None:
        wanted = self._wanted()
        newest = self._loading or self._serving
        if (
            wanted is None
            or (newest and newest.assignment.pack == wanted)
            or time.monotonic() < self._not_before
        ):
            return
        if self._loading:
            self._loading.kill()
            self._leaving.append(self._loading)
            self._loading = None
        if self._draining and self._serving:
            self._retire_draining()
        if not self._leaving:
            self._start(wanted)

    def _tell(self) -> None:
        self._spool.tick()
        now = time.monotonic()
        if now >= self._next_status:
            self._next_status = now + self._timing.status
            notify("WATCHDOG=1")
            self._write_status()

    # --- what follows from what happened ------------------------------------------------------------------------------

    def _wanted(self) -> Pack | None:
        usable = self._usable()
        if not usable and not self._serving and time.monotonic() > self._forgive_at:
            self._unusable.clear()
        return usable[0] if usable else None

    def _usable(self) -> list[Pack]:
        """In the order of preference."""
        found = (Pack.at(path) for path in (self._paths.current_pack, self._paths.factory_pack))
        return [pack for pack in found if pack and pack not in self._unusable]

    def _others(self, pack: Pack) -> bool:
        return any(other != pack for other in self._usable())

    def _start(self, pack: Pack) -> None:
        self._generations += 1
        self._not_before = time.monotonic() + 0.5
        assignment = Assignment(
            pack, self._free_pair(), self._wiring.inside_port, self._generations * _NUMBERS
        )
        try:
            self._loading = Generation(assignment, self._load, [one.channel for one in self._alive()])
        except OSError as error:
            self._say("error", f"no worker could be started: {error}")

    def _free_pair(self) -> QueuePair:
        taken = {one.assignment.pair.owner for one in (self._serving, self._draining) if one}
        owner = 1 if 1 not in taken else 2
        first = self._wiring.first_queue + 2 * (owner - 1)
        return QueuePair(owner, first, first + 1)

    def _put_in_force(self, generation: Generation) -> None:
        before = self._serving, self._draining
        self._loading, self._serving, self._draining = None, generation, before[0] or before[1]
        if not self._apply():
            self._serving, self._draining = before
            generation.end()
            self._leaving.append(generation)
            self._not_before = time.monotonic() + 5.0
            return
        self._drain_until = time.monotonic() + self._timing.drain
        self._say("info", f"pack {generation.version} in force, worker {generation.pid}")
        self._close_gap()

    def _close_gap(self) -> None:
        if self._gap_since is not None:
            seconds = time.monotonic() - self._gap_since
            self._say("warning", f"traffic passed uninspected for {seconds:.1f} s")
            self._gap_since = None
            self._not_before = 0.0

    def _apply(self) -> bool:
        current, draining = (one.assignment.pair if one else None for one in (self._serving, self._draining))
        plan = Plan(self._wiring.bridge, (self._wiring.outside, self._wiring.inside), current, draining)
        try:
            self._firewall.apply(plan)
        except FirewallError as error:
            self._say("error", f"the kernel refused the queue rules: {error}")
            return False
        return True

    def _not_loaded(self, generation: Generation) -> None:
        if generation.no_queues:
            self._not_before = time.monotonic() + 2.0
            self._say("error", f"the queues cannot be had: {generation.failure}")
        else:
            self._refuse(generation, generation.failure or f"the worker ended with {generation.exit_text}")

    def _refuse(self, generation: Generation, why: str) -> None:
        pack = generation.assignment.pack
        self._unusable.add(pack)
        self._forgive_at = time.monotonic() + self._timing.forgive
        kept = f"{self._serving.version} stays in force" if self._serving else "trying the one before"
        self._say("error", f"pack {pack.path.name} cannot be used ({why}); {kept}")

    def _crashed(self, generation: Generation) -> None:
        now = time.monotonic()
        self._gap_since = self._gap_since or now
        self._say(
            "error", f"worker {generation.pid} ended with {generation.exit_text}; traffic passes uninspected"
        )
        self._crashes = [at for at in self._crashes if now - at < self._timing.crashes] + [now]
        if len(self._crashes) >= 3 and self._others(generation.assignment.pack):
            self._crashes = []
            self._refuse(generation, "its worker crashed three times in a row")
        self._not_before = now + 0.2 * min(10, len(self._crashes))

    def _retire_draining(self) -> None:
        retired, self._draining = self._draining, None
        if retired and self._apply():
            retired.end()
            self._leaving.append(retired)
        elif retired:
            self._draining = retired
            self._drain_until = time.monotonic() + self._timing.quiet

    def _leave(self) -> None:
        """Nothing is queued any more, the workers empty their queues, the last messages reach the spool."""
        alive = self._alive()
        self._serving = self._draining = self._loading = None
        self._leaving = alive
        self._apply()
        for generation in alive:
            generation.end()
        deadline = time.monotonic() + self._timing.farewell
        while self._leaving and time.monotonic() < deadline:
            self._wait()
            self._listen()
            self._bury()
        for generation in self._leaving:
            generation.kill()
        self._spool.close()

    # --- telling ------------------------------------------------------------------------------------------------------

    def _say(self, level: str, text: str) -> None:
        _LOG.log(logging.getLevelNamesMapping()[level.upper()], "%s", text)
        self._spool.put(Log(datetime.now(UTC), "bridge", level, text))

    def _write_status(self) -> None:
        named = {"serving": self._serving, "draining": self._draining, "loading": self._loading}
        present = {role: generation for role, generation in named.items() if generation}
        try:
            status.write(self._paths.bridge_status, present, self._totals, lost=self._spool.lost)
        except OSError as error:
            _LOG.warning("status not written: %s", error)
