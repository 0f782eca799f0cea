"""The parent of the data path: which pack is in force, which workers own which queues, and what the unit is told.

At any time there is at most one generation serving (new flows), one draining (the flows it already owns) and one loading.
The wanted pack is looked at anew in every round, so starting, swapping, falling back and recovering are one rule:
load what is wanted and not in force. A pack that fails is not tried again until its file changes, or nothing else is left.
Workers that die are forked anew one by one; the others do not notice. The kernel forwards whatever happens here; time without
a worker is told as a gap.
"""

import logging
import secrets
import select
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from omamori.firmware.bridge import status
from omamori.firmware.bridge.beside import Beside
from omamori.firmware.bridge.choice import Choice
from omamori.firmware.bridge.crashes import Crashes
from omamori.firmware.bridge.form import Form
from omamori.firmware.bridge.gaps import Gap, Gaps, Offer
from omamori.firmware.bridge.generation import Generation, Member, Pack
from omamori.firmware.bridge.nursery import Load, Post
from omamori.firmware.bridge.overload import Overload
from omamori.firmware.bridge.report import Kind
from omamori.firmware.bridge.selftest import PASSED, SelfTest
from omamori.firmware.bridge.stillness import Stillness
from omamori.firmware.bridge.wiring import EVERYTHING, Timing, Wiring
from omamori.firmware.host.firewall import Firewall, FirewallError
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.rules import Plan
from omamori.firmware.host.spool import SpoolWriter
from omamori.firmware.host.system import notify
from omamori.protocol.messages import Log

_LOG = logging.getLogger(__name__)
_NUMBERS: Final = 1_000_000
"""Detection numbers of one worker."""


