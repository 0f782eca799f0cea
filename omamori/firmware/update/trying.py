"""One version's trial as its userspace and the one before it see it: ordered, judged, and told how it was tried."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from omamori.firmware.update import gate, health, soft, uki
from omamori.firmware.update.errors import UpdateError
from omamori.firmware.update.machine import Journal
from omamori.firmware.update.report import Memory, Verdict
from omamori.firmware.update.slots import Entry
from omamori.firmware.update.staging import Bundle
from omamori.firmware.update.world import World
from omamori.protocol.ids import BootId
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase


class Trying:
    """Of the version that runs in this boot; a soft trial shares the boot with the version before it."""

    def __init__(self, world: World, memory: Memory, boot: BootId, version: Version) -> None:
        self._world, self._memory, self._boot, self._version = world, memory, boot, version

    def order(self, version: Version | None) -> None:
        """Try a staged version: softly where it was found to fit. Raises OSError where nothing can be ordered."""
        following = soft.staged(self._world.paths, version)
        if following is None or not self._take_over(following):
            self._world.reboot()

    def _take_over(self, following: soft.Next) -> bool:
        """False where it cannot be had; a restart of the machine always can."""
        paths = self._world.paths
        try:
            soft.begin(paths, following)
            self._world.soft_reboot()
        except OSError as error:
            self._memory.say("warning", f"{following.version} cannot be tried without a restart: {error}")
            soft.end(paths)
            return False
        return True

    def forget(self) -> None:
        """What is being staged is something else. Raises OSError."""
        soft.forget(self._world.paths)

    def remember(
        self, opened: Bundle, slot: str, running: Entry | None, custom: Mapping[str, object] | None
    ) -> str:
        """After staging: how it will be tried, in words."""
        if opened.manifest.version < self._version:
            return "by a restart: it is the older one"
        try:
            why = soft.remember(self._world.paths, self._world.disk, running, opened, slot, custom)
        except OSError as error:
            why = str(error)
        return f"by a restart: {why}" if why else "without one"

    def softly(self) -> bool:
        """Whether the version that runs took over in a running kernel."""
        return soft.tried(self._world.paths) == self._version

    def missed(self) -> bool:
        """Whether a soft reboot ended where it began: the root before it runs still."""
        paths = self._world.paths
        return soft.tried(paths) not in {None, self._version} and not soft.leaving(paths)

    def verdict(self) -> Verdict | None:
        """What the gate said of this version in this boot."""
        found = self._memory.verdict()
        return found if found and (found.boot, found.version) == (self._boot, self._version) else None

    def healthy(self) -> bool:
        """The gate has spoken, and found nothing."""
        verdict = self.verdict()
        return verdict is not None and not verdict.reason

    def judge(self, patience: float, *, fleet_required: bool, keep: bool = True, trial: bool = False) -> str:
        """`keep` is false while what the last gate said is still to be told. A disk that takes no word of it changes nothing about the verdict."""
        before = self._memory.before(self._version) if trial else None
        guarded: list[datetime] = []

        def seen(now: gate.Seen) -> None:
            if not guarded and gate.guards(now):
                guarded.append(self._world.now())

        since = before.time if before and self.softly() else None
        known = before or (health.assumed(self._version, self._world.now()) if trial else None)
        wrong = health.wait(
            self._world, patience, fleet_required=fleet_required, before=known, seen=seen, since=since
        )
        if keep:
            now, first = self._world.now(), next(iter(guarded), None)
            try:
                self._memory.keep_verdict(Verdict(self._boot, self._version, wrong, now, first))
            except UpdateError as error:
                self._memory.say("error", str(error))
        self._memory.say("error" if wrong else "info", f"{self._version}: {wrong or 'healthy'}")
        return wrong

    def bless(self, entry: Entry | None, slot: str) -> None:
        """A soft trial was counted by no boot loader, so nobody else keeps it. Raises SlotProblem."""
        if entry and entry.slot == slot and entry.tries and self.softly() and self.healthy():
            self._world.disk.rename(entry, uki.blessed(entry.name))

    def give_up(self, entry: Entry | None, slot: str) -> None:
        """Leave the trial's entry no tries: the next start takes the old slot at once, sparing the network two outages. Raises SlotProblem."""
        if entry and entry.slot == slot:
            self._world.disk.rename(entry, uki.exhausted(entry.name))

    def told(self, journal: Journal) -> Journal:
        """A settled journal, said aloud; with how the version that is now committed was tried."""
        text = f"{journal.version}: {journal.phase} {journal.error}"
        self._memory.say("error" if journal.error else "info", text)
        if journal.phase is not UpdatePhase.COMMITTED:
            return journal
        verdict, how = self.verdict(), soft.SOFT if self.softly() else soft.HARD
        before = self._memory.before(self._version)
        seconds = soft.unguarded(before, verdict.guarded if verdict else None)
        self._memory.say("info", f"{journal.version}: tried {soft.in_words(how, seconds)}")
        return replace(journal, restart=how, unguarded=seconds)
