"""An activated unit: keeps a session, delivers the outbox, keeps the state known, and fetches what is wanted.

`work` is one turn: it returns within about the time given, unless a connection or a download takes its own (10 s each at most).
"""

import logging
import time
from datetime import datetime, timedelta
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from omamori.firmware.agent import https, picture, reboot
from omamori.firmware.agent.errors import AgentError, FleetUnreachable, IdentityError, OutboxFull, reason
from omamori.firmware.agent.identity import Identity
from omamori.firmware.agent.outbox import Letter, Outbox
from omamori.firmware.agent.window import Window
from omamori.firmware.host import files, system
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.way import proxy_set
from omamori.protocol import ProtocolError
from omamori.protocol.backoff import full_jitter
from omamori.protocol.messages import (
    Acknowledge,
    Activated,
    Claim,
    DownBody,
    State,
    Unrecognised,
    Want,
    WantHint,
    decode,
)
from omamori.protocol.vocabulary import UpdatePhase

if TYPE_CHECKING:
    from omamori.firmware.agent.session import Session

log = logging.getLogger(__name__)

STATE_EVERY: Final = 300.0
LOOK_EVERY: Final = 1.0
"""Seconds between looks at the other processes' files."""
WANT_EVERY: Final = 900.0
GREETING: Final = 15.0
"""Seconds a broker has to take us after TLS is up."""
RETRY: Final = {"first": timedelta(seconds=2), "most": timedelta(minutes=1)}


