"""The process: packet sockets and netlink in, three files and a spool out. It listens, and asks now and then (`sounding`).

Once a second it looks at the links and the forwarding table, and writes what changed. A disk that is full or a port that is
gone for a while is logged once and tried again; frames beyond the budget wait in the kernel's buffer and are dropped there.
"""

import logging
import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from omamori.firmware.host import files, system
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import SpoolWriter
from omamori.firmware.lan import store, vendors
from omamori.firmware.lan.apart import ApartFile
from omamori.firmware.lan.capture import Capture
from omamori.firmware.lan.clock import SteadyClock
from omamori.firmware.lan.errors import BadFrame, BadInventory, PortMissing
from omamori.firmware.lan.ethernet import is_station
from omamori.firmware.lan.inventory import Inventory
from omamori.firmware.lan.links import Links
from omamori.firmware.lan.loops import ProbePort
from omamori.firmware.lan.picture import News, Picture
from omamori.firmware.lan.radio import Radio, SilentRadio
from omamori.firmware.lan.sighting import Learned, Port, Sighting, dissect
from omamori.firmware.lan.sounding import Sounding
from omamori.firmware.lan.watch import Watch
from omamori.firmware.lan.wire import Wire
from omamori.protocol import wire as wire_form
from omamori.protocol.messages import Log

if TYPE_CHECKING:
    from omamori.firmware.lan.overhearing import Overhearing

LOOK_EVERY: Final = 1.0
"""Seconds."""
SAVE_EVERY: Final = timedelta(minutes=1)
FRAMES_A_LOOK: Final = 2_000
"""More than a LAN of a thousand hosts sends; the rest of a storm is dropped in the kernel."""
FRESH: Final = 2.0
"""Seconds: a forwarding entry heard within this time is a sighting."""

_log = logging.getLogger("omamori.lan")


@dataclass(frozen=True, slots=True)
class Names:
    """The interfaces."""

    wan: str
    lan: str
    bridge: str

    def of(self, port: Port) -> str:
        return self.wan if port is Port.WAN else self.lan


@dataclass(slots=True)
class Once:
    """Logs a trouble when it begins and when it ends, not every second of it."""

    spool: SpoolWriter
    clock: SteadyClock
    present: set[str] = field(default_factory=set)

    def trouble(self, what: str, error: Exception) -> None:
        if what not in self.present:
            self.present.add(what)
            self._tell("warning", f"{what}: {error}")

    def over(self, what: str) -> None:
        if what in self.present:
            self.present.discard(what)
            self._tell("info", f"{what}: over")

    def _tell(self, level: str, text: str) -> None:
        _log.log(logging.WARNING if level == "warning" else logging.INFO, text)
        self.spool.put(Log(self.clock.now(), "lan", level, text))


