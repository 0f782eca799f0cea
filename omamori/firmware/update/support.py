"""`python3 -m omamori.firmware.update.support`: judge the support key, and let its holder in or out. Decision 0029.

A process of its own beside the updater, with the same trust and metadata of its own, so that no download keeps a helper
waiting or a withdrawal from counting. It runs only where the fleet asked, or something is open. It opens nothing itself:
it leaves a grant (host/grant.py) or takes it away, and it alone says what was opened and closed, in a user of its own
that the helper's shell cannot act for. A call opens once: after a restart somebody has to ask again.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from omamori.firmware.host import files, grant, notice, system
from omamori.firmware.host.grant import Grant
from omamori.firmware.host.paths import Paths, from_environment
from omamori.firmware.host.settings import proxy_of
from omamori.firmware.host.spool import SpoolWriter
from omamori.firmware.update import clock
from omamori.firmware.update.connection import connect, fleet_server, read_place
from omamori.firmware.update.errors import ClockWrong, Endless, Refused, Slow, Unreachable, UpdateError
from omamori.firmware.update.trust import Trust
from omamori.protocol import support, wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.ids import BootId, UnitId
from omamori.protocol.messages import Claim, Support, SupportCall, Want, decode
from omamori.protocol.support import SupportKey
from omamori.protocol.vocabulary import SupportPhase

SLACK: Final = timedelta(minutes=10)
"""The agreed time may be so much before the newest that was ever agreed on."""

_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class State:
    """What must survive a restart."""

    call: str = ""
    """The last one that was opened."""
    boot: str = ""
    """The boot in which it was."""
    open: bool = False
    """It was not said yet that it is closed."""
    who: str = ""
    why: str = ""
    since: datetime | None = None
    until: datetime | None = None
    refused: str = ""
    """Call and reason that were told last, so that they are told once."""
    floor: datetime | None = None
    """The newest time that was agreed on."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What it touches: all of it can be another's."""

    trust: Callable[[], Trust]
    """Raises UpdateError."""
    agreed: Callable[[datetime | None], datetime | None]
    """What the time servers agree on, not before the time given (clock.py); None where they do not."""
    since_boot: Callable[[], float]


