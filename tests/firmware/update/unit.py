"""A unit made of files.

Its partitions are files, and `Unit.power_on` does what firmware and boot loader do with them: it takes the
newest entry that has tries left, counts, checks the root against the hash in the entry's command line (as dm-verity
would), and says which version runs. So "the unit still starts" means that its bytes are right.
"""

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import SpoolReader
from omamori.firmware.update import clock, uki
from omamori.firmware.update.connection import connect, fleet_server
from omamori.firmware.update.fetch import Limits
from omamori.firmware.update.slots import SlotDisk
from omamori.firmware.update.updater import Updater
from omamori.firmware.update.world import Patience, World
from omamori.protocol.messages import Want, encode
from omamori.protocol.version import Version
from tests.firmware.update.fleet import Fleet
from tests.firmware.update.initrd import Initrd
from tests.firmware.update.releases import make_uki

PARTITION = 400_000
"""Bytes of a partition; a root here has 300,000."""


class PowerCut(BaseException):
    """The electricity is gone: nothing catches this."""


class Panic(BaseException):
    """The kernel has read a byte of the root that is not what was sealed."""


class Slots(SlotDisk):
    """With a root that is sealed: what starts do not read may have rotted."""

    def __init__(self, paths: Paths, running: str, rotten: set[str]) -> None:
        super().__init__(paths, running)
        self._slot, self._rotten = running, rotten

    def read_through(self) -> None:
        if self._slot in self._rotten:
            raise Panic
        super().read_through()


