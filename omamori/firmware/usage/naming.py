"""The naming child: copies of packets in, names of flows out, in a sandbox (decision 0010).

It opens the log group, loads the library and the lists of sites, and then gives up files, sockets, programs, capabilities
and memory beyond a bound. A crash or a hang of the library ends this process only; its parent starts another.
"""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NoReturn

from omamori.firmware.engine.domains import DomainTable, normalised
from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.naming.catalogue import category
from omamori.firmware.engine.naming.namer import Dissector, Named, Namer
from omamori.firmware.host import sandbox
from omamori.firmware.host.ndpi import Ndpi, NdpiError
from omamori.firmware.host.nflog import Copy, PacketLog
from omamori.firmware.signatures import container, sites
from omamori.firmware.usage.records import Beat, Fell, Learned, Ready, Record, encode
from omamori.protocol.vocabulary import Guard

_MEMORY: Final = 768 << 20
"""Address space, mapped lists included; what is resident is a tenth of it."""
_BEAT: Final = 1.0
_FOREIGN: Final = "例.example"
"""Python looks for what a foreign name needs in files when the first one comes; it must come while there are files."""
_ORDER: Final = (Guard.APG, Guard.UF, Guard.WG)


@dataclass(frozen=True, slots=True)
class Task:
    """What the child is to do."""

    group: int
    outside_port: int
    pack: Path | None


Load = Callable[[], tuple[Dissector | None, str]]
"""The library and its version; None and an empty text where there is none."""


def library() -> tuple[Dissector | None, str]:
    """Raises nothing: without the library the tables name alone."""
    try:
        found = Ndpi()
    except NdpiError:
        return None, ""
    return found, found.version


def be_child(task: Task, channel: socket.socket, parent: int, load: Load) -> NoReturn:
    """The child's whole life; it leaves by _exit, so that nothing of the parent is run or flushed twice."""
    code = 1
    try:
        _forget_parent(channel.fileno())
        channel.setblocking(False)
        with PacketLog(task.group) as log:
            dissector, version = load()
            tables = _tables(task.pack)
            normalised(_FOREIGN)
            left = sandbox.confine(memory=_MEMORY, parent=parent)
            child = Child(log, Namer(dissector), tables, channel, outside_port=task.outside_port)
            child.tell(Ready(version, tuple(left)))
            child.run()
        code = 0
    except BaseException as error:  # noqa: BLE001 - the last line of defence; the parent is told
        with contextlib.suppress(OSError):
            channel.send(encode(Fell(repr(error)[:300])))
    finally:
        os._exit(code)


def _forget_parent(channel: int) -> None:
    """Its open files and what it does about signals."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.closerange(3, channel)
    os.closerange(channel + 1, 1 << 16)


class Child:
    """One log group between the kernel and the parent."""

    def __init__(
        self,
        log: PacketLog,
        namer: Namer,
        tables: Mapping[Guard, DomainTable],
        channel: socket.socket,
        *,
        outside_port: int,
    ) -> None:
        self._log, self._namer, self._tables, self._channel = log, namer, tables, channel
        self._outside_port = outside_port
        self._lost = 0
        self._flows = 0
        self._errors = 0

    def run(self) -> None:
        """Until the parent is gone."""
        poll = select.poll()
        poll.register(self._log, select.POLLIN)
        poll.register(self._channel, 0)
        beat = 0.0
        while True:
            ready = [number for number, _ in poll.poll(int(_BEAT * 500))]
            if self._channel.fileno() in ready:
                return
            for copy in self._log.receive() if ready else ():
                self._look(copy)
            if time.monotonic() >= beat:
                beat = time.monotonic() + _BEAT
                self._rest()

    def tell(self, record: Record) -> None:
        """Best effort: a parent that is slow loses records, and is told how many."""
        try:
            self._channel.send(encode(record))
        except (BlockingIOError, ConnectionError):
            self._lost += 1

    def _look(self, copy: Copy) -> None:
        try:
            named = self._namer.packet(copy.data, now=time.time())
        except Exception:  # noqa: BLE001 - one packet more or less; how many is told
            self._errors += 1
            return
        if named is not None:
            self._flows += 1
            self._say(named, self._inside(copy))

    def _rest(self) -> None:
        for named in self._namer.tick(time.time()):
            self._say(named, b"")
        self.tell(Beat(self._flows, self._log.missed, self._lost, self._errors))

    def _say(self, named: Named, inside: bytes) -> None:
        name, kind = "", ""
        if not named.lookup:
            name = named.application.name if named.application else ""
            kind = named.application.kind.value if named.application else self._category(named.host)
        self.tell(Learned(named.key, inside, name, kind, named.host, named.lookup, named.guessed))

    def _category(self, host: str) -> str:
        """Of the first guard that lists the site; the application guard's lists have the best word for it."""
        for guard in _ORDER if host else ():
            table = self._tables.get(guard)
            found = table.lookup(host) if table is not None else None
            if found is not None:
                return category(found.category)
        return ""

    def _inside(self, copy: Copy) -> bytes:
        """The inside end, by the port that the packet came in by (the radio is inside); cables may be swapped, private addresses tell."""
        source, destination = ends(copy.data)
        inside, outside = (
            (destination, source) if copy.in_port == self._outside_port else (source, destination)
        )
        swapped = bool(inside) and not ip_address(inside).is_private and ip_address(outside).is_private
        return outside if swapped else inside


def ends(data: bytes) -> tuple[bytes, bytes]:
    """Source and destination of an IP packet; empty for what is none."""
    if data[:1] and data[0] >> 4 == 4 and len(data) >= 20:
        return data[12:16], data[16:20]
    if data[:1] and data[0] >> 4 == 6 and len(data) >= 40:
        return data[8:24], data[24:40]
    return b"", b""


def _tables(pack: Path | None) -> Mapping[Guard, DomainTable]:
    """The lists of sites of the pack in force; none where it cannot be read, which the bridge tells already."""
    if pack is None:
        return {}
    try:
        _, members = container.read(pack)
        wanted = {name: data for name, data in members.items() if name.startswith("domains/")}
        return sites.load(wanted).domains
    except (container.PackError, SignatureError, OSError, ValueError, KeyError):
        return {}