class Keeper:
    """One look. Raises OSError where its own files cannot be written."""

    def __init__(self, paths: Paths, unit: UnitId, outside: Outside) -> None:
        self._paths, self._unit, self._outside = paths, unit, outside
        self._boot: BootId = system.running_boot(paths)
        self._file = paths.support_state / "state.json"
        self._state = self._read()

    def look(self) -> None:
        """Bring what is open in line with what the fleet asks and the signed key says; again where it asked otherwise meanwhile."""
        for _ in range(_ROUNDS):
            call = self._asked()
            self._settle(call)
            if self._asked() == call:
                return

    def _settle(self, call: SupportCall | None) -> None:
        if call is None:
            self._shut("the fleet asks no longer")
            return
        try:
            document, now = self._judged(call)
        except (Unreachable, Slow, ClockWrong) as error:  # what is open stays, unconfirmed
            if self._held(call) is None:
                self._shut(str(error))
                self._refuse(call, str(error))
        except (UpdateError, ProtocolError) as error:
            self._shut(str(error))
            self._refuse(call, str(error))
        else:
            self._open(call, document, now)

    # --- what is asked, and whether it is signed -------------------------------------------------------------

    def _asked(self) -> SupportCall | None:
        """Nothing that cannot be read asks for anything."""
        try:
            return decode(Want, files.read_capped(self._paths.want)).support
        except (OSError, ProtocolError):
            return None

    def _judged(self, call: SupportCall) -> tuple[SupportKey, datetime]:
        """The proven key and the agreed time. Raises UpdateError, ProtocolError."""
        if self._state.call == call.id and self._state.boot != self._boot:
            raise Refused("the unit was restarted since: ask again")
        if self._state.call == call.id and not self._state.open:
            raise Refused("this call was closed: ask again")
        now = self._time()
        repository = self._outside.trust()
        try:
            repository.refresh(now)
            document = self._fetched(repository)
        finally:
            repository.close()
        if wrong := support.fault(document, self._unit, now):
            raise Refused(wrong)
        return document, now

    def _time(self) -> datetime:
        """Never the clock's alone: a key that is over must not come back with a wrong clock. Raises ClockWrong."""
        floor = clock.newest((self._state.floor, _image_time(self._paths)))
        now = self._outside.agreed(floor - SLACK if floor else None)
        if now is None:
            raise ClockWrong("the time servers do not agree, and a support key needs a proven time")
        self._keep(floor=max(now, self._state.floor or now))
        return now

    def _fetched(self, repository: Trust) -> SupportKey:
        """Raises UpdateError, ProtocolError."""
        path = support.target_path(self._unit)
        if repository.find(path).length > support.DOCUMENT_CAP:
            raise Endless(f"{path} is larger than any support key")
        file = repository.fetch(path)
        try:
            return support.decode(file.read_bytes())
        finally:
            file.unlink(missing_ok=True)

    # --- open and shut -----------------------------------------------------------------------------------------

    def _open(self, call: SupportCall, document: SupportKey, now: datetime) -> None:
        held, moment = self._held(call), self._outside.since_boot()
        if held and held.document() == document:
            self._leave(replace(held, confirmed=moment))
            return
        self._shut("another support key is in its place")
        key, public = _host_key()
        proxy = proxy_of(self._paths.settings)
        deadline = moment + (document.until - now).total_seconds()
        made = Grant(
            call=call.id,
            unit=document.unit,
            boot=self._boot,
            key=document.key,
            since=document.since,
            until=document.until,
            who=document.who,
            why=document.why,
            host_key=key,
            host=call.host,
            port=call.port,
            ticket=call.ticket,
            ca=self._authority(),
            proxy_host=proxy.host if proxy else "",
            proxy_port=proxy.port if proxy else 0,
            deadline=deadline,
            confirmed=moment,
        )
        self._keep(
            call=call.id,
            boot=self._boot,
            open=True,
            who=document.who,
            why=document.why,
            since=document.since,
            until=document.until,
            refused="",
        )
        self._say(SupportPhase.OPENED, call.id, host_key=public)
        self._leave(made)

    def _leave(self, made: Grant) -> None:
        """First what people may read, then what lets in."""
        ends = min(made.deadline, made.confirmed + grant.CONFIRMED_FOR)
        notice.write(self._paths.support_notice, notice.Notice(made.who, made.why, made.until, ends))
        grant.write(self._paths.support_grant, made)

    def _held(self, call: SupportCall) -> Grant | None:
        """The grant of this call that is in force."""
        try:
            found = grant.read(self._paths.support_grant)
        except (OSError, ProtocolError):
            return None
        over = grant.over(found, self._boot, self._outside.since_boot())
        same = (found.call, found.host, found.port, found.ticket) == (
            call.id,
            call.host,
            call.port,
            call.ticket,
        )
        return found if same and not over else None

    def _shut(self, why: str) -> None:
        """Take the grant away; say once that it closed, and why, as exactly as that is known."""
        try:
            why = (
                grant.over(grant.read(self._paths.support_grant), self._boot, self._outside.since_boot())
                or why
            )
        except (OSError, ProtocolError):
            why = "restart" if self._state.boot != self._boot else why
        take_away(self._paths)
        if self._state.open:
            self._keep(open=False)
            self._say(SupportPhase.CLOSED, self._state.call, why)

    def _refuse(self, call: SupportCall, why: str) -> None:
        """Once; a call that was opened has been told as closed."""
        said = f"{call.id} {why}"
        if call.id != self._state.call and self._state.refused != said:
            self._keep(refused=said)
            self._say(SupportPhase.REFUSED, call.id, why)

    def _authority(self) -> str:
        """Whom the unit believes to be its fleet. Raises Unreachable."""
        place = read_place(self._paths)
        try:
            return files.read_capped(self._paths.root / place.ca.lstrip("/")).decode("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise Unreachable(f"the fleet's certificate cannot be read: {error}") from error

    # --- memory and voice ----------------------------------------------------------------------------------------

    def _say(self, phase: SupportPhase, call: str, reason: str = "", *, host_key: str = "") -> None:
        known = self._state if phase is not SupportPhase.REFUSED else State()
        said = Support(
            datetime.now(UTC), call, phase, known.who, known.why, known.since, known.until, reason, host_key
        )
        print(f"support {phase}: {known.who} {reason}".rstrip(), file=sys.stderr)
        spool = SpoolWriter(self._paths.spool("support"))
        spool.put(said)
        spool.close()

    def _keep(self, **fields: object) -> None:
        """Raises OSError."""
        self._state = replace(self._state, **fields)  # type: ignore[arg-type] # the names are the dataclass's own
        value = wire.to_wire(self._state)
        assert isinstance(value, dict)  # noqa: S101 - a dataclass always is
        files.write_atomic(self._file, wire.dump(value), durable=True)
        mark = self._paths.support_state / "open"
        if self._state.open:
            mark.touch()
        else:
            mark.unlink(missing_ok=True)

    def _read(self) -> State:
        try:
            return wire.from_wire(State, wire.load(files.read_capped(self._file)))
        except (OSError, ProtocolError):
            return State()


def take_away(paths: Paths) -> None:
    """Raises OSError. The notice goes last."""
    paths.support_grant.unlink(missing_ok=True)
    paths.support_notice.unlink(missing_ok=True)


def _host_key() -> tuple[str, str]:
    """(private, public), both as OpenSSH writes them."""
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return secret.decode(), public.decode()


def _image_time(paths: Paths) -> datetime | None:
    try:
        return datetime.fromtimestamp(paths.os_release.stat().st_mtime, UTC)
    except OSError:
        return None


def main() -> int:
    """Exit codes: 0 looked, whatever came of it; 1 cannot look."""
    paths = from_environment()
    claim = Path(os.environ.get("CREDENTIALS_DIRECTORY", ""), "omamori.claim")
    try:
        unit = decode(Claim, files.read_capped(claim)).unit
        outside = Outside(
            trust=lambda: connect(paths, folder=paths.support_state, mirrored=False),
            agreed=lambda floor: clock.agreed(paths, fleet_server(paths), floor),
            since_boot=grant.since_boot,
        )
        Keeper(paths, unit, outside).look()
    except (OSError, ProtocolError) as error:
        take_away(paths)
        print(f"omamori support: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
