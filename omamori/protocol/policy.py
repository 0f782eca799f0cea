"""What the operator wants the guards of one unit to do otherwise than by default; a part of `Want`.

Words stay text on the wire, so that a unit skips what it does not know instead of refusing all that is wanted of it. All
criteria of one exemption must hold: an older unit would widen one whose new criterion it ignores, so a new criterion
comes as a new list beside this one, never as a new field of `Exemption`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_network

from omamori.protocol.errors import PolicyError
from omamori.protocol.ids import Mac
from omamori.protocol.vocabulary import Guard

MAX_EXEMPTIONS = 100
MAX_CATEGORIES = 50
MAX_CHANGES = 90
MAX_TRIAL_DAYS = 90
"""Together with the longest texts below, a `Want` at every bound fits one message."""
_RULE = re.compile(r"[0-9]{1,9}:[0-9]{1,10}|[a-z]{2,20}:[!-~]{1,80}")
_SID = re.compile(r"[0-9]{1,10}")
_CATEGORY = re.compile(r"[a-z0-9][a-z0-9_.&-]{0,39}")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")


class Response(StrEnum):
    """What a guard is told to do about its matches."""

    LOG = "log"
    BLOCK = "block"
    NEUTRALISE = "neutralise"


@dataclass(frozen=True, slots=True)
class Exemption:
    """Matches that fit are told, but stop nothing until then. Empty criteria fit everything; one at least is set."""

    number: int
    until: datetime
    host: Mac | None = None
    """The inside host."""
    rule: str = ""
    """A detection's `signature_id`: `gid:sid` of a rule, or another guard's, as `wg:bad.example`."""
    destination: str = ""
    """An address or network (`192.0.2.0/24`) at the other end, or a domain with all below it."""


@dataclass(frozen=True, slots=True)
class Change:
    """`subject` is a guard's short name or a `signature_id`, `response` one of `Response`."""

    subject: str
    response: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The default changes nothing."""

    exemptions: tuple[Exemption, ...] = ()
    blocked_categories: tuple[str, ...] = ()
    """Of UF and APG; all others are told only."""
    changes: tuple[Change, ...] = ()
    """A rule's own goes before its guard's."""
    trial_days: int = 0
    """A rule whose `created_at` is younger is told only; 0 switches that off."""


NOTHING_CHANGED = Policy()


def rule(text: str) -> str:
    """`gid:sid`, a bare sid (of group 1), or another guard's signature id. Raises PolicyError."""
    text = text.strip()
    if _SID.fullmatch(text):
        return f"1:{text}"
    if not _RULE.fullmatch(text):
        raise PolicyError(f"not a rule: {text[:60]!r} (a sid, gid:sid, or a detection's signature id)")
    return text


def destination(text: str) -> str:
    """An address, a network or a domain in its one spelling. Raises PolicyError."""
    text = text.strip().lower().rstrip(".").removeprefix("*.")
    if re.fullmatch(r"[0-9a-f:.]+(/[0-9]{1,3})?", text) and (":" in text or text[-1:].isdigit()):
        try:
            network = ip_network(text, strict=False)
        except ValueError as error:
            raise PolicyError(f"not an address or network: {text[:60]!r}") from error
        if network.prefixlen == 0:
            raise PolicyError("a network of all addresses is no destination")
        return str(network.network_address) if network.num_addresses == 1 else str(network)
    try:
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not _DOMAIN.fullmatch(name):
        raise PolicyError(f"not an address, network or domain: {text[:60]!r}")
    return name


def category(text: str) -> str:
    """A category's name as lists spell it. Raises PolicyError."""
    name = text.strip().lower()
    if not _CATEGORY.fullmatch(name):
        raise PolicyError(f"not a category: {text[:60]!r}")
    return name


def change(subject: str, response: str) -> Change:
    """What this guard or rule is to do. Raises PolicyError for what no guard can do."""
    subject = subject.strip().lower() if subject.strip().lower() in list(Guard) else rule(subject)
    try:
        wanted = Response(response)
    except ValueError as error:
        raise PolicyError(f"not one of {', '.join(Response)}: {response[:40]!r}") from error
    if wanted is Response.NEUTRALISE and subject.partition(":")[0] != Guard.AV:
        raise PolicyError("only the antivirus (av) neutralises")
    if wanted is Response.BLOCK and subject in (Guard.UF, Guard.APG):
        raise PolicyError(f"{subject} blocks by category: name the categories")
    return Change(subject, wanted.value)
