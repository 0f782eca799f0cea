"""Is there more than one device behind an address? Each sign weighs, and the sum and its reasons are told. Pure and bounded.

Signs, from the first segments of TCP connections: packets that have already passed a router although their sender speaks with an
address of this network; systems that start with different TTLs; different orders of TCP options. From the first words of programs:
systems of different makers by name (User-Agent) or by their own TLS library, and many ways to open TLS (JA4). A single PC with containers
or a virtual machine also forwards, but for one guest and beside its own connections: that alone stays below `TOLD`, and so
does a PC whose browser pretends.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from omamori.firmware.lan import software
from omamori.firmware.lan.client import Client
from omamori.firmware.lan.segment import Opening
from omamori.firmware.lan.sighting import Port, Sighting
from omamori.firmware.lan.software import TLS, Software
from omamori.protocol.ids import Mac

KEEP: Final = timedelta(hours=1)
TOLD: Final = 0.6
"""The least score that is worth a finding."""
_MOST: Final = 500
_MOST_STACKS: Final = 12
_MANY_HELLOS: Final = 15
"""Ways to open TLS, by TCP or by QUIC; the programs of one PC have fewer."""
_MOST_HELLOS: Final = 40


@dataclass(frozen=True, slots=True)
class Shared:
    """A device that speaks for several, with the score (0 to 1) and what it was read from."""

    mac: Mac
    address: str
    score: float
    reasons: tuple[str, ...]
    since: datetime


@dataclass(slots=True)
class _Speaker:
    address: str
    port: Port
    first: datetime
    own: dict[str, datetime] = field(default_factory=dict)
    """Stacks of connections that began in the device itself, when last."""
    passed: dict[str, datetime] = field(default_factory=dict)
    """Stacks of connections that had passed a router before."""
    software: dict[Software, datetime] = field(default_factory=dict)
    hellos: dict[str, datetime] = field(default_factory=dict)
    """JA4, when last."""
    travelled: int = 0
    routes: bool = False
    """It calls itself a router."""

    def ledgers(self) -> tuple[dict[Any, datetime], ...]:
        """Everything that is kept with its time."""
        return (self.own, self.passed, self.software, self.hellos)


class Translations:
    """Notes openings of connections by devices that use an address of their own."""

    def __init__(self) -> None:
        self._speakers: OrderedDict[Mac, _Speaker] = OrderedDict()

    def note(self, sighting: Sighting, opening: Opening, *, holds: bool) -> None:
        """Take a SYN in; `holds` where the sender of the frame claims the packet's source address as its own."""
        if opening.answers or not holds or opening.travelled > 4:
            return
        speaker = self._speaker(sighting, str(opening.source))
        stacks = speaker.passed if opening.travelled else speaker.own
        if opening.stack in stacks or len(stacks) < _MOST_STACKS:
            stacks[opening.stack] = sighting.time
        speaker.travelled = max(speaker.travelled, opening.travelled)

    def said(self, sighting: Sighting, client: Client, *, holds: bool) -> None:
        """Take a program's first words in; `holds` as above."""
        if not holds or client.travelled > 4:
            return
        speaker = self._speaker(sighting, str(client.source))
        if client.software:
            speaker.software[client.software] = sighting.time
        if client.ja4 and (client.ja4 in speaker.hellos or len(speaker.hellos) < _MOST_HELLOS):
            speaker.hellos[client.ja4] = sighting.time

    def called_router(self, mac: Mac) -> None:
        """The device announces itself as a router."""
        if speaker := self._speakers.get(mac):
            speaker.routes = True

    def shared(self, now: datetime) -> tuple[Shared, ...]:
        """Devices that speak for others, by the last hour."""
        found = []
        for mac, speaker in self._speakers.items():
            self._expire(speaker, now)
            reasons = _reasons(speaker)
            score = round(min(0.99, sum(weight for weight, _ in reasons)), 2)
            if score >= TOLD:
                texts = tuple(text for _, text in reasons)
                found.append(Shared(mac, speaker.address, score, texts, speaker.first))
        return tuple(found)

    def forget(self, port: Port) -> None:
        """The port's cable was touched."""
        for mac in [mac for mac, speaker in self._speakers.items() if speaker.port is port]:
            del self._speakers[mac]

    def shift(self, by: timedelta) -> None:
        """The clock was set."""
        for speaker in self._speakers.values():
            speaker.first += by
            for times in speaker.ledgers():
                times.update({what: time + by for what, time in times.items()})

    def _speaker(self, sighting: Sighting, address: str) -> _Speaker:
        speaker = self._speakers.pop(sighting.source, None)
        if speaker is None or speaker.address != address:
            speaker = _Speaker(address, sighting.port, sighting.time)
        self._speakers[sighting.source] = speaker
        if len(self._speakers) > _MOST:
            self._speakers.popitem(last=False)
        return speaker

    @staticmethod
    def _expire(speaker: _Speaker, now: datetime) -> None:
        for times in speaker.ledgers():
            for what in [what for what, time in times.items() if now - time > KEEP]:
                del times[what]


def _reasons(speaker: _Speaker) -> list[tuple[float, str]]:
    """Weights and words."""
    stacks = {*speaker.own, *speaker.passed}
    starts = {stack.split(":")[0] for stack in stacks}
    found: list[tuple[float, str]] = []
    if speaker.passed:
        found.append((0.45, f"its packets have passed {speaker.travelled} router(s) before"))
        if not speaker.own:
            found.append((0.15, "none of its connections began in the device itself"))
        if len(speaker.passed) > 1:
            found.append((0.2, f"{len(speaker.passed)} different systems speak through it"))
    if len(starts) > 1:
        found.append((0.3 if len(speaker.passed) != 1 else 0.1, f"TTLs start at {', '.join(sorted(starts))}"))
    if len(stacks) > 2 and len(speaker.passed) != 1:
        found.append((0.3, f"{len(stacks)} different orders of TCP options"))
    if speaker.routes:
        found.append((0.3, "it announces itself as a router"))
    return [*found, *_said(speaker)]


def _said(speaker: _Speaker) -> list[tuple[float, str]]:
    """Of programs: nothing where they may be those of a PC and its one guest."""
    if speaker.own and len(speaker.passed) == 1:
        return []
    found: list[tuple[float, str]] = []
    named = software.families(each for each in speaker.software if each not in TLS)
    opening = software.families(each for each in speaker.software if each in TLS)
    if len(named) > 1:
        found.append((0.3 if len(named) == 2 else 0.45, f"its programs call themselves {', '.join(named)}"))
    if len(opening) > 1:
        found.append((0.25, f"it opens TLS as {' and '.join(opening)} do (JA4)"))
    ways = max(sum(each.startswith(kind) for each in speaker.hellos) for kind in "tq")
    if ways >= _MANY_HELLOS:
        found.append((0.1, f"{ways} different ways to open TLS (JA4)"))
    return found
