"""The four things the update process does: `run`, `apply`, `health`, `committed`. Everything it touches is passed in.

Each begins by settling the journal with the facts of this boot, so any of them may be the first after a power cut.
Nothing raises UpdateError to the caller: failures are recorded, shown to the agent and logged once.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, assert_never

from omamori.firmware.host import system
from omamori.firmware.update import gate, health, orders, packs, proving, soft, staging, starts
from omamori.firmware.update.errors import (
    Busy,
    GiveWay,
    PackRefused,
    PackUnconfirmed,
    Refused,
    SlotProblem,
    Unpublished,
    Unsuitable,
    UpdateError,
    translated,
)
from omamori.firmware.update.machine import (
    OPEN,
    Boot,
    FetchPack,
    FirmwareStep,
    Journal,
    Nothing,
    PassedOver,
    Refuse,
    Stage,
    Withdraw,
    failed,
    firmware_step,
    not_ordered,
    pack_step,
    settle,
)
from omamori.firmware.update.opening import Opening
from omamori.firmware.update.orders import Newest, Plugged
from omamori.firmware.update.report import Memory
from omamori.firmware.update.slots import Entry
from omamori.firmware.update.trying import Trying
from omamori.firmware.update.world import World
from omamori.protocol import bundle
from omamori.protocol.messages import UpdateState, Want
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase

_ROUNDS: Final = 8
"""Looks at what is wanted in one run; the timer comes back for the rest."""


class Updater:
    """One invocation. Raises OSError, IdError or VersionError only where the system's own facts cannot be read."""

    def __init__(self, world: World) -> None:
        self._world, self._paths = world, world.paths
        self._memory = Memory(world.paths, world.now)
        self._variant = system.image_variant(world.paths)
        self._slot = system.running_slot(world.paths)
        self._version = system.firmware_version(world.paths)
        self._boot_id = system.running_boot(world.paths)
        self._trying = Trying(world, self._memory, self._boot_id, self._version)
        self._repository = Opening(world, self._memory, lambda past: self._change(time_floor=past))

    # --- the four commands ----------------------------------------------------------------------------------------

    def run(self, *, by_hand: Version | Newest | None = None) -> bool:
        """Do what the fleet wants, as far as it can be done now. False where something failed. Raises Busy.

        `by_hand`: this version is ordered here, or the newest there is. What is wanted may change while this runs, and nothing starts it again for that: it looks again at the end.
        """
        with self._memory.locked():
            self._settle()
            if by_hand is not None and not self._order(by_hand):
                return isinstance(by_hand, Plugged)
            done: Want | None = None
            for _ in range(_ROUNDS):
                want = self._want()
                if want is None or want == done:
                    break
                done = want if self._fetch(want) else None
            journal = self._settle()
            self._attempt(lambda: self._measure(ordered=False))
        return not (journal.error or journal.pack_error)

    def _order(self, what: Version | Newest) -> bool:
        """Record what is ordered at the unit itself. False where there is nothing to order."""
        plugged = isinstance(what, Plugged)
        try:
            want, running = self._fleet_wants(), self._version
            if isinstance(what, Newest):
                what = orders.newer(
                    want, running, self._variant, lambda: self._repository.trust().offered("firmware")
                )
            journal = self._memory.journal()
            made = orders.plugged(what, want, journal) if plugged else orders.order(what, want)
            self._change(by_hand=made, rejected=None)
        except UpdateError as error:
            self._memory.say("info" if plugged and isinstance(error, Unpublished) else "error", str(error))
            self._repository.close()
            return False
        return True

    def _fetch(self, want: Want) -> bool:
        """The pack first. False where a firmware gave way to a pack that was ordered meanwhile."""
        self._urgent = packs.ordered(self._paths.want, self._want, want)
        try:
            self._pack(want.pack)
            self._firmware(want.firmware)
        except GiveWay:
            self._memory.say("info", f"{want.firmware} waits for a pack")
            return False
        finally:
            self._repository.close()
        return True

    def apply(self) -> bool:
        """Restart into the staged firmware, if there is one. False where that could not be ordered. Raises Busy."""
        self._paths.reboot.unlink(missing_ok=True)
        with self._memory.locked():
            journal = self._settle()
            if journal.phase is not UpdatePhase.STAGED or self._entry(journal.version) is None:
                self._memory.say("info", "nothing is staged: no restart")
                return True
            self._memory.say("info", f"restarting into {journal.version}")
            self._attempt(lambda: self._measure(ordered=True))
            self._change(phase=UpdatePhase.TRIAL, boot=self._boot_id, error="")
            return self._order_reboot()

    def health(self) -> bool:
        """The gate before boot-complete.target. A trial that fails has no tries left afterwards."""
        journal = self._memory.journal()
        trial = journal.version == self._version and not self._blessed()
        wrong = self._trying.judge(
            self._world.patience.gate,
            fleet_required=trial and journal.fleet_reached,
            keep=trial or journal.phase not in OPEN,
            trial=trial,
        )
        if wrong and trial:
            self._attempt(lambda: self._trying.give_up(self._entry(self._version), self._slot))
        return not wrong

    def committed(self) -> bool:
        """After the boot was blessed, or not: say how the last update ended, and whether what runs is healthy. Raises Busy."""
        with suppress(Busy), self._memory.locked():  # a run that is under way settles, too
            self._attempt(self._settle)
        gated = self._trying.verdict() is not None
        if not gated:
            self._trying.judge(self._world.patience.look, fleet_required=False)
        with self._memory.locked(patience=self._world.patience.run):
            if gated:
                self._attempt(lambda: self._trying.bless(self._entry(self._version), self._slot))
            told = self._attempt(self._settle)
            if self._trying.missed():
                self._memory.say("error", "the new version did not take over: restarting")
                self._trying.forget()
                return self._order_reboot()
        if self._trying.healthy() and (told or not self._passed_over()):
            proving.prove(self._world, self._memory, self._attempt)
        return True

    # --- facts --------------------------------------------------------------------------------------------------

    def _boot(self) -> Boot:
        return Boot(self._boot_id, self._version, self._slot, self._blessed())

    def _blessed(self) -> bool:
        """Without a readable boot partition nothing is ever called committed."""
        entry = self._entry(self._version)
        return entry is not None and entry.tries is None

    def _entry(self, version: Version | None) -> Entry | None:
        return next((entry for entry in self._entries() if entry.version == version), None)

    def _entries(self) -> list[Entry]:
        """None where the boot partition cannot be read."""
        with suppress(SlotProblem):
            return self._world.disk.entries()
        return []

    def _passed_over(self) -> PassedOver | None:
        return starts.passed_over(self._paths, self._slot, self._entries())

    def _want(self) -> Want | None:
        return orders.effective(self._fleet_wants(), self._memory.journal().by_hand)

    def _fleet_wants(self) -> Want | None:
        return orders.of_fleet(self._paths.want, self._memory.say)

    # --- the journal ----------------------------------------------------------------------------------------------

    def _settle(self) -> Journal:
        """Bring the journal up to this boot's facts, and show it to the agent."""
        journal, verdict = self._memory.journal(), self._memory.verdict()
        entry = self._entry(journal.version)
        reason = verdict.reason if verdict and verdict.version == journal.version else ""
        tries = entry.tries if entry else None
        over, now = self._passed_over(), self._world.now()
        settled = settle(journal, self._boot(), now, tries=tries, verdict=reason, passed_over=over)
        if settled != journal:
            settled = self._trying.told(settled)
            self._memory.keep(settled)
        lost = self._entry(settled.version) if settled.phase is UpdatePhase.FAILED else None
        if lost and lost.slot != self._slot:
            self._attempt(lambda: self._world.disk.remove(lost))
        self._show(settled)
        return settled

    def _change(self, **fields: object) -> Journal:
        """Set fields of the journal, and keep and show it when that changed anything but the time."""
        old = self._memory.journal()
        new: Journal = replace(old, **fields)  # type: ignore[arg-type] # the names are the dataclass's own
        if new != old:
            if (new.phase, new.version, new.error) != (old.phase, old.version, old.error):
                new = replace(new, changed=self._world.now())
            self._memory.keep(new)
            self._show(new)
        return new

    def _show(self, journal: Journal) -> None:
        said = "; ".join(dict.fromkeys(filter(None, (journal.pack_error, journal.error))))
        state = UpdateState(journal.phase, journal.version, said, journal.changed)
        self._memory.show(
            state,
            pack=packs.current(self._paths),
            slot=self._slot,
            healthy=self._trying.healthy(),
            fetched=journal.fetched,
            by_hand=journal.by_hand,
            restart=soft.shown(journal.restart, journal.unguarded),
        )

    # --- firmware -----------------------------------------------------------------------------------------------

    def _firmware(self, want: Version | None) -> None:
        journal = self._memory.journal()
        present = self._entry(journal.version) is not None
        older = want if want and want < self._version and want != journal.rejected else None
        back = False
        try:
            back = older is not None and self._may_go_back(older, journal)
            self._take(firmware_step(want, self._boot(), journal, entry_present=present, downgrade=back))
        except Refused as error:
            self._note(f"{want}: {error}", f"{journal.version}: {journal.error}")
            end = not_ordered if older and not back else failed
            self._memory.keep(
                end(replace(self._memory.journal(), version=want), str(error), self._world.now())
            )
        except UpdateError as error:
            self._note(str(error), journal.error)
            self._change(error=str(error))

    def _may_go_back(self, want: Version, journal: Journal) -> bool:
        """Whether the firmware role signed that this version may be exchanged for an older one. Raises UpdateError."""
        if want == journal.version and journal.phase is UpdatePhase.STAGED:
            return True
        path = bundle.target_path(self._variant, want)
        return orders.allows_downgrade(self._repository.trust().find(path).custom, self._version)

    def _take(self, step: FirmwareStep) -> None:
        match step:
            case Nothing():
                pass
            case Stage():
                self._stage(step)
            case Withdraw():
                self._withdraw(step)
            case Refuse(lasting=True):
                raise Unsuitable(step.why)
            case Refuse():
                raise SlotProblem(step.why)
            case unhandled:
                assert_never(unhandled)

    def _stage(self, step: Stage) -> None:
        journal = self._memory.journal()
        known = journal if journal.version == step.version else Journal()
        self._change(
            phase=UpdatePhase.DOWNLOADING, version=step.version, error=known.error, fetched=known.fetched
        )
        target = bundle.target_path(self._variant, step.version)
        path = self._repository.firmware(
            target,
            urgent=self._urgent,
            cost=lambda bytes_: self._change(fetched=self._memory.journal().fetched + bytes_),
        )
        with translated(path.name), staging.Bundle(path) as opened:
            staging.check_suitable(opened.manifest, self._variant, step.version)
            self._trying.forget()
            staging.stage(opened, step.slot, self._world.disk, newer=step.version > self._version)
            needs = self._trying.remember(
                opened, step.slot, self._entry(self._version), self._repository.trust().find(target).custom
            )
            if step.version < self._version:
                staging.put_behind(self._slot, self._world.disk)
        self._change(phase=UpdatePhase.STAGED, error="", boot=None, fleet_reached=gate.reached(self._paths))
        size, fetched = path.stat().st_size, self._memory.journal().fetched
        self._memory.say(
            "info",
            f"{step.version} is staged in slot {step.slot}: {fetched:,} bytes fetched for {size:,}; to be tried {needs}",
        )
        path.unlink(missing_ok=True)

    def _withdraw(self, step: Withdraw) -> None:
        staging.withdraw(step.slot, self._world.disk)
        self._memory.say("info", "the staged firmware is no longer wanted")
        self._change(phase=UpdatePhase.IDLE, version=None, error="", boot=None)

    def _order_reboot(self) -> bool:
        try:
            self._trying.order(self._memory.journal().version)
        except OSError as error:
            self._memory.say("error", f"cannot restart: {error}")
            self._change(phase=UpdatePhase.STAGED, boot=None, error=f"slot: cannot restart: {error}")
            return False
        return True

    # --- packs --------------------------------------------------------------------------------------------------

    def _pack(self, want: Version | None) -> None:
        before = self._memory.journal().pack_error
        try:
            self._confirm_pack()
            step = pack_step(want, self._pack_in_force(), self._memory.journal())
            if isinstance(step, FetchPack):
                self._fetch_pack(step.version)
                self._confirm_pack()
            if want != self._memory.journal().pack_rejected:
                self._change(pack_error="")
        except UpdateError as error:
            self._note(str(error), before)
            self._change(pack_error=str(error))

    def _pack_in_force(self) -> Version | None:
        """What the link names, or the factory's as the bridge tells."""
        bridge = self._bridge()
        return packs.current(self._paths) or (bridge.pack if bridge and bridge.age <= gate.FRESH else None)

    def _fetch_pack(self, version: Version) -> None:
        verified = self._repository.pack(version)
        self._change(pack_pending=version, pack_previous=packs.current(self._paths))
        with translated(verified.name):
            packs.put(self._paths, version, verified)

    def _confirm_pack(self) -> None:
        """Wait for the bridge to take the pending pack. Raises PackRefused once it is rolled back."""
        journal = self._memory.journal()
        pending = journal.pack_pending
        if pending is None or packs.current(self._paths) != pending:
            self._change(pack_pending=None)
            return
        taken = packs.taken(pending, self._bridge, self._world.sleep, patience=self._world.patience.pack)
        if taken is None:
            raise PackUnconfirmed(f"{pending} waits for the bridge, which says nothing")
        if taken:
            self._change(pack_pending=None, pack_rejected=None)
            packs.prune(self._paths, {pending, journal.pack_previous or pending})
            self._memory.say("info", f"pack {pending} is in force")
            return
        self._roll_back(pending, journal.pack_previous)

    def _roll_back(self, pending: Version, previous: Version | None) -> None:
        there = previous is not None and self._paths.pack(previous).exists()
        why = packs.refusal(pending, self._bridge())
        with translated("pack"):
            packs.link(self._paths, previous if there else None)
        self._change(pack_pending=None, pack_rejected=pending)
        raise PackRefused(f"the bridge did not take {pending}: back to {previous or 'the factory pack'}{why}")

    def _bridge(self) -> gate.BridgeSeen | None:
        return gate.read_bridge(self._paths, self._world.now())

    # --- the rest -----------------------------------------------------------------------------------------------

    def _measure(self, *, ordered: bool) -> None:
        """What a staged version will be compared with. Raises DiskFull, SlotProblem."""
        journal = self._memory.journal()
        if journal.phase is UpdatePhase.STAGED and journal.version:
            self._memory.keep_before(health.before(self._world, journal.version, ordered=ordered))
            self._change(fleet_reached=gate.reached(self._paths))

    def _attempt(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except UpdateError as error:
            self._memory.say("error", str(error))
            return False
        return True

    def _note(self, error: str, before: str) -> None:
        """Say an error once, not every quarter of an hour."""
        if error != before:
            self._memory.say("error", error)
