"""Which applications the customer does not want, out of what the fleet wants of this unit.

A category of the policy (`games`) or an application's own name in lower case blocks. Exceptions are honoured; a file that
cannot be read changes nothing.
"""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from omamori.firmware.engine.naming.catalogue import category
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.usage.records import Learned
from omamori.protocol import ProtocolError, wire
from omamori.protocol.messages import Hosts, Want, decode
from omamori.protocol.policy import NOTHING_CHANGED, Exemption, Policy, Response
from omamori.protocol.vocabulary import Guard, Side

_EVERY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Blocks:
    """A policy made ready for look-ups."""

    policy: Policy = NOTHING_CHANGED
    hosts: tuple[tuple[str, str], ...] = ()
    """Addresses with the MAC that holds each now."""

    def unwanted(self, record: Learned, now: float) -> bool:
        """Whether the flow is to be stopped; never by a guess."""
        unsure = record.lookup or record.guessed
        if not record.application or unsure or not self.policy.blocked_categories:
            return False
        wanted = {category(name) for name in self.policy.blocked_categories}
        named = {record.application.casefold(), record.category.casefold()}
        if not wanted & named or self._only_told(signature(record.application)):
            return False
        return not any(self._fits(each, record, now) for each in self.policy.exemptions)

    def _only_told(self, signature_id: str) -> bool:
        subjects = (signature_id, Guard.APG.value)
        return any(
            change.subject in subjects and change.response == Response.LOG for change in self.policy.changes
        )

    def _fits(self, exemption: Exemption, record: Learned, now: float) -> bool:
        if now >= exemption.until.timestamp():
            return False
        if exemption.rule and exemption.rule != signature(record.application):
            return False
        if exemption.host and (_text(record.inside), exemption.host) not in self.hosts:
            return False
        return not exemption.destination or _is_at(exemption.destination, record)


class PolicyFile:
    """The policy as the agent keeps it, read again when its file changes."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._next = 0.0
        self._seen: tuple[tuple[int, int, int] | None, ...] = (None, None)
        self._blocks = Blocks()

    def blocks(self, now: float) -> Blocks:
        """What holds; the files are looked at once a second. `now` is any clock that goes on."""
        if self._next - 2 * _EVERY < now < self._next:
            return self._blocks
        self._next = now + _EVERY
        seen = tuple(_stamp(path) for path in (self._paths.want, self._paths.hosts))
        if seen != self._seen:
            self._seen = seen
            self._blocks = Blocks(self._policy(), self._hosts())
        return self._blocks

    def _policy(self) -> Policy:
        try:
            return decode(Want, files.read_capped(self._paths.want)).policy
        except (OSError, ProtocolError):
            return self._blocks.policy

    def _hosts(self) -> tuple[tuple[str, str], ...]:
        try:
            raw = files.read_capped(self._paths.hosts)
            known = wire.from_wire(Hosts, wire.load(raw, cap=files.READ_CAP))
        except (OSError, ProtocolError):
            return self._blocks.hosts
        behind = (host for host in known.hosts if host.side is Side.BEHIND)
        return tuple((held.address, str(host.mac)) for host in behind for held in host.addresses)


def signature(application: str) -> str:
    """The signature id of an application, as exceptions and changes name it."""
    return f"{Guard.APG.value}:{application.casefold().replace(' ', '-')}"


def _is_at(destination: str, record: Learned) -> bool:
    """An address, network or domain at the other end."""
    try:
        network = ip_network(destination, strict=False)
    except ValueError:
        return record.host == destination or record.host.endswith(f".{destination}")
    other = record.key.high if record.key.low == record.inside else record.key.low
    return len(other) in (4, 16) and ip_address(other) in network


def _text(address: bytes) -> str:
    return str(ip_address(address)) if len(address) in (4, 16) else ""


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size
