"""One order from beginning to end: may they, is it sound, try it, keep it or take it back.

What holds after any end, a crash included: the network has what `settings.json` says and the radio what `access-point.json` says.
`restore` sees to it; systemd calls it after every run. An access point that does not come up spoils neither the network nor `restore`.
"""

import json
import logging
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

from omamori.firmware.host import accesspoint, files, system
from omamori.firmware.host import settings as stored
from omamori.firmware.host.accesspoint import AccessPoint
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.sealing import Kept, Unopenable, tpm_of
from omamori.firmware.host.settings import USUAL, BadSettings, Settings
from omamori.firmware.settings.gatekeeper import Attempts
from omamori.firmware.settings.network import Network
from omamori.firmware.settings.orders import BadOrder, Order, Outcome, take, tell
from omamori.firmware.settings.radio import Radio, RadioFailed
from omamori.firmware.settings.reach import reach
from omamori.protocol.errors import ProtocolError
from omamori.protocol.label import is_label_code, label_code
from omamori.protocol.messages import Claim, decode

log = logging.getLogger("omamori.settings")

PATIENCE: Final = 90.0
"""Seconds in which the fleet must be reached."""
GRACE: Final = 2.0
"""Seconds before anything changes: the page's answer is still on its way."""
_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds."""

    patience: float = PATIENCE
    grace: float = GRACE


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one order asks for. Never to be logged: it has the passphrase."""

    settings: Settings
    access_point: AccessPoint | None
    off: bool
    """The order says so; else there is none, or none that can be read."""


