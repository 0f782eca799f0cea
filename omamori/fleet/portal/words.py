"""What codes mean, in words a customer understands: one table each, translated when shown.

A code without words here (from a newer unit) is shown as it is; nothing is hidden and nothing fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise, lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from omamori.protocol import codes
from omamori.protocol.vocabulary import Action, Direction, Guard, Side, UpdatePhase

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Words:
    """A short name and one sentence."""

    name: Text
    meaning: Text = ""


@dataclass(frozen=True, slots=True)
class Wiring:
    """A wiring verdict: what is wrong and what to do about it, step by step."""

    name: Text
    meaning: Text
    steps: tuple[Text, ...] = ()


GUARDS: Final[Mapping[str, Words]] = {
    Guard.IPS: Words(_("Attack guard"), _("Stops attacks and malware traffic in both directions (IPS).")),
    Guard.AV: Words(_("Virus guard"), _("Makes malware in files and mail harmless (AV).")),
    Guard.WG: Words(_("Web guard"), _("Blocks phishing, malware and scam sites (WG).")),
    Guard.UF: Words(_("Site categories"), _("Records which kinds of sites are visited (UF).")),
    Guard.APG: Words(_("Application guard"), _("Records file sharing, messengers and the like (APG).")),
}

ACTIONS: Final[Mapping[str, Words]] = {
    Action.BLOCKED: Words(_("Blocked"), _("It was stopped.")),
    Action.NEUTRALISED: Words(
        _("Made harmless"), _("The dangerous part was overwritten; it cannot do harm any more.")
    ),
    Action.LOGGED: Words(_("Recorded"), _("It was allowed and recorded.")),
}

DIRECTIONS: Final[Mapping[str, Words]] = {
    Direction.INBOUND: Words(_("from outside")),
    Direction.OUTBOUND: Words(_("from inside")),
    Direction.INTERNAL: Words(_("inside")),
}

HAPPENED: Final[Mapping[tuple[str, str], Text]] = {
    (Guard.IPS, Direction.INBOUND): _("Somebody on the internet tried to attack a device of yours."),
    (Guard.IPS, Direction.OUTBOUND): _(
        "A device of yours sent traffic that looks like malware or an attack."
    ),
    (Guard.IPS, Direction.INTERNAL): _("A device inside is open to attack, for example by a weak password."),
    (Guard.AV, Direction.INBOUND): _("A file or mail that came in contained malware."),
    (Guard.AV, Direction.OUTBOUND): _(
        "A file or mail that one of your devices received or sent contained malware."
    ),
    (Guard.WG, Direction.INBOUND): _("Somebody used a dangerous address to reach you."),
    (Guard.WG, Direction.OUTBOUND): _("A device of yours was about to open a dangerous site."),
    (Guard.UF, Direction.OUTBOUND): _("A device of yours opened a site of a watched category."),
    (Guard.APG, Direction.OUTBOUND): _("A device of yours used an application that is watched."),
}

SEVERITIES: Final[Mapping[int, Words]] = {
    3: Words(
        _("Act at once"),
        _("Traffic from inside that matches known malware. The damage may already be done."),
    ),
    2: Words(
        _("Please check"),
        _("Traffic from inside that looks like an attack, or is aimed at a known flaw."),
    ),
    1: Words(
        _("Nothing urgent"), _("Hard to tell from normal traffic at first sight. You need not do anything.")
    ),
}

STEPS: Final[Mapping[int, tuple[Text, ...]]] = {
    3: (
        _("Disconnect this device from the network: pull its cable or switch its Wi-Fi off."),
        _("Scan it completely with an antivirus program that is up to date."),
        _("If the malware was found and removed, connect the device again."),
        _(
            "If nothing was found, it cannot be removed or you are not sure, leave it off and call the help desk."
        ),
    ),
    2: (
        _("Ask whoever uses this device whether they know the other end."),
        _("Bring the software that was used up to date, and scan the device."),
        _("If it happens again, call the help desk."),
    ),
}
"""What a customer does about a severity; one star needs nothing."""

SIDES: Final[Mapping[str, Words]] = {
    Side.BEHIND: Words(_("protected"), _("Behind the unit: its traffic is inspected.")),
    Side.ROUTER: Words(
        _("not protected"), _("On the router's side of the unit: its traffic does not pass through the unit.")
    ),
}

DEVICES: Final[Mapping[str, Text]] = {
    "pc": _("PC"),
    "phone": _("Phone"),
    "tablet": _("Tablet"),
    "printer": _("Printer"),
    "nas": _("NAS"),
    "camera": _("Camera"),
    "router": _("Router"),
    "access point": _("Wi-Fi access point"),
    "server": _("Server"),
    "phone system": _("Phone system"),
    "media": _("TV or media player"),
}

SOURCES: Final[Mapping[str, Text]] = {
    "mdns": _("name from mDNS"),
    "netbios": _("name from NetBIOS"),
    "dhcp": _("name from DHCP"),
    "dhcpv6": _("name from DHCPv6"),
    "llmnr": _("name from LLMNR"),
}


def _told(text: codes.Text) -> Text:
    """One text of the table of codes, in the reader's language when shown."""
    said: Text = lazy(lambda: text.of(get_language() or "en"), str)()
    return said


WIRING: Final[Mapping[str, Wiring]] = {
    code: Wiring(_told(entry.name), _told(entry.meaning), tuple(map(_told, entry.steps)))
    for code, entry in codes.CODES.items()
}

PHASES: Final[Mapping[str, Words]] = {
    UpdatePhase.IDLE: Words(_("Up to date"), _("No update is waiting.")),
    UpdatePhase.DOWNLOADING: Words(
        _("Downloading"), _("A new version is being downloaded. Your network is not affected.")
    ),
    UpdatePhase.STAGED: Words(
        _("Ready to restart"), _("A new version is installed beside the present one and waits for a restart.")
    ),
    UpdatePhase.TRIAL: Words(
        _("Being tried"),
        _("The unit runs the new version and checks itself. If anything is wrong it goes back."),
    ),
    UpdatePhase.COMMITTED: Words(_("Up to date"), _("The last update succeeded.")),
    UpdatePhase.FAILED: Words(
        _("Failed, went back"),
        _("The new version did not work on this unit. It runs the version before, fully protected."),
    ),
}

OUTCOMES: Final[Mapping[str, Text]] = {
    "planned": _("planned"),
    "wanted": _("announced to the unit"),
    "taken": _("the unit knows"),
    "downloading": _("downloading"),
    "staged": _("waiting for a restart"),
    "trial": _("being tried"),
    "done": _("done"),
    "failed": _("failed"),
    "superseded": _("replaced by a newer one"),
}

KINDS: Final[Mapping[str, Text]] = {"firmware": _("Firmware"), "pack": _("Signatures")}

WEEKDAYS: Final[tuple[tuple[int, Text], ...]] = (
    (1, _("Mon")),
    (2, _("Tue")),
    (3, _("Wed")),
    (4, _("Thu")),
    (5, _("Fri")),
    (6, _("Sat")),
    (7, _("Sun")),
)


def wiring(code: str) -> Wiring:
    """The words of a wiring code."""
    return WIRING.get(code) or Wiring(
        code, _("This unit reports something that this portal does not know yet.")
    )


def words(table: Mapping[str, Words], code: str) -> Words:
    """The words of a code, or the code itself."""
    return table.get(code) or Words(code)


def happened(guard: str, direction: str) -> Text:
    """What happened, in a sentence."""
    return HAPPENED.get((guard, direction)) or words(GUARDS, guard).meaning
