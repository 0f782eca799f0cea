"""A unit made of files and a fleet made of a signed repository behind a real HTTPS server on loopback.

The unit's partitions are files, and `Unit.power_on` does what firmware and boot loader do with them: it takes the
newest entry that has tries left, counts, checks the root against the hash in the entry's command line (as dm-verity
would), and says which version runs. So "the unit still starts" means that its bytes are right.
"""

import hashlib
import http.server
import io
import ipaddress
import json
import os
import re
import ssl
import struct
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import SpoolReader
from omamori.firmware.update import uki
from omamori.firmware.update.connection import connect
from omamori.firmware.update.fetch import Limits
from omamori.firmware.update.slots import SlotDisk
from omamori.firmware.update.updater import Patience, Updater, World
from omamori.protocol.messages import Want, encode
from omamori.protocol.version import Version
from omamori.signing import operations
from omamori.signing.policy import POLICIES
from omamori.signing.repository import Repository

PARTITION = 400_000
"""Bytes of a partition; a root here has 300,000."""


# --- what is released -------------------------------------------------------------------------------------------------


def make_uki(slot: str, version: str, root: bytes) -> bytes:
    """A PE file with the two sections that matter, and some weight."""
    line = f"quiet systemd.verity_root_data=PARTLABEL=root-{slot} hash={hashlib.sha256(root).hexdigest()} size={len(root)}"
    sections = {
        b".osrel": f"ID=omamori\nIMAGE_ID=omamori\nIMAGE_VERSION={version}\n".encode(),
        b".cmdline": line.encode() + b"\0",
        b".linux": os.urandom(50_000),
    }
    table, body, offset = b"", b"", 0x400
    for name, content in sections.items():
        table += struct.pack("<8sIIII16x", name, len(content), 0, len(content), offset + len(body))
        body += content
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, 0, 0)
    return (head + coff + table).ljust(0x400, b"\0") + body


def make_bundle(path: Path, version: str, *, variant: str = "test", **changes: object) -> Path:
    root = os.urandom(300_000)
    contents = {
        "root.squashfs": root,
        "root.verity": os.urandom(20_000),
        "slot-a.efi": make_uki("a", version, root),
        "slot-b.efi": make_uki("b", version, root),
    }
    changes = {{"claims": "version"}.get(key, key): value for key, value in changes.items()}
    files = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    ]
    manifest = {
        "format": 1,
        "image_id": "omamori",
        "variant": variant,
        "version": version,
        "tries": 3,
        "files": files,
    }
    write_tar(path, {"manifest.json": json.dumps(manifest | changes).encode(), **contents})
    return path


