"""What the owner of a unit must know first: one level and one sentence, decided purely from what the unit reported."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext_lazy as _

from omamori.fleet.portal.words import Text, wiring
from omamori.protocol.vocabulary import WiringCode


class Level(StrEnum):
    """How pages colour it; also said in words, never by colour alone."""

    GOOD = "good"
    WAITING = "waiting"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a unit."""

    activated: bool
    online: bool
    inspecting: bool
    """Queue workers are alive."""
    wiring: Sequence[str] = ()
    """Codes of the present diagnosis, root cause first."""
    urgent: int = 0
    """Three-star detections of the last seven days."""


@dataclass(frozen=True, slots=True)
class Status:
    """What to show, and the page that explains it."""

    level: Level
    title: Text
    advice: Text
    page: str = "unit"


def status(facts: Facts) -> Status:
    """The most pressing thing about a unit."""
    if not facts.activated:
        return Status(
            Level.WAITING,
            _("Not activated yet"),
            _("Connect the two cables, switch the unit on and press its activation button."),
        )
    if facts.urgent:
        return Status(
            Level.DANGER,
            _("Important alert"),
            _("A device inside behaves like known malware. Look at the detections and act at once."),
            "detections",
        )
    return _connection(facts) or _wired(facts) or _inspecting(facts)


def _connection(facts: Facts) -> Status | None:
    if facts.online:
        return None
    return Status(
        Level.WARNING,
        _("Offline"),
        _("The unit does not answer. Check its power and the cable between the router and the port WAN."),
    )


def _wired(facts: Facts) -> Status | None:
    faults = [code for code in facts.wiring if code != WiringCode.OK]
    if not faults:
        return None
    words = wiring(faults[0])
    return Status(Level.WARNING, words.name, words.meaning, "wiring")


def _inspecting(facts: Facts) -> Status:
    if not facts.inspecting:
        return Status(
            Level.WARNING,
            _("Traffic passes uninspected"),
            _(
                "Your network works, but the unit does not inspect it at the moment. It restarts its protection by itself."
            ),
        )
    if not facts.wiring:
        return Status(
            Level.WAITING, _("Checking the wiring"), _("The unit has not reported its wiring yet."), "wiring"
        )
    return Status(Level.GOOD, _("Protected"), _("The unit is online and inspects your traffic."))