class Trial:
    """Works on one order; `waits` are shorter in tests."""

    def __init__(self, paths: Paths, claim: Path, *, waits: Waits) -> None:
        self._paths, self._claim, self._waits = paths, claim, waits
        self._network, self._radio = Network(paths.root), Radio(paths)
        self._attempts = paths.run / "settings/attempts.json"
        self._shelf = Kept(paths.access_point, tpm_of(paths))

    def restore(self) -> None:
        """What was kept is in force afterwards, and the page knows it. Raises OSError."""
        self._network.put(self._kept())
        self._put_back(self._kept_access_point, wait=False)
        if told := self._interrupted():
            tell(self._paths.outcome, told)
        elif self._paths.settings.exists() and not self._paths.outcome.exists():
            tell(self._paths.outcome, Outcome("", "", settings=self._in_force()))

    def work(self) -> None:
        """Take the order and see it through. Raises OSError where the disk or networkd refuses."""
        if self._paths.reset.exists():
            self._forget()
        try:
            order = take(self._paths.order)
        except BadOrder as error:
            log.warning("%s", error)
            return
        if order is None:
            return
        outcome = self._judged(order)
        if isinstance(outcome, Wanted):
            outcome = self._tried(order, outcome)
        tell(self._paths.outcome, outcome)
        log.info("%s %s", outcome.state, outcome.detail)

    def _forget(self) -> None:
        """The button was held: the usual settings are in force from now on. Raises OSError."""
        self._paths.reset.unlink(missing_ok=True)
        self._paths.settings.unlink(missing_ok=True)
        self._remember(None)
        self._network.put(USUAL)
        self._put_back(None, wait=True)
        if self._paths.settings.parent.is_dir():
            files.sync_directory(self._paths.settings.parent)
        log.warning("the button was held: what was set on this unit is forgotten")

    # --- may they ---------------------------------------------------------------------------------------------

    def _judged(self, order: Order) -> Wanted | Outcome:
        now, attempts = system.uptime(self._paths), self._remembered()
        if attempts.is_closed(now):
            return self._outcome(order, "closed", until=attempts.closed_until - now)
        try:
            claim = decode(Claim, files.read_capped(self._claim))
        except (OSError, ProtocolError):
            return self._outcome(order, "refused", "this unit has no label code: the factory wrote no claim")
        right = is_label_code(order.code, label_code(claim.unit, claim.secret))
        after = attempts.after(right=right, now=now)
        files.write_atomic(self._attempts, json.dumps(asdict(after)).encode(), mode=0o600)
        if not right:
            wait = after.closed_until - now if after.is_closed(now) else None
            return self._outcome(order, "closed" if wait else "wrong code", until=wait)
        try:
            chosen = self._access_point(order)
            off = chosen is None and "wifi" in order.settings
            wanted = Wanted(stored.parse(order.settings), chosen, off)
        except BadSettings as error:
            return self._outcome(order, "refused", str(error))
        if wanted.access_point and "wifi" in order.settings and not self._radio.present:
            return self._outcome(order, "refused", "this unit has no radio")
        return wanted

    def _access_point(self, order: Order) -> AccessPoint | None:
        """An order that says nothing of it leaves it as it is. Raises BadSettings."""
        kept = self._kept_access_point
        if "wifi" not in order.settings:
            return kept
        return accesspoint.parse(order.settings, kept=kept.passphrase if kept else "")

    def _remembered(self) -> Attempts:
        """Whoever made the file unreadable gains nothing: this process alone can write there."""
        try:
            return Attempts(**json.loads(files.read_capped(self._attempts)))
        except (OSError, ValueError, TypeError):
            return Attempts()

    # --- try it -----------------------------------------------------------------------------------------------

    def _tried(self, order: Order, wanted: Wanted) -> Outcome:
        tell(
            self._paths.outcome,
            self._outcome(order, "trying", until=self._waits.grace + self._waits.patience),
        )
        time.sleep(self._waits.grace)
        state = "taken back"
        try:
            self._network.put(wanted.settings)
            self._radio.put(wanted.access_point, wait=True)
            problem = self._unreached(wanted.settings)
            if not problem:
                self._keep(wanted)
                return self._outcome(order, "kept")
        except RadioFailed as error:
            state, problem = "radio failed", f"{error}"
        except OSError as error:
            problem = f"{error}"
        self._network.put(self._kept())
        self._put_back(self._kept_access_point, wait=True)
        return self._outcome(order, state, problem)

    def _keep(self, wanted: Wanted) -> None:
        """Raises OSError."""
        stored.store(self._paths.settings, wanted.settings)
        if wanted.off or wanted.access_point != self._kept_access_point:
            self._remember(wanted.access_point)

    def _remember(self, access_point: AccessPoint | None) -> None:
        """Raises OSError."""
        accesspoint.store(self._shelf, access_point)
        self._kept_access_point = access_point

    def _put_back(self, access_point: AccessPoint | None, *, wait: bool) -> None:
        """One that does not come up is told; the unit goes on without."""
        try:
            self._radio.put(access_point, wait=wait)
        except OSError as error:
            log.warning("the access point is not as it was set: %s", error)

    def _unreached(self, wanted: Settings) -> str:
        """Empty as soon as the fleet was reached; else what was wrong at the end."""
        until = time.monotonic() + self._waits.patience
        while problem := reach(self._paths, wanted):
            if time.monotonic() + _PAUSE > until:
                return problem
            time.sleep(_PAUSE)
        return ""

    # --- small things -----------------------------------------------------------------------------------------

    def _kept(self) -> Settings:
        try:
            return stored.load(self._paths.settings)
        except (OSError, ValueError) as error:
            log.warning("the kept settings cannot be read, the usual ones hold: %s", error)
            return USUAL

    @cached_property
    def _kept_access_point(self) -> AccessPoint | None:
        """One that cannot be read, or does not open, is none; its content, which has the passphrase, is not told."""
        try:
            return accesspoint.load(self._shelf)
        except (Unopenable, OSError, ValueError) as error:
            log.warning("the kept access point cannot be read, there is none: %s", type(error).__name__)
            return None

    def _in_force(self) -> dict[str, str]:
        """What anybody may see of it."""
        return stored.fields(self._kept()) | accesspoint.fields(self._kept_access_point)

    def _interrupted(self) -> Outcome | None:
        """A trial that nobody ended: this process was killed in it."""
        try:
            told = json.loads(files.read_capped(self._paths.outcome))
            if told["state"] != "trying":
                return None
            return Outcome(str(told["id"]), "taken back", "the trial was interrupted", None, self._in_force())
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _outcome(self, order: Order, state: str, detail: str = "", *, until: float | None = None) -> Outcome:
        """`until` in seconds from now."""
        end = datetime.now(UTC) + timedelta(seconds=until) if until is not None else None
        moment = end.isoformat(timespec="seconds") if end else None
        return Outcome(order.id, state, detail, moment, self._in_force())
