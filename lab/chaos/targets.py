"""What hostile bytes are tried on: everything in the unit that reads what others wrote."""

import os
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from lab.chaos import depths, documents, feeds, files, neighbours, streams
from lab.chaos.fuzz import Target
from lab.chaos.seeds import RULES, build_pack
from lab.chaos.streams import DNS
from omamori.firmware.engine.applications.dns_refusal import refused
from omamori.firmware.host.nfqueue import parse_packet
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.antivirus_lists import parse_malware
from omamori.firmware.signatures.container import PackError
from omamori.firmware.signatures.lists import ListError, parse_list
from omamori.firmware.signatures.suricata.files import parse_rules


def targets() -> list[Target]:
    """All of them."""
    return [
        *streams.targets(),
        *depths.targets(),
        *files.targets(),
        *neighbours.targets(),
        *documents.targets(),
        *feeds.targets(),
        Target("dns-refusal", lambda: [DNS], lambda: refused),
        Target("netlink", _netlink_seeds, lambda: lambda data: parse_packet(memoryview(data))),
        Target(
            "rules",
            lambda: [RULES, *(line + b"\n" for line in RULES.splitlines() if line)],
            lambda: parse_rules,
        ),
        Target(
            "signatures",
            _signature_seeds,
            lambda: lambda data: parse_malware(data.decode("utf-8", "replace")),
        ),
        Target("lists", lambda: [b"bad.example\n0.0.0.0 x.example\n||y.example^\n"], _lists, (ListError,)),
        Target("packs", _pack_seeds, _packs, (PackError, OSError)),
    ]


def named(names: str) -> list[Target]:
    """Those named, with commas between and `*` for any part of a name; all of them where nothing is. Exits for a name that is none."""
    wanted, known = names.split(",") if names else ["*"], targets()
    for each in wanted:
        if not any(fnmatchcase(target.name, each) for target in known):
            sys.exit(f"no target is called {each}: {', '.join(target.name for target in known)}")
    return [target for target in known if any(fnmatchcase(target.name, each) for each in wanted)]


def _netlink_seeds() -> Sequence[bytes]:
    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)

    body = (
        struct.pack(">BBH", 2, 0, 5)
        + attribute(1, struct.pack(">IHB", 7, 0x0800, 2))
        + attribute(4, bytes(16))
    )
    body += attribute(9, bytes(12)) + attribute(10, b"packet")
    return [struct.pack("=IHHII", 16 + len(body), 0x0300, 0, 0, 0) + body]


def _signature_seeds() -> Sequence[bytes]:
    return [
        b"Test.A:0:*:41424344*4546{2-9}47\nTest.B:3:EOF-100:414243(44|45)4647??48\n",
        b"Test.C;Engine:51-255,Target:0;(0&1)>2,1;41424344;45464748::i\n",
        b"44d88612fea8a8f36de82e1278abb02f:68:Eicar\n" + b"a" * 64 + b":*:Test.D:73\n",
    ]


def _lists() -> Callable[[bytes], object]:
    return lambda data: parse_list(data.decode("utf-8", "replace").splitlines(), "phishing")


def _pack_seeds() -> Sequence[bytes]:
    with tempfile.TemporaryDirectory(prefix="omamori-chaos-") as folder:
        path = Path(folder) / "seed.pack"
        build_pack(path, "1.0.0", ["bad.example"])
        return [path.read_bytes()]


def _packs() -> Callable[[bytes], object]:
    """Files in memory, for nobody cleans up behind a process that is killed."""

    def take(data: bytes) -> None:
        with os.fdopen(os.memfd_create("pack"), "wb") as file:
            file.write(data)
            file.flush()
            pack.load(Path(f"/proc/self/fd/{file.fileno()}"))

    return take
