"""What a firmware release says about itself to customers: signed with the bundle, as custom metadata `release`.

What changed in Japanese and English, how urgent it is, the vulnerabilities mended, and what it costs the customer: whether
the unit restarts and for how long traffic stops. Checked before it is signed, because a signed mistake stays published:
both languages, no field misspelt, no restart without its length. A file is JSON:

    {"ja": "...", "en": "...", "severity": "important", "cves": ["CVE-2026-12345"], "restart": {"needed": true, "seconds": 45}}
"""

import re
import unicodedata
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path

from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.signing.errors import TargetError

TEXT_CAP = 1000
"""Characters of what changed, in each language: a customer reads no more."""
CVE_CAP = 100
OUTAGE_CAP = 3600
"""Seconds a restart may stop the traffic."""

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,7}")
_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


class Urgency(StrEnum):
    """How soon it should be on the units."""

    ROUTINE = "routine"
    IMPORTANT = "important"
    CRITICAL = "critical"


_WORDS = {
    "ja": (
        {
            Urgency.ROUTINE: "重要度: 通常",
            Urgency.IMPORTANT: "重要度: 重要",
            Urgency.CRITICAL: "重要度: 緊急",
        },
        "再起動: 必要（通信の停止は最大{}秒）",
        "再起動: 不要",
        "修正した脆弱性: {}",
    ),
    "en": (
        {
            Urgency.ROUTINE: "Urgency: routine",
            Urgency.IMPORTANT: "Urgency: important",
            Urgency.CRITICAL: "Urgency: critical",
        },
        "Restart: needed (traffic stops for at most {} s)",
        "Restart: not needed",
        "Vulnerabilities mended: {}",
    ),
}


@dataclass(frozen=True, slots=True)
class Restart:
    """Whether the unit restarts for it, and for how many seconds traffic stops at most (0 where it does not)."""

    needed: bool
    seconds: int


@dataclass(frozen=True, slots=True)
class Notes:
    """One release, in the customer's words."""

    ja: str
    en: str
    severity: Urgency
    restart: Restart
    cves: tuple[str, ...] = ()


def read(path: Path) -> Notes:
    """A file written by hand. Raises TargetError, with what to mend."""
    try:
        with path.open("rb") as file:
            raw = file.read(wire.MESSAGE_CAP + 1)
        return parse(wire.load(raw))
    except (OSError, ProtocolError) as error:
        raise TargetError(f"{path}: {error}") from error
    except TargetError as error:
        raise TargetError(f"{path}: {error}") from error


def parse(value: dict[str, object]) -> Notes:
    """Raises TargetError, Malformed."""
    _known(value, Notes, "")
    restart = value.get("restart")
    if isinstance(restart, dict):
        _known(restart, Restart, "restart.")
    notes = wire.from_wire(Notes, value)
    if faults := [*_text_faults(notes), *_other_faults(notes)]:
        raise TargetError("; ".join(faults))
    return notes


def to_custom(notes: Notes) -> dict[str, object]:
    """The form that is signed."""
    value = wire.to_wire(notes)
    return value if isinstance(value, dict) else {}


def lines(notes: Notes, language: str) -> list[str]:
    """For people, in `ja` or `en`."""
    urgent, restarts, stays, mends = _WORDS[language]
    cost = restarts.format(notes.restart.seconds) if notes.restart.needed else stays
    text = notes.ja if language == "ja" else notes.en
    return [
        text,
        urgent[notes.severity],
        cost,
        *([mends.format(", ".join(notes.cves))] if notes.cves else []),
    ]


def _known(value: dict[str, object], shape: type, where: str) -> None:
    allowed = [field.name for field in fields(shape)]
    if unknown := sorted(set(value) - set(allowed)):
        raise TargetError(f"{where}{unknown[0][:40]} is unknown; there are {', '.join(allowed)}")


def _text_faults(notes: Notes) -> list[str]:
    faults = []
    for language, text in (("ja", notes.ja), ("en", notes.en)):
        if not text.strip() or len(text) > TEXT_CAP:
            faults.append(f"{language} needs 1 to {TEXT_CAP:,} characters")
        if any(unicodedata.category(char) in {"Cc", "Cf"} and char != "\n" for char in text):
            faults.append(f"{language} has control characters")
    if not _JAPANESE.search(notes.ja) or _JAPANESE.search(notes.en):
        faults.append("ja must be Japanese and en English")
    return faults


def _other_faults(notes: Notes) -> list[str]:
    faults = [f"{cve[:40]!r} is no CVE number" for cve in notes.cves[:CVE_CAP] if not _CVE.fullmatch(cve)]
    if len(notes.cves) > CVE_CAP or len(set(notes.cves)) < len(notes.cves):
        faults.append(f"cves: at most {CVE_CAP}, each once")
    if notes.restart.needed and not 0 < notes.restart.seconds <= OUTAGE_CAP:
        faults.append(f"restart.seconds: say for how long traffic stops, 1 to {OUTAGE_CAP:,}")
    if not notes.restart.needed and notes.restart.seconds:
        faults.append("restart.seconds must be 0 where no restart is needed")
    return faults