class Supervisor:
    """Call `run`; it returns after `stop`."""

    def __init__(
        self,
        paths: Paths,
        wiring: Wiring,
        load: Load,
        firewall: Firewall,
        timing: Timing | None = None,
        *,
        link: Sequence[str] = (),
        beside: Beside | None = None,
        form: Form | None = None,
    ) -> None:
        """`link`: what was found amiss with the ports."""
        self._form = form or Form()
        self._paths, self._wiring, self._load = paths, wiring, load
        self._timing = timing or Timing()
        self._offer = Offer(firewall, self._timing.look)
        self._beside = beside
        self._spool = SpoolWriter(paths.spool("bridge"))
        self._totals = status.Totals()
        self._serving: Generation | None = None
        self._draining: Generation | None = None
        self._loading: Generation | None = None
        self._leaving: list[Generation] = []
        self._choice = Choice(paths, self._timing.forgive)
        self._crashes = Crashes(self._timing.crashes)
        self._births = secrets.randbelow(5000)
        self._not_before = 0.0
        self._heard_at = 0.0
        self._next_status = 0.0
        self._gaps = Gaps(self._bypassed)
        self._gaps.begin(EVERYTHING)
        self._overload = Overload()
        self._stillness = Stillness()
        self._self_test = SelfTest()
        self._link = tuple(link)
        self._drain_until = 0.0
        self._stopping = False

    def stop(self) -> None:
        """Safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Supervise until stopped; what was blocked stays blocked afterwards, everything else passes."""
        notify("READY=1")
        self._say_gap(self._gaps.before(self._paths.forwarding))
        for found in (*self._link, *filter(None, [self._form.why])):
            self._say("warning", found)
        while not self._stopping:
            self._wait()
            self._heard_at = time.monotonic()
            self._listen()
            self._bury()
            self._watch()
            self._mend()
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
            for descriptor in generation.descriptors():
                poll.register(descriptor, select.POLLIN)
        if self._beside:
            poll.register(self._beside, select.POLLIN)
        if any(event & ~select.POLLIN for _, event in poll.poll(100)):
            time.sleep(0.02)  # a closed channel stays ready until its process is reaped

    def _listen(self) -> None:
        for line in self._beside.work() if self._beside else ():
            self._spool.put_line(line)
        for generation in self._alive():
            self._hear(generation)
        loading = self._loading
        if loading and loading.loaded and not loading.members and not loading.awaited:
            if self._serving:
                self._serving.settle()
            for index in range(self._wiring.workers):
                self._hatch(loading, index)
        if loading and loading.ready:
            self._put_in_force(loading)

    def _hear(self, generation: Generation) -> None:
        generation.hear()
        for member in generation.members.values():
            self._hear_member(generation, member)

    def _hear_member(self, generation: Generation, member: Member) -> None:
        for record in member.records():
            if record.kind is Kind.DETECTION:
                self._spool.put_line(record.content)
            elif record.kind is Kind.LOG:
                self._say("warning", record.content.decode("utf-8", "replace"))
            elif record.kind is Kind.READY and generation is self._serving:
                self._say_gap(self._gaps.end(self._wiring.name(member.index)))
                self._self_test.begin(self._wiring.workers)

    def _bury(self) -> None:
        for generation in self._alive():
            barren = generation.barren()
            for member in [one for one in generation.members.values() if one.told()]:
                self._hear_member(generation, member)
                del generation.members[member.index]
                self._totals.add(member.counters)
                member.close()
                self._ended(generation, member)
            if barren and not generation.members:
                self._finished(generation)

    def _ended(self, generation: Generation, member: Member) -> None:
        if generation is self._serving:
            self._crashed(generation, member)
        elif generation is self._loading:
            generation.lost(member)
            self._not_loaded(generation, busy=member.no_queues)

    def _finished(self, generation: Generation) -> None:
        """Its nursery and all its workers are gone."""
        if generation is self._loading:
            self._not_loaded(generation, busy=False)
        if generation is self._draining:
            self._draining = None
            self._apply()
        if generation is self._serving:
            self._serving = None
        if generation in self._leaving:
            self._leaving.remove(generation)

    def _watch(self) -> None:
        now = time.monotonic()
        if self._loading and now - self._loading.started > self._timing.load:
            self._say("error", f"the pack was not ready after {self._timing.load:g} s")
            self._not_loaded(self._loading, busy=False)
        for generation in self._alive():
            for member in generation.members.values():
                self._watch_member(member, now)
        drained = self._draining and all(
            now - one.last_work > self._timing.quiet for one in self._draining.members.values()
        )
        if self._draining and (drained or now > self._drain_until):
            self._retire_draining()

    def _watch_member(self, member: Member, now: float) -> None:
        # What it said while we were busy ourselves (the kernel's tools took long) was not heard yet.
        silent = self._heard_at - member.last_sign
        if silent <= self._timing.silence or member.exited():
            self._stillness.alive(member.pid)
        elif silent > self._timing.starved or self._stillness.hangs(member.pid):
            self._say("error", f"worker {member.pid} gave no sign of life for {silent:.1f} s and is killed")
            member.last_sign = now
            member.kill()

    def _mend(self) -> None:
        """Workers that are missing are forked anew."""
        serving, now = self._serving, time.monotonic()
        if serving is None or serving.barren():
            return
        for index in range(serving.queues.count):
            missing = index not in serving.members and index not in serving.awaited
            if missing and self._crashes.may_begin(index, now):
                self._hatch(serving, index)

    def _choose_pack(self) -> None:
        wanted = self._choice.wanted(time.monotonic(), serving=self._serving is not None)
        newest = self._loading or self._serving
        in_hand = newest and newest.pack == wanted and self._form.fits(newest) and not newest.barren()
        if wanted is None or in_hand or time.monotonic() < self._not_before:
            return
        if self._loading:
            self._dismiss(self._loading)
            self._loading = None
        if self._draining and self._serving:
            self._retire_draining()
        if not self._leaving:
            self._start(wanted)

    def _tell(self) -> None:
        self._spool.tick()
        if self._self_test.collect() and self._self_test.result != PASSED:
            self._say("error", f"the self-test {self._self_test.result}")
        now = time.monotonic()
        if self._overload.due(now):
            for gap in self._overload.look(self._totals.with_present(self._alive()).uninspected):
                self._gaps.add(gap)
                self._say_gap(gap)
        if now >= self._next_status:
            self._next_status = now + self._timing.status
            notify("WATCHDOG=1")
            self._write_status()

    # --- what follows from what happened ------------------------------------------------------------------------------

    def _start(self, pack: Pack) -> None:
        self._not_before = time.monotonic() + 0.5
        inherited = [part for one in self._alive() for part in one.descriptors()]
        wiring = self._wiring
        memory = wiring.memory // wiring.workers
        ports = wiring.inside_port, wiring.outside_port
        gently = self._serving is not None
        taken = {one.queues.owner for one in (self._serving, self._draining) if one}
        post = Post(wiring.queues(1 if 1 not in taken else 2), *ports, memory, wiring.slowness, gently=gently)
        try:
            self._loading = self._form.generation(pack, post, self._load, inherited)
        except OSError as error:
            self._say("error", f"no worker could be started: {error}")

    def _hatch(self, generation: Generation, index: int) -> None:
        self._births += 1
        generation.hatch(index, self._births * _NUMBERS)

    def _put_in_force(self, generation: Generation) -> None:
        before = self._serving, self._draining
        self._loading, self._serving, self._draining = None, generation, before[0] or before[1]
        if not self._apply():
            self._serving, self._draining = before
            self._dismiss(generation)
            self._not_before = time.monotonic() + 5.0
            return
        self._drain_until = time.monotonic() + self._timing.drain
        pids = ", ".join(str(one.pid) for one in generation.members.values())
        self._say("info", f"pack {generation.version} in force, worker {pids}")
        self._self_test.begin(self._wiring.workers)
        self._say_gap(self._gaps.end_all())

    def _say_gap(self, gap: Gap | None) -> None:
        if gap:
            self._say("warning", gap.text())

    def _apply(self) -> bool:
        current, draining = (one.queues if one else None for one in (self._serving, self._draining))
        plan = Plan(self._wiring.bridge, (self._wiring.outside, self._wiring.inside), current, draining)
        try:
            self._offer.apply(plan)
        except FirewallError as error:
            self._say("error", f"the kernel refused the queue rules: {error}")
            return False
        return True

    def _not_loaded(self, generation: Generation, *, busy: bool) -> None:
        """`busy`: the kernel did not give it its queues, which is not the pack's fault."""
        self._loading = None
        self._dismiss(generation)
        if busy:
            self._not_before = time.monotonic() + 2.0
            self._say("error", f"the queues cannot be had: {generation.failure}")
        elif not (generation.broke and generation.compiled and self._distrust(generation.broke)):
            self._refuse(generation, generation.failure or f"loading ended with {generation.exit_text}")

    def _dismiss(self, generation: Generation) -> None:
        """It was never in force."""
        generation.kill()
        self._leaving.append(generation)

    def _refuse(self, generation: Generation, why: str) -> None:
        self._choice.refuse(generation.pack, why, time.monotonic())
        kept = f"{self._serving.version} stays in force" if self._serving else "trying the one before"
        self._say("error", f"pack {generation.pack.path.name} cannot be used ({why}); {kept}")

    def _crashed(self, generation: Generation, member: Member) -> None:
        now, name = time.monotonic(), self._wiring.name(member.index)
        too_often = self._crashes.ended(member.index, now, crashed=member.exit_code != 0)
        self._mend()  # the next one begins while this is told
        self._gaps.begin(name)
        self._say(
            "error", f"worker {member.pid} ended with {member.exit_text}; traffic passes uninspected ({name})"
        )
        if member.passing:
            self._say("error", f"a packet between {member.passing} ended it; that flow passes from now on")
        if generation.compiled and member.exit_code != 0 and self._form.died(now):
            self._distrust("workers crashed three times within an hour")
        elif too_often and not generation.compiled and self._choice.others(generation.pack):
            self._crashes.forget()
            self._serving = None
            self._leaving.append(generation)
            generation.end()
            self._gaps.begin(EVERYTHING)
            self._refuse(generation, "its worker crashed three times in a row")

    def _distrust(self, why: str) -> bool:
        """Of compiled modules; what is wanted then, Python only, is loaded in the next round. False where that changes nothing."""
        changed = self._form.lost(why)
        if changed:
            self._crashes.forget()
            self._say("error", self._form.why)
        return changed

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

    def _bypassed(self) -> int | None:
        """Packets offered to the queues and not taken, as far as told; None while nothing is queued."""
        offered = self._offer.packets() if self._serving else None
        total = self._totals.with_present(self._alive())
        return None if offered is None else offered - total.packets - total.missed

    def _write_status(self) -> None:
        named = {"serving": self._serving, "draining": self._draining, "loading": self._loading}
        present = {role: generation for role, generation in named.items() if generation}
        try:
            total = self._totals.with_present(self._alive())
            extra = {
                "self_test": self._self_test.result,
                "latency": self._self_test.latency,
                "link": list(self._link),
                "refused": self._choice.refused(),
                "engine": self._form.told(),
            }
            status.write(
                self._paths.bridge_status,
                present,
                total,
                self._gaps,
                lost=self._spool.lost,
                kernel=self._offer.counted(any_blocked=total.blocked > 0),
                extra=extra,
            )
        except OSError as error:
            _LOG.warning("status not written: %s", error)
