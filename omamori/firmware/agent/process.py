"""The agent's loop: one thread, a few short steps each turn, and no step whose failure stops the others.

Activation first, then the session. Spools are taken into the outbox in both, so that nothing waits in them for long.
"""

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import Final

from omamori.firmware.agent import activation, applying, https, picture
from omamori.firmware.agent.activation import Active, Answered, Asking, Pressed, Unreachable, Waiting
from omamori.firmware.agent.applying import Pressing
from omamori.firmware.agent.button import Button
from omamori.firmware.agent.collecting import Collector
from omamori.firmware.agent.errors import AgentError, FleetUnreachable, IdentityError, KeyLost
from omamori.firmware.agent.holding import Holding
from omamori.firmware.agent.identity import Identity, read_claim
from omamori.firmware.agent.online import Online
from omamori.firmware.agent.outbox import Outbox
from omamori.firmware.host import files, system
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.way import proxy_set
from omamori.protocol.ids import BootId
from omamori.protocol.messages import Activated, Activation, Claim

log = logging.getLogger(__name__)

TURN: Final = 0.25
"""Seconds of one turn of the loop, about."""
RESCAN: Final = 2.0
STATUS_EVERY: Final = 5.0


@dataclass(frozen=True, slots=True)
class Status:
    """`agent/status.json`."""

    unit: str = ""
    phase: str = "no claim"
    problem: str = ""
    activated: bool = False
    connected: bool = False
    last_contact: str | None = None
    outbox: int = 0
    dropped: int = 0
    generation: int = 0
    reboot_at: str | None = None


