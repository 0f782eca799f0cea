"""An appliance of one's own: images built and signed with throw-away keys, and a booted unit between a router and a host.

The images are built (or reused) in the engineer's state directory; signing keys and everything else live in a temporary one.
Orders reach the unit as its agent would write them: there is no fleet here.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.guest import Guest
from lab.machine import Boot, Disk, Machine, Plug
from lab.namespaces import PYTHON, Namespace, namespace
from omamori.image.build import Image
from omamori.image.parts import partitions
from omamori.image.state import State
from omamori.protocol.bundle import ROOT, UKI_B, VERITY
from omamori.protocol.messages import Claim, encode
from omamori.protocol.version import Version

OMAMORI = Path(sys.executable).with_name("omamori")
ROUTER, HOST = "192.168.55.1", "192.168.55.2"
SERVER = f"http://{ROUTER}:8000"
RULE = 'alert tcp any any -> any any (msg:"appliance test"; content:"omamori-appliance-test"; sid:9000001; rev:1;)\n'
_AGENT = "/var/lib/omamori/agent"
_NO_CLAIM = '{"note": "a claim that is none"}'


class BuildFailed(Exception):  # noqa: N818 - what happened, in the builder's words
    """`omamori` ended with an error; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Factory:
    """Builds, signs and publishes in a folder, with keys made there."""

    place: Path

    @classmethod
    def found(cls, place: Path, *, rules: str = RULE) -> "Factory":
        """With a factory pack of these rules and new keys."""
        made = cls(place)
        (place / "rules").write_text(rules)
        made.pack("1.0.0")
        made.sign("init")
        return made

    def sign(self, *words: str | Path) -> str:
        return omamori("sign", "--dir", self.place / "tuf", *words)

    def pack(self, version: str) -> Path:
        """A signature pack that differs from the others by its version."""
        made = self.place / f"{version}.pack"
        omamori("engine", "pack", "build", "--version", version, "--rules", self.place / "rules", "-o", made)
        return made

    def image(self, version: str, *flags: str, variant: str = "test") -> Image:
        """`flags`: `--break` and how."""
        trust = self.place / "tuf/metadata/root.json"
        inside = ("--trust", trust, "--pack", self.place / "1.0.0.pack")
        omamori("image", "build", "--variant", variant, "--version", version, *inside, *flags)
        broken = flags[1] if flags else None
        return Image.open(State.of().image(variant, Version.parse(version), broken=broken))

    def publish(self, *images: Image, packs: tuple[Path, ...] = ()) -> Path:
        """A directory to serve: `/tuf/metadata`, `/tuf/targets`."""
        for image in images:
            self.sign("add-firmware", image.bundle, "--replace")
        for pack in packs:
            self.sign("add-pack", pack, "--replace")
        self.sign("publish", "--to", self.place / "www/tuf")
        return self.place / "www"


def omamori(*words: str | Path) -> str:
    """What the command printed. Raises BuildFailed."""
    done = subprocess.run([OMAMORI, *words], capture_output=True, text=True, check=False, timeout=500)
    if done.returncode:
        raise BuildFailed(done.stderr[-2000:])
    return done.stdout


@dataclass(frozen=True, slots=True)
class Site:
    """A unit with its two sides."""

    guest: Guest
    wan: Namespace
    lan: Namespace

    @contextlib.contextmanager
    def serving(self, directory: Path) -> Iterator[None]:
        """The update server, on the router's side."""
        serve = (PYTHON, "-m", "http.server", "--directory", directory, "--bind", ROUTER, "8000")
        with self.wan.running(*serve):
            yield

    def want(self, firmware: str, *, pack: str | None = None, generation: int = 1) -> None:
        """As the agent does it: where the fleet is, and the newest want."""
        wanted = {"generation": generation, "firmware": firmware} | ({"pack": pack} if pack else {})
        for name, content in {"fleet.json": {"url": SERVER}, "want.json": wanted}.items():
            written = (
                f"echo '{json.dumps(content)}' > new && chown omamori-agent:omamori new && mv new {name}"
            )
            self.guest.ssh(f"cd {_AGENT} && {written}")

    def apply_now(self) -> None:
        """As the agent does it when the window opens."""
        self.guest.ssh("touch /run/omamori/agent/reboot")

    def told(self) -> dict[str, Any]:
        """What the updater says; empty before it said anything."""
        text = self.guest.ssh("cat /var/lib/omamori/update/state.json", check=False)
        told: dict[str, Any] = json.loads(text) if text else {}
        return told

    def update(self) -> dict[str, Any]:
        """Where the firmware update stands: `phase`, `version`, `error`."""
        update: dict[str, Any] = self.told().get("update", {})
        return update

    def in_phase(self, version: str, *phases: str) -> bool:
        update = self.update()
        return update.get("version") == version and update.get("phase") in phases

    def running(self) -> list[str]:
        """Version and slot, like `["7.0.0", "root-a"]`."""
        asked = "sed -n s/^IMAGE_VERSION=//p /usr/lib/os-release; grep -o 'root-[ab]' /proc/cmdline"
        return self.guest.ssh(asked).split()

    def good(self) -> list[str]:
        """The boot entries that the initrd may tell the boot loader to take, as the last healthy boot left them."""
        return self.guest.ssh("cat /sys/firmware/efi/efivars/OmamoriGood-* | tail -c +5", check=False).split()


