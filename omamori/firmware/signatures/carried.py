"""Captures that a pack carries: what it must find and what it must leave alone, replayed before the pack is used.

Samples (`selftest.py`) prove the tables; these prove that rules, parsers and tables together still say what the release
side saw. They are few and small, because a slow unit replays them beside its traffic.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.container import Altered, Data, SelfTestFailed, TooLarge
from omamori.protocol.messages import Detection
from omamori.protocol.vocabulary import Guard

MEMBER = "captures.json"
"""A pack without it carries none."""
MOST = 24
MOST_BYTES = 256 << 10
"""Of all together."""
_MOST_PACKETS = 4000
_HARMFUL = (Guard.IPS, Guard.AV, Guard.WG)
"""Guards whose word is never an everyday thing; UF and APG tell of ordinary sites and applications."""
_UNSCANNED = "unscanned"


@dataclass(frozen=True, slots=True)
class Capture:
    """`matches`: with at least one of `signatures` (any, where none is named); otherwise nothing harmful may be found."""

    name: str
    content: bytes
    matches: bool
    signatures: tuple[str, ...] = ()


def dump(captures: Sequence[Capture]) -> dict[str, bytes]:
    """Members of a pack. Raises TooLarge."""
    if not captures:
        return {}
    _bound(captures)
    listed = [
        {"name": each.name, "matches": each.matches, "signatures": each.signatures, "member": _member(number)}
        for number, each in enumerate(captures)
    ]
    members = {_member(number): each.content for number, each in enumerate(captures)}
    return {MEMBER: json.dumps(listed).encode(), **members}


def load(members: Mapping[str, Data]) -> list[Capture]:
    """Raises Altered, TooLarge."""
    if MEMBER not in members:
        return []
    try:
        found = [
            Capture(
                str(each["name"]),
                bytes(members[str(each["member"])]),
                matches=each["matches"] is True,
                signatures=tuple(map(str, each["signatures"])),
            )
            for each in json.loads(bytes(members[MEMBER]))
        ]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Altered(f"the captures cannot be read: {error!r}") from error
    _bound(found)
    return found


def run(signatures: Signatures, captures: Iterable[Capture]) -> None:
    """Raises SelfTestFailed for the first that is not as it must be, Altered for one that is no capture."""
    for each in captures:
        found = matches(signatures, each.content)
        if each.matches and not wanted(found, each.signatures):
            missing = ", ".join(each.signatures) or "anything"
            raise SelfTestFailed(f"self-test: capture {each.name[:60]}: {missing[:60]} is not found")
        if not each.matches and found:
            one = found[0]
            raise SelfTestFailed(
                f"self-test: capture {each.name[:60]}: {one.signature_id} ({one.signature[:60]}) is found in it"
            )


def matches(signatures: Signatures, content: bytes) -> list[Detection]:
    """What a replay finds that is harmful. Raises Altered for what is no capture."""
    from omamori.firmware.signatures.capture import CaptureError, frames
    from omamori.firmware.signatures.replay import Options, replay_frames

    some = islice(frames(io.BytesIO(content), "capture"), _MOST_PACKETS)
    try:
        sightings = replay_frames(some, signatures, Options(actions=False)).sightings
    except CaptureError as error:
        raise Altered(f"the self-test cannot be run: {error}") from error
    return harmful(sighting.detection for sighting in sightings)


def harmful(detections: Iterable[Detection]) -> list[Detection]:
    """Without ordinary sites and applications, and without notes of what could not be scanned."""
    return [each for each in detections if each.guard in _HARMFUL and each.category != _UNSCANNED]


def wanted(found: Iterable[Detection], signatures: Sequence[str]) -> bool:
    """Whether one of the named was found; any will do where none is named."""
    return any(not signatures or each.signature_id in signatures for each in found)


def _bound(captures: Sequence[Capture]) -> None:
    size = sum(len(each.content) for each in captures)
    if len(captures) > MOST or size > MOST_BYTES:
        raise TooLarge(
            f"{len(captures)} captures of {size} bytes; a pack carries {MOST} of {MOST_BYTES} bytes at most"
        )


def _member(number: int) -> str:
    return f"captures/{number}.pcap"