class Process:
    """One run. `run` returns when `stopping` says so."""

    def __init__(self, names: Names, paths: Paths, *, clock: SteadyClock, spool: SpoolWriter) -> None:
        self._names, self._paths, self._clock, self._spool = names, paths, clock, spool
        self._once, self._apart = Once(spool, clock), ApartFile(paths)
        self._written: dict[str, bytes] = {}
        self._saved = clock.now()

    def run(self, stopping: Callable[[], bool]) -> None:
        """Raises PortMissing when a port is not there at the start."""
        with ExitStack() as stack:
            links = stack.enter_context(Links())
            picture, watches = self._begin(links)
            ports = {port: self._names.of(port) for port in Port}
            sounding = stack.enter_context(Sounding(links, ports, self._names.bridge, self._paths))
            sounding.begin(self._clock.now(), watches)
            selector = stack.enter_context(selectors.DefaultSelector())
            for port, name in ports.items():
                capture = stack.enter_context(Capture(name))
                selector.register(capture, selectors.EVENT_READ, (port, capture))
                selector.register(sounding.probes[port], selectors.EVENT_READ, (port, sounding.probes[port]))
            radio = stack.enter_context(Radio(selector, self._paths))
            system.notify("READY=1")
            first_words = stack.enter_context(_first_words(ports))
            while not stopping():
                self._look(links, picture, watches, sounding, radio)
                self._sound(picture, watches, sounding)
                now = self._clock.now()
                for sighting in (*first_words.sightings(now), *radio.first_words(now, picture.inside)):
                    picture.note(sighting)
                self._listen(selector, picture, sounding, stopping)
            self._end(picture)

    # --- in ---------------------------------------------------------------------------------------------------

    def _begin(self, links: Links) -> tuple[Picture, dict[Port, Watch]]:
        now = self._clock.now()
        interfaces = {port: links.interface(self._names.of(port)) for port in Port}
        watches = {port: Watch(interface, now) for port, interface in interfaces.items()}
        own = frozenset({links.interface(self._names.bridge).mac, *(i.mac for i in interfaces.values())})
        wire = Wire(
            own=own, links={port: watch.look(watch.interface, now) for port, watch in watches.items()}
        )
        registry = vendors.load(self._paths.root / vendors.REGISTRY)
        return Picture(wire, self._stored(), vendors=registry, began=now), watches

    def _stored(self) -> Inventory:
        try:
            inventory = store.load(self._paths.state / "lan/hosts.json")
        except BadInventory as error:
            self._once.trouble("stored hosts", error)
            inventory = Inventory()
        inventory.apart = self._apart.stored()
        return inventory

    def _listen(
        self,
        selector: selectors.BaseSelector,
        picture: Picture,
        sounding: Sounding,
        stopping: Callable[[], bool],
    ) -> None:
        """Read frames for one look's time, never more than the budget."""
        until, budget = time.monotonic() + LOOK_EVERY, FRAMES_A_LOOK
        while (left := until - time.monotonic()) > 0 and not stopping():
            if budget <= 0:
                time.sleep(left)
                return
            for key, _ in selector.select(min(left, 0.2)):
                port, source = key.data
                if isinstance(source, ProbePort):
                    sounding.hear(self._clock.now(), picture, port=port)
                    continue
                for sighting in self._sightings(port or picture.inside, source, most=min(budget, 200)):
                    budget -= 1
                    if sighting:
                        picture.note(sighting)

    def _sightings(self, port: Port, capture: Capture, *, most: int) -> Iterator[Sighting | None]:
        now = self._clock.now()
        for captured in capture.frames(most=most):
            try:
                yield dissect(captured.data, port=port, time=now, tag=captured.tag)
            except BadFrame as error:
                _log.debug("skipped a frame on %s: %s", port, error)
                yield None

    def _look(
        self, links: Links, picture: Picture, watches: dict[Port, Watch], sounding: Sounding, radio: Radio
    ) -> None:
        before = self._clock.now()
        if jump := self._clock.step():
            picture.shift(jump, until=before)
            for watch in watches.values():
                watch.shift(jump)
            sounding.shift(jump)
        try:
            self._look_at_kernel(links, picture, watches, radio)
            self._once.over("ports")
        except (PortMissing, OSError) as error:
            self._once.trouble("ports", error)
        self._look_at_radio(links, radio)
        self._tell(picture)
        system.notify("WATCHDOG=1")

    def _look_at_radio(self, links: Links, radio: Radio) -> None:
        """Trouble with it is told and spoils nothing else."""
        try:
            radio.look(links)
            radio.check()
            self._once.over("access point")
        except (PortMissing, SilentRadio, OSError) as error:
            self._once.trouble("access point", error)

    def _look_at_kernel(
        self, links: Links, picture: Picture, watches: dict[Port, Watch], radio: Radio
    ) -> None:
        now, ports = self._clock.now(), {}
        for port, watch in watches.items():
            link = watch.look(links.interface(self._names.of(port)), now)
            alive = port is picture.inside and radio.has_hosts(now)
            picture.wire.link(port, replace(link, up=True) if alive else link)
            ports[watch.interface.index] = port
        by_radio = radio.port.index if radio.port else None
        bridge = links.interface(self._names.bridge)
        for entry in links.learned(bridge):
            if entry.age >= FRESH or not is_station(entry.mac):
                continue
            heard = now - timedelta(seconds=entry.age)
            if entry.port == by_radio:
                radio.heard(heard)
                picture.note(Sighting(heard, picture.inside, entry.mac, Learned()))
            elif entry.port in ports and heard >= watches[ports[entry.port]].since:
                picture.note(Sighting(heard, ports[entry.port], entry.mac, Learned()))
        for gateway in links.gateways(bridge):
            picture.wire.gateway(gateway)

    def _sound(self, picture: Picture, watches: dict[Port, Watch], sounding: Sounding) -> None:
        """Probe, ask and try, each for itself."""
        now = self._clock.now()
        steps: dict[str, Callable[[], None]] = {
            "loop probe": lambda: sounding.probe(now, picture, watches),
            "sweep": lambda: sounding.ask(now, picture, watches, seconds=LOOK_EVERY),
            "own address": lambda: sounding.reach(now, picture, watches),
        }
        for what, step in steps.items():
            try:
                step()
                self._once.over(what)
            except (PortMissing, OSError) as error:
                self._once.trouble(what, error)

    # --- out --------------------------------------------------------------------------------------------------

    def _tell(self, picture: Picture) -> None:
        now = self._clock.now()
        wiring = picture.wiring(now)
        self._send(picture.news(wiring))
        self._spool.tick()
        try:
            picture.inventory.apart = self._apart.look(picture.inventory.apart)
            self._write("hosts.json", wire_form.to_wire(picture.hosts(now)))
            self._write("wiring.json", wire_form.to_wire(wiring))
            inside = self._names.of(picture.inside)
            self._write("ports.json", {"inside": inside, "swapped": picture.inside is Port.WAN})
            if now - self._saved >= SAVE_EVERY:
                self._save(picture, now)
            self._once.over("disk")
        except OSError as error:
            self._once.trouble("disk", error)

    def _send(self, news: News) -> None:
        for message in (news.hosts, news.wiring):
            if message:
                self._spool.put(message)

    def _write(self, name: str, body: object) -> None:
        """Replace the file where anything but its time has changed. Raises OSError."""
        assert isinstance(body, dict)  # noqa: S101 - a dataclass always is
        essence = wire_form.dump({**body, "time": ""}, cap=store.CAP)
        if self._written.get(name) != essence:
            files.write_atomic(
                self._paths.run / "lan" / name, wire_form.dump(body, cap=store.CAP), mode=0o644
            )
            self._written[name] = essence

    def _save(self, picture: Picture, now: datetime) -> None:
        self._saved = now
        store.save(self._paths.state / "lan/hosts.json", picture.inventory)

    def _end(self, picture: Picture) -> None:
        system.notify("STOPPING=1")
        self._send(picture.news(picture.wiring(self._clock.now()), parting=True))
        try:
            self._save(picture, self._clock.now())
        except OSError as error:
            _log.warning("the hosts could not be stored: %s", error)
        self._spool.close()


def _first_words(ports: Mapping[Port, str]) -> "Overhearing":
    """Loaded when the unit is up: nobody waits for what programs say. Raises PortMissing when it is entered."""
    from omamori.firmware.lan.overhearing import Overhearing

    return Overhearing(ports)
