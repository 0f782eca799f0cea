"""Which known vulnerabilities an image has, by the data of Debian's security tracker (its JSON form, a local copy or a URL).

Per source package and CVE the tracker says for each release: open, undetermined, or resolved and in which version.
Versions are compared as Debian does (deb-version(7)). Wrong shapes in the data are refused, not guessed around.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from omamori.image.errors import EvidenceError

_LARGEST = 2**29


class Status(Enum):
    """What can be done: `fixed` waits in the archive, `open` has no fix yet, `unknown` was not looked at yet."""

    FIXED = "fixed"
    OPEN = "open"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One CVE in one source package, with the packages of the image that come from it."""

    cve: str
    source: str
    installed: str
    packages: tuple[str, ...]
    status: Status
    fixed_in: str | None
    urgency: str
    description: str


def load(place: str) -> dict[str, Any]:
    """The tracker's data from a file or an http(s) address. Raises EvidenceError."""
    try:
        table = json.loads(_bytes(place))
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"{place} is no data of the security tracker: {error}") from error
    if not isinstance(table, dict) or not all(isinstance(entry, dict) for entry in table.values()):
        raise EvidenceError(f"{place} is no data of the security tracker: not package -> CVE -> facts")
    return table


def _bytes(place: str) -> bytes:
    try:
        if place.startswith(("http://", "https://")):
            with urllib.request.urlopen(place, timeout=60) as answer:  # noqa: S310 - only these two schemes
                data = bytes(answer.read(_LARGEST + 1))
        else:
            with Path(place).open("rb") as opened:
                data = opened.read(_LARGEST + 1)
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise EvidenceError(f"{place}: {error}") from error
    if len(data) > _LARGEST:
        raise EvidenceError(f"{place} is larger than {_LARGEST} bytes")
    return data


def find(
    installed: Iterable[tuple[str, str, str]], tracker: dict[str, Any], suite: str
) -> list[Vulnerability]:
    """For (package, source, source version) lines; sorted: what can be mended first. Raises EvidenceError."""
    sources: dict[tuple[str, str], list[str]] = {}
    for package, source, version in installed:
        sources.setdefault((source, version), []).append(package)
    if not any(any(_said(tracker.get(source, {}), suite)) for source, _ in sources):
        raise EvidenceError(
            f"the tracker's data say nothing about {suite} of any package here: is it the right file, and the right --suite?"
        )
    found = [
        one
        for (source, version), packages in sources.items()
        for one in _of_source(source, version, tuple(sorted(packages)), tracker.get(source, {}), suite)
    ]
    order = list(Status)
    return sorted(found, key=lambda one: (order.index(one.status), one.source, one.cve))


def _of_source(
    source: str, version: str, packages: tuple[str, ...], entries: dict[str, Any], suite: str
) -> Iterator[Vulnerability]:
    for cve, facts, release in _said(entries, suite):
        if status := _status(version, release, cve):
            fixed = str(release["fixed_version"]) if status is Status.FIXED else None
            urgency, text = str(release.get("urgency", "")), str(facts.get("description", ""))
            yield Vulnerability(cve, source, version, packages, status, fixed, urgency, text)


def _said(entries: dict[str, Any], suite: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each CVE with its facts and what they say of the suite, where they say anything."""
    for cve, facts in entries.items():
        release = _table(_table(facts, cve).get("releases", {}), cve).get(suite)
        if release is not None:
            yield cve, facts, _table(release, cve)


def _status(version: str, release: dict[str, Any], cve: str) -> Status | None:
    match release.get("status"):
        case "resolved":
            fixed = str(release.get("fixed_version", "0"))
            return Status.FIXED if order(version, fixed) < 0 else None
        case "open":
            return Status.OPEN
        case "undetermined":
            return Status.UNKNOWN
        case other:
            raise EvidenceError(f"{cve}: the tracker's status {other!r} is not known")


def _table(value: object, cve: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EvidenceError(f"{cve}: {str(value)[:40]!r} where the tracker has a table")
    return value


def order(first: str, second: str) -> int:
    """-1, 0 or 1, as Debian orders versions: epoch, upstream, revision."""
    ours, theirs = _split(first), _split(second)
    if ours[0] != theirs[0]:
        return -1 if ours[0] < theirs[0] else 1
    return _part(ours[1], theirs[1]) or _part(ours[2], theirs[2])


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    return (int(epoch) if re.fullmatch(r"[0-9]{1,9}", epoch) else 0), upstream, revision


def _part(first: str, second: str) -> int:
    """Runs of other characters and of digits by turns; `~` is before the end, letters before all else."""
    ours, theirs = (re.findall(r"([^0-9]*)([0-9]*)", text[:500]) for text in (first, second))
    for index in range(max(len(ours), len(theirs))):
        one = ours[index] if index < len(ours) else ("", "")
        two = theirs[index] if index < len(theirs) else ("", "")
        key = [([*map(_weight, word), 0], int(number or 0)) for word, number in (one, two)]
        if key[0] != key[1]:
            return -1 if key[0] < key[1] else 1
    return 0


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