def write_tar(path: Path, contents: dict[str, bytes]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


# --- the fleet --------------------------------------------------------------------------------------------------------


class Handler(http.server.SimpleHTTPRequestHandler):
    """Static files with Range, and faults by path."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        for part, fault in self.server.faults.items():
            if part in self.path:
                fault(self)
                return
        self.whole()

    def whole(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        self.answer(content[start:], 206 if found else 200, start=start, total=len(content))

    def answer(
        self, content: bytes, status: int = 200, *, start: int = 0, total: int = 0, length: int = -1
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length < 0 else length))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, directory: Path, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), lambda *args: Handler(*args, directory=str(directory)))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.faults: dict[str, Callable[[Handler], None]] = {}
        self.asked: list[tuple[str, str]] = []

    def handle_error(self, *_: object) -> None:
        """A client that hangs up on an endless answer is what these tests want."""


class Fleet:
    """A repository and where it is served."""

    def __init__(self, place: Path, server: Server) -> None:
        self.place, self.server = place, server
        self.repository = Repository(place / "tuf")
        operations.init(self.repository, POLICIES["development"], datetime.now(UTC))
        self.publish()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.server_address[1]}"

    def publish(self, *, at: datetime | None = None) -> None:
        operations.publish(self.repository, self.place / "www/tuf", at or datetime.now(UTC))

    def release(
        self, version: str, *, at: datetime | None = None, variant: str = "test", **changes: object
    ) -> Path:
        """Sign and publish firmware; with `changes` to the manifest it is signed as it is, unchecked."""
        path = make_bundle(self.place / f"{version}.bundle", version, variant=variant, **changes)
        now = at or datetime.now(UTC)
        if changes:
            self.sign_unchecked("firmware", f"firmware/test-{version}.bundle", path)
        else:
            operations.add_firmware(self.repository, path, now, replace=False, dry=False)
        self.publish(at=now)
        return path

    def sign_unchecked(self, role: str, name: str, path: Path) -> None:
        """What a careless release engineer, or a thief with the keys, would sign."""
        with self.repository.locked():
            draft = self.repository.draft(datetime.now(UTC))
            draft.add_target(role, self.repository.store_target(name, path))
            self.repository.write(draft.seal())
        self.publish()

    def release_pack(self, version: str, size: int = 50_000) -> Path:
        path = self.place / f"{version}.pack"
        path.write_bytes(os.urandom(size))
        operations.add_pack(
            self.repository, path, Version.parse(version), datetime.now(UTC), replace=False, dry=False
        )
        self.publish()
        return path

    def served(self, pattern: str) -> Path:
        """The one published file that fits."""
        (found,) = (self.place / "www/tuf").glob(pattern)
        return found


# --- the unit ---------------------------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """The electricity is gone: nothing catches this."""


class Unit:
    """A unit's files below a directory. It starts with 1.0.0 in slot a, blessed, and an empty slot b."""

    def __init__(self, root: Path, fleet: Fleet, ca: Path) -> None:
        self.root, self.paths, self.fleet = root, Paths(root), fleet
        self.boots: list[str] = []
        """The slot of each boot, `panic` for one whose root did not verify."""
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.refuses: set[str] = set()
        """Pack versions the bridge will not load."""
        self.broken: set[str] = set()
        """Firmware versions whose bridge does not come up."""
        self.silent = False
        """The bridge says nothing at all."""
        self.reboots = 0
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

    def agent(self, *, activated: bool, connected: bool) -> None:
        value = {"activated": activated, "connected": connected, "last_contact": None, "outbox": 0}
        self.write("run/omamori/agent/status.json", json.dumps(value).encode())

    def want(self, *, firmware: str | None = None, pack: str | None = None) -> None:
        parsed = [Version.parse(text) if text else None for text in (firmware, pack)]
        self.write("var/lib/omamori/agent/want.json", encode(Want(1, parsed[0], parsed[1])))

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
            "disk": SlotDisk(self.paths, self.slot),
            "trust": lambda: connect(self.paths, Limits(connect=5, read=1, least_rate=20_000, grace=1)),
            "now": self.clock,
            "sleep": self.bridge,
            "reboot": self.count_reboot,
            "patience": Patience(gate=3, look=3, pack=3),
        }
        return World(**(fields | changes))

    def updater(self, **changes: object) -> Updater:
        return Updater(self.world(**changes))

    def run(self, **changes: object) -> bool:
        return self.updater(**changes).run()

    def count_reboot(self) -> None:
        self.reboots += 1

    # the machine

    def power_on(self) -> str:
        """Boot as systemd-boot does, panics and retries included; the version that runs in the end."""
        for _ in range(12):
            entry = self._choose()
            image = uki.read(entry)
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
        best = max(entries, key=lambda path: (uki.tries_left(path.name) != 0, uki.read(path).version))
        left = uki.tries_left(best.name)
        if not left:
            return best
        stem, _, rest = best.name.partition("+")
        done = int(rest.removesuffix(".efi").partition("-")[2] or 0)
        return best.rename(best.with_name(f"{stem}+{left - 1}-{done + 1}.efi"))

    def _verifies(self, entry: Path) -> bool:
        line = entry.read_bytes()
        found = re.search(rb"PARTLABEL=root-([ab]) hash=([0-9a-f]{64}) size=(\d+)", line)
        partition = self.root / f"dev/disk/by-partlabel/root-{found[1].decode()}"
        return hashlib.sha256(partition.read_bytes()[: int(found[3])]).hexdigest() == found[2].decode()

    def _start(self, image: uki.Uki) -> None:
        self.slot, self.version = image.slot, image.version
        self.boots.append(image.slot)
        self.write("proc/cmdline", f"quiet systemd.verity_root_data=PARTLABEL=root-{image.slot}\n".encode())
        self.write(
            "usr/lib/os-release",
            f"IMAGE_ID=omamori\nIMAGE_VERSION={image.version}\nVARIANT_ID=test\n".encode(),
        )
        os.utime(self.paths.os_release, (1_700_000_000, 1_700_000_000))
        self.write("proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n".encode())
        self.bridge()


# --- fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fleet")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "fleet.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def fleet(tmp_path: Path, certificate: Path) -> Iterator[Fleet]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    (tmp_path / "fleet/www").mkdir(parents=True)
    server = Server(tmp_path / "fleet/www", context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Fleet(tmp_path / "fleet", server)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def unit(tmp_path: Path, fleet: Fleet, certificate: Path) -> Unit:
    return Unit(tmp_path / "unit", fleet, certificate)


@pytest.fixture
def power_cut() -> type[PowerCut]:
    return PowerCut


@pytest.fixture
def uki_of() -> Callable[[str, str, bytes], bytes]:
    return make_uki