def with_slot_b(image: Image, newer: Image, place: Path, *, tries: int | None = None) -> Image:
    """The image with `newer` in slot B, on a disk of its own in `place`: committed, or staged with so many tries."""
    disk = place / "disk.raw"
    subprocess.run(["cp", "--sparse=always", image.disk, disk], check=True)
    starts = {part.name: part.start for part in partitions(disk)}
    with tarfile.open(newer.bundle) as bundle, disk.open("r+b") as opened:
        for member, label in ((ROOT, "root-b"), (VERITY, "hash-b")):
            opened.seek(starts[label])
            if found := bundle.extractfile(member):
                shutil.copyfileobj(found, opened)
        bundle.extract(UKI_B, place, filter="data")
    counter = "" if tries is None else f"+{tries}"
    entry = f"::/EFI/Linux/omamori-{newer.report['version']}{counter}.efi"
    words: list[str | Path] = ["mcopy", "-i", f"{disk}@@{starts['esp']}", place / UKI_B, entry]
    subprocess.run(words, check=True, capture_output=True)
    return replace(image, disk=disk)


def with_claim(image: Image, claim: Claim, place: Path) -> Image:
    """The image on a disk of its own in `place`, as `omamori image flash --claim` leaves it."""
    disk = place / "claimed.raw"
    subprocess.run(["cp", "--sparse=always", image.disk, disk], check=True)
    boot = next(part.start for part in partitions(disk) if part.name == "esp")
    where = ["-i", f"{disk}@@{boot}"]
    subprocess.run(["mmd", "-D", "s", *where, "::/omamori"], check=False, capture_output=True)
    subprocess.run(["mcopy", *where, "-", "::/omamori/claim"], input=encode(claim), check=True)
    return replace(image, disk=disk)


@contextlib.contextmanager
def powered(
    image: Image,
    scratch: Path,
    boot: Boot = Boot.FIRMWARE,
    keys: Path | None = None,
    *,
    claim: str | None = _NO_CLAIM,
    unreadable: tuple[int, ...] = (),
    tpm: bool = False,
    stick: Path | None = None,
    credentials: Mapping[str, str] | None = None,
    card: str = "virtio-net-pci",
    disk: Disk = Disk.VIRTIO,
) -> Iterator[Site]:
    """A unit that was just switched on, a router that gives out addresses, and a host behind; `keys`: Secure Boot's.

    `claim` comes with the machine, in place of one on the boot partition; None: with nothing.
    `unreadable`: sectors of its disk; `stick`: a second disk; `credentials`: systemd's, beside the claim;
    `card`, `disk`: what it has and hangs on, see `lab.machine`.
    """
    name = f"app-{os.getpid()}-{uuid.uuid4().hex[:5]}"
    with namespace(f"{name}-wan") as wan, namespace(f"{name}-lan") as lan:
        ports = {"wan0": Plug(wan, "eth0"), "lan0": Plug(lan, "eth0")}
        given = ({"omamori.claim": claim} if claim else {}) | dict(credentials or {})
        machine = Machine(
            boot=boot,
            ports=ports,
            credentials=given,
            secure_boot=keys,
            tpm=tpm,
            unreadable=unreadable,
            stick=stick,
            card=card,
            disk=disk,
        )
        with Guest(image, scratch, machine) as guest:
            wan.run("ip", "address", "add", f"{ROUTER}/24", "dev", "eth0")
            lan.run("ip", "address", "add", f"{HOST}/24", "dev", "eth0")
            leases = scratch / "leases"
            with wan.running(
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--interface=eth0",
                "--bind-interfaces", "--dhcp-range=192.168.55.100,192.168.55.150", f"--dhcp-leasefile={leases}",
            ):  # fmt: skip
                yield Site(guest, wan, lan)


@contextlib.contextmanager
def unit_between(
    image: Image,
    scratch: Path,
    boot: Boot = Boot.FIRMWARE,
    keys: Path | None = None,
    *,
    claim: str | None = _NO_CLAIM,
    tpm: bool = False,
) -> Iterator[Site]:
    """`powered`, once the unit answers."""
    with powered(image, scratch, boot, keys, claim=claim, tpm=tpm) as site:
        site.guest.wait_for_ssh(seconds=240)
        yield site