class Unit:
    """A unit's files below a directory. It starts with 1.0.0 in slot a, blessed, and an empty slot b."""

    def __init__(self, root: Path, fleet: Fleet, ca: Path) -> None:
        self.root, self.paths, self.fleet = root, Paths(root), fleet
        self.boots: list[str] = []
        """The slot of each boot, `panic` for one whose root did not verify, `refused` for an image that firmware does not start."""
        self.refused: set[str] = set()
        """Slots whose boot image is damaged, so that firmware refuses it."""
        self.dead: set[str] = set()
        """Slots whose kernel panics before its initrd does anything."""
        self.late: set[str] = set()
        """Slots with rot in what no start reads."""
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.refuses: set[str] = set()
        """Pack versions the bridge will not load."""
        self.broken: set[str] = set()
        """Firmware versions whose bridge does not come up."""
        self.silent = False
        """The bridge says nothing at all."""
        self.reboots = self.soft_reboots = 0
        self.soft = False
        self.next: tuple[str, str, Version] | None = None
        self.initrd = Initrd(root)
        root_a = os.urandom(300_000)
        for label in ("root-a", "hash-a", "root-b", "hash-b"):
            self.write(f"dev/disk/by-partlabel/{label}", bytes(PARTITION))
        self.patch("root-a", root_a)
        self.write("efi/EFI/Linux/omamori-1.0.0.efi", make_uki("a", "1.0.0", root_a))
        self.write("usr/lib/omamori/root.json", (fleet.repository.metadata / "root.json").read_bytes())
        self.write("var/lib/omamori/agent/fleet-ca.pem", ca.read_bytes())
        self.write(
            "var/lib/omamori/agent/fleet.json",
            json.dumps({"url": fleet.url, "ca": "/var/lib/omamori/agent/fleet-ca.pem"}).encode(),
        )
        for port in ("wan0", "lan0"):
            self.write(f"sys/class/net/{port}/brport/state", b"3\n")
            self.write(f"sys/class/net/{port}/carrier", b"1\n")
        self.agent(activated=True, connected=True)
        assert self.power_on() == "1.0.0"

    # what others write

    def write(self, path: str, content: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def patch(self, label: str, content: bytes) -> None:
        with (self.root / "dev/disk/by-partlabel" / label).open("r+b") as file:
            file.write(content)

    def agent(self, *, activated: bool, connected: bool, phase: str = "") -> None:
        value = {"activated": activated, "connected": connected, "phase": phase, "outbox": 0}
        self.write("run/omamori/agent/status.json", json.dumps(value).encode())

    def want(
        self, *, firmware: str | None = None, pack: str | None = None, generation: int = 1, **more: Any
    ) -> None:
        parsed = [Version.parse(text) if text else None for text in (firmware, pack)]
        self.write("var/lib/omamori/agent/want.json", encode(Want(generation, parsed[0], parsed[1], **more)))

    def bridge(self, *_: object) -> None:
        """One look of the bridge at its link; what happens while the updater sleeps."""
        if self.silent or str(self.version) in self.broken:
            self.paths.bridge_status.unlink(missing_ok=True)
            return
        link = self.paths.current_pack
        wanted = link.readlink().name.removesuffix(".pack") if link.is_symlink() else "0.9.0"
        loaded = self.loaded if wanted in self.refuses else wanted
        self.loaded = loaded
        status = {"time": self.clock().isoformat(), "state": {"workers": 2}, "pack": loaded, "workers": []}
        self.write("run/omamori/bridge/status.json", json.dumps(status).encode())

    loaded = "0.9.0"

    # the updater

    def world(self, **changes: object) -> World:
        fields: dict = {
            "paths": self.paths,
            "disk": Slots(self.paths, self.slot, self.late),
            "trust": lambda: connect(self.paths, Limits(connect=5, read=1, least_rate=20_000, grace=1)),
            "now": self.read_clock,
            "agreed": lambda floor: clock.agreed(self.paths, fleet_server(self.paths), floor),
            "set_clock": self.set_clock,
            "sleep": self.bridge,
            "reboot": self.count_reboot,
            "soft_reboot": self.soft_reboot,
            "patience": Patience(gate=3, look=3, pack=3),
        }
        return World(**(fields | changes))

    def updater(self, **changes: object) -> Updater:
        return Updater(self.world(**changes))

    def run(self, **changes: object) -> bool:
        return self.updater(**changes).run()

    def read_clock(self) -> datetime:
        return self.clock()

    def set_clock(self, right: datetime) -> None:
        self.clock = lambda: right

    def soft_reboot(self) -> None:
        """Refused while `soft` is off; else what PID 1 does: another root, the same kernel, the same /run."""
        if not self.soft:
            raise OSError("no soft reboot here")
        self.soft_reboots += 1
        slot, root_hash = (self.paths.run / "soft/next").read_text().split()
        self.next = slot, root_hash, uki.read(self.entries_of(slot)[0]).version

    def take_over(self) -> None:
        """The soft reboot that was ordered: the next root's userspace starts, and does what the image's units do then."""
        assert self.next is not None
        self.slot, root_hash, self.version = self.next
        root = (self.root / f"dev/disk/by-partlabel/root-{self.slot}").read_bytes()[:300_000]
        assert hashlib.sha256(root).hexdigest() == root_hash, "panic"
        self._say_what_runs()
        device = self.root.stat().st_dev
        below = f"sys/dev/block/{os.major(device)}:{os.minor(device)}/slaves"
        self.write(f"{below}/vda3/uevent", f"DEVTYPE=partition\nPARTNAME=hash-{self.slot}\n".encode())
        self.write(f"{below}/vda4/uevent", f"DEVTYPE=partition\nPARTNAME=root-{self.slot}\n".encode())
        self.paths.bridge_status.unlink()
        self.start_userspace()

    def start_userspace(self) -> None:
        """After a soft reboot: no boot loader counted, `omamori-arrived` asks for the gate."""
        if not self.updater().health():
            self.power_on()
            self.start_services()
            return
        self.updater().committed()

    def count_reboot(self) -> None:
        self.reboots += 1

    # the machine

    def power_on(self) -> str:
        """Boot as systemd-boot does, panics and retries included; the version that runs in the end.

        Where an image is refused, firmware starts the boot loader once more, and then stands still.
        """
        refused = 0
        for _ in range(20):
            entry = self._choose()
            image = uki.read(entry)
            refused = refused + 1 if image.slot in self.refused else 0
            assert refused < 2, f"stands still: {self.boots}"
            if refused:
                self.boots.append("refused")
                continue
            if image.slot in self.dead:
                self.boots.append("panic")
                continue
            if self.initrd.restarts(entry.name, image.slot, [path.name for path in self.esp.glob("*.efi")]):
                self.boots.append("restart")
                continue
            if self._verifies(entry):
                self._start(image)
                return str(image.version)
            self.boots.append("panic")
        raise AssertionError("bricked: nothing starts")

    def bless(self) -> None:
        """systemd-bless-boot, after boot-complete.target."""
        for path in self.entries_of(self.slot):
            path.rename(path.with_name(re.sub(r"\+\d+(-\d+)?\.efi$", ".efi", path.name)))

    def start_services(self) -> None:
        """What the image's units do at each boot; a trial that is not healthy restarts the machine."""
        counted = any(uki.tries_left(path.name) is not None for path in self.entries_of(self.slot))
        if counted:
            if not self.updater().health():
                self.power_on()
                self.start_services()
                return
            self.bless()
        self.updater().committed()

    def entries_of(self, slot: str) -> list[Path]:
        return [path for path in self.esp.glob("*.efi") if uki.read(path).slot == slot]

    @property
    def esp(self) -> Path:
        return self.root / "efi/EFI/Linux"

    @property
    def names(self) -> set[str]:
        return {path.name for path in self.esp.iterdir()}

    @property
    def state(self) -> dict:
        return json.loads(self.paths.update_state.read_bytes())

    @property
    def phase(self) -> str:
        return self.state["update"]["phase"]

    @property
    def error(self) -> str:
        return self.state["update"]["error"]

    @property
    def log(self) -> list[str]:
        reader = SpoolReader(self.paths.spool("update"))
        return [body.text for segment in reader.segments() for body in segment.bodies]

    def every_entry_starts(self) -> bool:
        """No boot entry names a root that would not verify."""
        return all(self._verifies(path) for path in self.esp.glob("*.efi"))

    def slot_bytes(self, slot: str) -> str:
        """A digest of everything the slot needs to start."""
        digest = hashlib.sha256()
        for label in (f"root-{slot}", f"hash-{slot}"):
            digest.update((self.root / "dev/disk/by-partlabel" / label).read_bytes())
        for path in sorted(self.entries_of(slot)):
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()

    def _choose(self) -> Path:
        entries = list(self.esp.glob("*.efi"))
        told = (self.initrd.one_shot(), self.initrd.told("Default"))
        best = next(
            (path for name in told for path in entries if uki.blessed(path.name) == name), None
        ) or max(entries, key=lambda path: (uki.tries_left(path.name) != 0, uki.read(path).version))
        left = uki.tries_left(best.name)
        if not left:
            return best
        stem, _, rest = best.name.partition("+")
        done = int(rest.removesuffix(".efi").partition("-")[2] or 0)
        return best.rename(best.with_name(f"{stem}+{left - 1}-{done + 1}.efi"))

    def _verifies(self, entry: Path) -> bool:
        line = entry.read_bytes()
        found = re.search(rb"PARTLABEL=root-([ab]) roothash=([0-9a-f]{64}) size=(\d+)", line)
        partition = self.root / f"dev/disk/by-partlabel/root-{found[1].decode()}"
        return hashlib.sha256(partition.read_bytes()[: int(found[3])]).hexdigest() == found[2].decode()

    def _start(self, image: uki.Uki) -> None:
        self.slot, self.version = image.slot, image.version
        self.boots.append(image.slot)
        self.write("proc/cmdline", f"quiet systemd.verity_root_data=PARTLABEL=root-{image.slot}\n".encode())
        self._say_what_runs()
        for memory in ("run/omamori/soft", "sys/dev"):  # a start of the machine forgets
            shutil.rmtree(self.root / memory, ignore_errors=True)
        self.write("proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n".encode())
        self.bridge()

    def _say_what_runs(self) -> None:
        self.write(
            "usr/lib/os-release",
            f"IMAGE_ID=omamori\nIMAGE_VERSION={self.version}\nVARIANT_ID=test\n".encode(),
        )
        os.utime(self.paths.os_release, (1_700_000_000, 1_700_000_000))