class Agent:
    """`run` returns when `stopping` says so."""

    def __init__(self, paths: Paths, claim_path: Path, *, stopping: Callable[[], bool]) -> None:
        self._paths, self._claim_path, self._stopping = paths, claim_path, stopping
        self._identity = Identity(paths)
        self._boot: BootId = system.running_boot(paths)
        self._holding = Holding(paths)
        self._unusable, self._lost = "", False
        self._shown: Status | None = None
        self._shown_at = 0.0

    def run(self) -> None:
        system.notify("READY=1")
        claim = self._claim()
        if claim is None:
            return
        self._introduce(claim)
        outbox = self._outbox(claim)
        if outbox is None:
            return
        collector = Collector(self._paths, outbox)
        try:
            activated = self._activate(claim, outbox, collector)
            if activated:
                self._serve(claim, activated, outbox, collector)
        finally:
            outbox.close()

    # --- without a claim --------------------------------------------------------------------------------------

    def _claim(self) -> Claim | None:
        """Waits for one; None when stopping."""
        while not self._stopping():
            problem = "the factory wrote no claim into this unit"
            try:
                if claim := read_claim(self._claim_path):
                    return claim
            except IdentityError as error:
                problem = str(error)
            self._show(Status(problem=problem))
            self._turn(2.0)
        return None

    def _introduce(self, claim: Claim) -> None:
        try:
            self._identity.introduce(claim)
        except OSError as error:
            log.warning("the updater cannot be told of the fleet: %s", error)

    def _outbox(self, claim: Claim) -> Outbox | None:
        """Waits for a disk that takes one; None when stopping."""
        path = self._paths.agent_state / "outbox.sqlite"
        while not self._stopping():
            try:
                first = int(system.uptime(self._paths) * 1000)
                return Outbox(path, claim.unit, self._boot, first=first)
            except (AgentError, OSError, ValueError) as error:
                self._show(Status(unit=claim.unit, phase="no outbox", problem=str(error)))
                self._turn(5.0)
        return None

    # --- activation -------------------------------------------------------------------------------------------

    def _activate(self, claim: Claim, outbox: Outbox, collector: Collector) -> Activated | None:
        """Waits for the button and the fleet; None when stopping."""
        phase: activation.Phase = Waiting()
        button, scanned = Button(self._paths.root), 0.0
        try:
            while not self._stopping():
                if found := self._already(phase):
                    return found
                if time.monotonic() - scanned >= RESCAN:
                    button.rescan()
                    scanned = time.monotonic()
                phase = self._step(phase, claim, pressed=button.pressed())
                self._holding.look(time.monotonic(), held=button.held())
                name, problem = activation.describe(phase, lost=self._unusable if self._lost else "")
                self._show(Status(claim.unit, name, problem, outbox=len(outbox), dropped=outbox.dropped))
                collector.collect()
                self._turn(TURN)
        finally:
            button.close()
        return None

    def _already(self, phase: activation.Phase) -> Activated | None:
        """What is wrong with what is there is told once, and a lost key is shown as long as it is lost."""
        try:
            return (
                self._identity.accept(phase.answer)
                if isinstance(phase, Active)
                else self._identity.activated()
            )
        except IdentityError as error:
            if isinstance(phase, Active) or str(error) != self._unusable:
                log.warning("%s", error)
            self._unusable, self._lost = str(error), isinstance(error, KeyLost)
            return None

    def _step(self, phase: activation.Phase, claim: Claim, *, pressed: bool) -> activation.Phase:
        now, chance = time.monotonic(), SystemRandom().random()
        if isinstance(phase, Active):
            return Waiting("the fleet's answer cannot be used")
        if pressed:
            phase = activation.after(phase, Pressed(), now=now, chance=chance)
        if isinstance(phase, Asking) and now >= phase.due:
            return activation.after(phase, self._ask(claim), now=now, chance=chance)
        return phase

    def _ask(self, claim: Claim) -> Answered | Unreachable:
        try:
            request = Activation(claim.unit, claim.secret, self._identity.request(claim.unit))
            trust = self._identity.trust(claim, with_certificate=False)
            proxy = proxy_set(self._paths.settings)
            answer = https.activate(claim.fleet, request, trust, proxy=proxy)
        except (FleetUnreachable, IdentityError) as error:
            log.warning("not activated yet: %s", error)
            return Unreachable(str(error))
        return Answered(answer.status, answer.body)

    # --- the session ------------------------------------------------------------------------------------------

    def _serve(self, claim: Claim, activated: Activated, outbox: Outbox, collector: Collector) -> None:
        online = Online(self._paths, self._identity, claim, activated, outbox)
        pressing = Pressing(Button(self._paths.root))
        try:
            while not self._stopping():
                collector.collect()
                online.work(TURN)
                if pressing.twice(time.monotonic()):
                    applying.at_once(self._paths)
                self._holding.look(time.monotonic(), held=pressing.held())
                self._show(
                    Status(
                        claim.unit,
                        "active",
                        online.problem or collector.problem,
                        activated=True,
                        connected=online.connected,
                        last_contact=_text(online.last_contact),
                        outbox=len(outbox),
                        dropped=outbox.dropped,
                        generation=online.generation,
                        reboot_at=_text(online.reboot_at),
                    )
                )
                system.notify("WATCHDOG=1")
        finally:
            pressing.close()
            online.leave()

    # --- small things -----------------------------------------------------------------------------------------

    def _turn(self, seconds: float) -> None:
        """Sleep, but notice within a turn that it is time to stop."""
        system.notify("WATCHDOG=1")
        until = time.monotonic() + seconds
        while not self._stopping() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, TURN))

    def _show(self, status: Status) -> None:
        """Write the status when it changed, and now and then."""
        if status == self._shown and time.monotonic() - self._shown_at < STATUS_EVERY:
            return
        self._shown, self._shown_at = status, time.monotonic()
        content = json.dumps({"time": _text(picture.now()), **asdict(status)}, ensure_ascii=False)
        try:
            files.write_atomic(self._paths.agent_status, content.encode())
        except OSError as error:
            log.warning("the status cannot be written: %s", error)


def claim_path(paths: Paths) -> Path:
    """Where systemd put the claim, or where it would. For entry points only."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(directory) / "omamori.claim" if directory else paths.claim


def _text(moment: datetime | None) -> str | None:
    """Whole seconds suffice, and keep the status from changing all the time."""
    if moment is None:
        return None
    return (moment - timedelta(microseconds=moment.microsecond)).isoformat().replace("+00:00", "Z")