class Online:
    """Everything that goes wrong here is retried; `problem` says what it was."""

    def __init__(
        self, paths: Paths, identity: Identity, claim: Claim, activated: Activated, outbox: Outbox
    ) -> None:
        self.problem = ""
        self.last_contact: datetime | None = None
        self.reboot_at: datetime | None = None
        self._paths, self._identity, self._claim, self._activated = paths, identity, claim, activated
        self._outbox = outbox
        self._session: Session | None = None
        self._five = True
        self._greeted = False
        self._deadline = 0.0
        self._failures, self._next_try = 0, 0.0
        self._window, self._cursor = Window(), 0
        self._told: State | None = None
        self._told_at = self._looked_at = 0.0
        self._want = picture.read_want(paths)
        self._want_due, self._want_failures = 0.0, 0

    @property
    def connected(self) -> bool:
        return self._session is not None and self._session.established

    @property
    def generation(self) -> int:
        return self._want.generation if self._want else 0

    def work(self, seconds: float) -> None:
        """One turn."""
        now = time.monotonic()
        self._look(now)
        self._fetch_want(now)
        if self._session is None:
            self._try_to_connect(now)
        if self._session is None:
            time.sleep(seconds)
            return
        if not self._session.work(seconds) or self._is_ignored():
            self._lost(self._session.refusal or "the connection to the broker was lost")
            return
        self._hear()
        if self.connected:
            self._greet()
            self._deliver(time.monotonic())

    def leave(self) -> None:
        """Close the session in order."""
        if self._session:
            self._session.leave()
            self._session = None

    # --- connecting -------------------------------------------------------------------------------------------

    def _try_to_connect(self, now: float) -> None:
        if now < self._next_try:
            return
        from paho.mqtt.enums import MQTTProtocolVersion

        from omamori.firmware.agent.session import Peer, Session

        version = MQTTProtocolVersion.MQTTv5 if self._five else MQTTProtocolVersion.MQTTv311
        try:
            peer = Peer(
                self._activated.mqtt_host,
                self._activated.mqtt_port,
                self._claim.unit,
                system.running_boot(self._paths),
                proxy_set(self._paths.settings),
            )
            session = Session(peer, self._identity.trust(self._claim, with_certificate=True), version=version)
            session.connect()
        except (OSError, IdentityError, ProtocolError) as error:
            self._again(f"the broker {self._activated.mqtt_host} cannot be reached: {reason(error)}")
            return
        self._session, self._greeted, self._deadline = session, False, now + GREETING
        self._window, self._cursor = Window(), 0

    def _is_ignored(self) -> bool:
        return not self.connected and time.monotonic() > self._deadline

    def _lost(self, problem: str) -> None:
        """A broker that never greeted us may not speak this version: the next try uses the other one."""
        if not self._greeted:
            self._five = not self._five
        if self._session:
            self._session.leave()
        self._session = None
        self._again(problem)

    def _again(self, problem: str) -> None:
        log.warning("%s", problem)
        self.problem = problem
        self._failures += 1
        wait = full_jitter(self._failures, SystemRandom().random(), **RETRY)
        self._next_try = time.monotonic() + wait.total_seconds()

    def _greet(self) -> None:
        if self._greeted:
            return
        self._greeted, self._failures, self.problem = True, 0, ""
        self._told, self._looked_at, self._want_due = None, 0.0, 0.0
        self._contact()

    def _contact(self) -> None:
        self.last_contact = picture.now()

    # --- hearing ----------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        while self._session and self._session.received:
            self._contact()
            self._obey(self._session.received.popleft())

    def _obey(self, body: DownBody) -> None:
        match body:
            case Acknowledge():
                self._confirm(body)
            case WantHint(generation=generation):
                self._window.alive()
                if generation > self.generation:
                    self._want_due = 0.0
            case Unrecognised(kind=kind):
                log.info("the fleet says %.40r, which this firmware does not know", kind)

    def _confirm(self, committed: Acknowledge) -> None:
        """Where the disk refuses even this, the fleet will confirm again when the message is sent again."""
        try:
            self._window.gone(self._outbox.confirm(committed.boot, committed.sequences))
            self._window.alive()
        except OutboxFull as error:
            self.problem = str(error)

    # --- telling ----------------------------------------------------------------------------------------------

    def _deliver(self, now: float) -> None:
        for id_ in self._window.due(now):
            letter = self._outbox.letter(id_)
            if letter is None:
                self._window.gone([id_])
            elif not self._send(letter, now):
                return
        for letter in self._outbox.after(self._cursor, self._window.room()):
            if not self._send(letter, now):
                return
            self._cursor = letter.id

    def _send(self, letter: Letter, now: float) -> bool:
        if not (self._session and self._session.publish(letter.channel, letter.payload)):
            return False
        self._window.sent(letter.id, now)
        return True

    def _look(self, now: float) -> None:
        """At what the other processes say: reboot when it is time, and tell the fleet what changed."""
        if now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        moment = picture.now()
        try:
            self._consider_reboot(moment)
        except OSError as error:
            self.problem = f"the reboot cannot be ordered: {error}"
        state = picture.state(self._paths, now=moment, reboot_at=self.reboot_at)
        if self._told and picture.same(state, self._told) and now - self._told_at < STATE_EVERY:
            return
        try:
            self._outbox.put(state)
            self._told, self._told_at = state, now
        except OutboxFull as error:
            self.problem = str(error)

    def _consider_reboot(self, moment: datetime) -> None:
        told = picture.read_update(self._paths)
        update = told.update
        at = reboot.when(self._want, update, moment, self._claim.unit, told.by_hand)
        ordered = self._paths.reboot.exists()
        if at and at <= moment and not ordered:
            log.warning("rebooting into the staged firmware %s", update.version)
            files.write_atomic(self._paths.reboot, f"{update.version}\n".encode())
        elif ordered and update.phase is not UpdatePhase.STAGED:
            self._paths.reboot.unlink(missing_ok=True)
        self.reboot_at = at if at is None or at > moment else self.reboot_at or moment

    # --- what is wanted ---------------------------------------------------------------------------------------

    def _fetch_want(self, now: float) -> None:
        if now < self._want_due:
            return
        try:
            self._take_want(self._download_want())
            self._contact()
            self._want_failures, wait = 0, timedelta(seconds=WANT_EVERY)
        except (AgentError, ProtocolError, OSError) as error:
            log.warning("what is wanted is not known: %s", error)
            self._want_failures += 1
            wait = full_jitter(self._want_failures, SystemRandom().random(), **RETRY) + timedelta(seconds=1)
        self._want_due = time.monotonic() + wait.total_seconds()

    def _download_want(self) -> Want:
        trust = self._identity.trust(self._claim, with_certificate=True)
        answer = https.want(self._claim.fleet, trust, proxy=proxy_set(self._paths.settings))
        if answer.status != 200:
            raise FleetUnreachable(f"the fleet answers {answer.status} to what is wanted")
        return decode(Want, answer.body)

    def _take_want(self, want: Want) -> None:
        """Never back to an older generation: an answer may have been overtaken."""
        if want == self._want or want.generation < self.generation:
            return
        from omamori.protocol.messages import encode

        files.write_atomic(self._paths.want, encode(want), durable=True)
        self._want = want
        log.info("generation %d is wanted", want.generation)
