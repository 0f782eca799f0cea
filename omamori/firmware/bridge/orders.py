"""The operator's policy as a worker learns of it: out of the agent's `want.json`, with the hosts' present addresses.

The files are looked at once a second and read only when they changed; the list of hosts only while an exception names one. What
cannot be read changes nothing: the policy in force stays.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from omamori.firmware.engine.conduct import Orders
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol import ProtocolError, wire
from omamori.protocol.ids import Mac
from omamori.protocol.messages import Hosts, Want, decode
from omamori.protocol.policy import NOTHING_CHANGED, Policy
from omamori.protocol.vocabulary import Side

_EVERY: Final = 1.0
_Stamp = tuple[int, int, int]


class OrderFiles:
    """`news` is cheap: call it at each tick."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._next = 0.0
        self._policy: Policy = NOTHING_CHANGED
        self._hosts: Mapping[str, Mac] = {}
        self._seen: tuple[_Stamp | None, _Stamp | None] = (None, None)

    def news(self, now: float) -> Orders | None:
        """What holds from now on, where that differs from the last answer. `now` is any clock that goes on."""
        if self._next - 2 * _EVERY < now < self._next:
            return None
        self._next = now + _EVERY
        seen = (_stamp(self._paths.want), _stamp(self._paths.hosts) if self._names_hosts else None)
        if seen == self._seen:
            return None
        before = self._policy, self._hosts
        self._policy = self._read_policy() if seen[0] != self._seen[0] else self._policy
        self._hosts = self._read_hosts() if self._names_hosts else {}
        self._seen = (seen[0], _stamp(self._paths.hosts) if self._names_hosts else None)
        return Orders(self._policy, self._hosts) if (self._policy, self._hosts) != before else None

    @property
    def _names_hosts(self) -> bool:
        return any(exemption.host for exemption in self._policy.exemptions)

    def _read_policy(self) -> Policy:
        try:
            return decode(Want, files.read_capped(self._paths.want)).policy
        except (OSError, ProtocolError):
            return self._policy

    def _read_hosts(self) -> Mapping[str, Mac]:
        try:
            raw = files.read_capped(self._paths.hosts)
            return _holders(wire.from_wire(Hosts, wire.load(raw, cap=files.READ_CAP)))
        except (OSError, ProtocolError):
            return self._hosts


def _holders(known: Hosts) -> Mapping[str, Mac]:
    """Who holds each address: of the hosts behind us the one that was seen with it last."""
    held = sorted(
        (held.last_seen, held.address, host.mac)
        for host in known.hosts
        if host.side is Side.BEHIND
        for held in host.addresses
    )
    return {address: mac for _, address, mac in held}


def _stamp(path: Path) -> _Stamp | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size
