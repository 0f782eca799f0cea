"""Hostile documents: messages between unit and fleet, bundles and their lists of pieces, settings, stored files, the local page.

Its visitors are one end of a pair of sockets each; nothing listens on the machine's own network.
"""

import contextlib
import hashlib
import io
import itertools
import json
import os
import socket
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab.chaos.fuzz import Target
from omamori.firmware.host import settings
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.settings import BadSettings
from omamori.firmware.lan import store
from omamori.firmware.lan.errors import BadInventory
from omamori.firmware.page.requests import fields
from omamori.firmware.update import uki
from omamori.firmware.update.errors import BadBundle, SlotProblem
from omamori.firmware.update.staging import Bundle
from omamori.firmware.usage import records
from omamori.fleet.broker import intake
from omamori.fleet.lan import declarations
from omamori.protocol import ProtocolError, bundle, chunks
from omamori.protocol.messages import Activated, Activation, Claim, Want, decode, decode_body, decode_down

_GOLDEN = Path(__file__).parents[2] / "tests/golden/messages"
"""One real message of each kind and capability."""
_UNIT = "om-0001-osaka"
_NOWHERE = Paths(Path("/nonexistent/omamori"))


def targets() -> list[Target]:
    """All of them."""
    return [
        Target("messages-up", _upward_seeds, lambda: _arrived),
        Target("messages-down", lambda: _golden("ack", "want"), lambda: decode_down, (ProtocolError,)),
        Target("documents", lambda: _golden("document"), lambda: _document),
        Target(
            "spool",
            lambda: _golden("state", "detection", "hosts", "usage", "log"),
            lambda: decode_body,
            (ProtocolError,),
        ),
        Target("chunks", _chunk_seeds, lambda: _chunks, (ProtocolError,)),
        Target("bundles", _bundle_seeds, lambda: _in_file(_bundle), (BadBundle,)),
        Target("boot-images", _image_seeds, lambda: _in_file(uki.read), (SlotProblem,)),
        Target("settings", _settings_seeds, lambda: _in_file(settings.load), (ValueError, OSError)),
        Target("forms", lambda: [_FORM], lambda: _form, (BadSettings,)),
        Target("page", _page_seeds, _page),
        Target("hosts-file", _hosts_seeds, lambda: store.decode, (BadInventory,)),
        Target("usage-records", _record_seeds, lambda: records.decode),
        Target("declarations", _declaration_seeds, lambda: declarations.read, (declarations.Unreadable,)),
    ]


def _golden(*kinds: str) -> Sequence[bytes]:
    found = [path for kind in kinds for path in sorted(_GOLDEN.glob(f"{kind}-*.json"))]
    return [json.dumps(json.loads(path.read_bytes()), ensure_ascii=False).encode() for path in found]


def _in_file(take: Callable[[Path], object]) -> Callable[[bytes], object]:
    """Files in memory, for nobody cleans up behind a process that is killed."""

    def read(data: bytes) -> None:
        with os.fdopen(os.memfd_create("input"), "wb") as file:
            file.write(data)
            file.flush()
            take(Path(f"/proc/self/fd/{file.fileno()}"))

    return read


# --- messages ---------------------------------------------------------------------------------------------------------


def _upward_seeds() -> Sequence[bytes]:
    topic = f"omamori/v1/3f/{_UNIT}/up/event\n".encode()
    return [topic + body for body in _golden("state", "detection", "hosts", "wiring", "log", "usage")]


def _arrived(data: bytes) -> None:
    topic, _, payload = data.partition(b"\n")
    intake.read(topic.decode("utf-8", "replace"), payload)


def _document(data: bytes) -> None:
    """Whatever shape it was meant for, none may fall over it."""
    reads: tuple[Callable[[bytes], object], ...] = (
        lambda raw: decode(Want, raw),
        lambda raw: decode(Claim, raw),
        lambda raw: decode(Activation, raw),
        lambda raw: decode(Activated, raw),
    )
    for read in reads:
        with contextlib.suppress(ProtocolError):
            read(data)


def _record_seeds() -> Sequence[bytes]:
    flow = ["flow", 6, "c0a80114", 40000, "cb007109", 443, "c0a80114", "YouTube", "video", "www.youtube.com"]
    said = ([*flow, False, True], ["ready", "4.2", "x"], ["beat", 3, 0, 0, 1], ["fell", "why"])
    return [json.dumps(each).encode() for each in said]


# --- firmware ---------------------------------------------------------------------------------------------------------


def _chunk_seeds() -> Sequence[bytes]:
    whole = hashlib.shake_128(b"omamori").digest(300_000)
    lists = [
        chunks.index(io.BytesIO(content).read, rule)
        for content in (whole, whole[:9000])
        for rule in (chunks.COARSE, chunks.FINE)
    ]
    return [*lists, chunks.FINE.magic]


def _chunks(data: bytes) -> None:
    """What the file should add up to is not the list's own word; half of the inputs are told what they like to hear."""
    records_ = data[len(chunks.COARSE.magic) :]
    lengths = (records_[at + 16 : at + 20] for at in range(0, len(records_), 20))
    chunks.decode(
        data,
        total=sum(int.from_bytes(each, "little") for each in lengths) if data[-1:] > b"\x7f" else 300_000,
    )


def _bundle_seeds() -> Sequence[bytes]:
    contents = {name: bytes([number]) * 600 for number, name in enumerate(bundle.MEMBERS)}
    files = [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents.items()
    ]
    manifest = {
        "format": bundle.FORMAT,
        "image_id": "omamori",
        "variant": "test",
        "version": "1.2.3",
        "tries": 3,
        "files": files,
    }
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in {bundle.MANIFEST: json.dumps(manifest).encode(), **contents}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return [made.getvalue(), made.getvalue()[:2048]]  # fmt: skip


def _bundle(path: Path) -> None:
    with Bundle(path) as opened:
        for name in bundle.MEMBERS:
            opened.open(name).read(1 << 20)


def _image_seeds() -> Sequence[bytes]:
    """A PE file with the two sections that are read."""
    texts = {
        b".osrel": b"ID=omamori\nIMAGE_ID=omamori\nIMAGE_VERSION=1.2.3\n",
        b".cmdline": b"quiet systemd.verity_root_data=PARTLABEL=root-a",
    }
    head = bytearray(512)
    head[:2], head[60:64], head[64:68] = b"MZ", (64).to_bytes(4, "little"), b"PE\0\0"
    head[70:72] = len(texts).to_bytes(2, "little")
    body = b""
    for number, (name, text) in enumerate(texts.items()):
        row = name.ljust(8, b"\0") + b"".join(
            each.to_bytes(4, "little") for each in (len(text), 0, len(text), 512 + len(body))
        )
        head[88 + 40 * number : 88 + 40 * number + len(row)] = row
        body += text.ljust(512, b"\0")
    return [bytes(head) + body]


# --- the local page ---------------------------------------------------------------------------------------------------

_FORM = b"mode=fixed&address=192.168.1.5&mask=255.255.255.0&gateway=192.168.1.1&servers=192.168.1.1+8.8.8.8&proxy=http%3A%2F%2Fproxy.example%3A8080&code=1234"


def _settings_seeds() -> Sequence[bytes]:
    return [
        json.dumps(fields(_FORM.decode())).encode(),
        b'{"mode": "automatic", "proxy": "http://[2001:db8::1]:3128"}',
        b"{}",
    ]


def _form(data: bytes) -> None:
    settings.parse(fields(data.decode("utf-8", "replace")))


def _page_seeds() -> Sequence[bytes]:
    head = b"Host: omamori.local\r\nAccept-Language: ja,en;q=0.8\r\nCookie: omamori=0123456789abcdef0123456789abcdef\r\n"
    post = b"Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://omamori.local\r\nContent-Length: %d\r\n\r\n"
    return [
        b"GET / HTTP/1.1\r\n" + head + b"\r\n",
        b"HEAD /settings?lang=en HTTP/1.0\r\n" + head + b"\r\n",
        b"POST /settings HTTP/1.1\r\n" + head + post % len(_FORM) + _FORM,
    ]


class _Visitor(socket.socket):
    """One end of a pair, which calls us by an address."""

    def getsockname(self) -> Any:  # noqa: ANN401 - as socket's own
        return ("192.0.2.1", 80)


def _page() -> Callable[[bytes], object]:
    """The server's own handler, one request after the other; each visitor is a new one."""
    from omamori.firmware.page.application import Application
    from omamori.firmware.page.server import Server

    ours, _ = socket.socketpair()
    server, numbers = Server(ours, Application(_NOWHERE).answer), itertools.count()

    def take(data: bytes) -> None:
        visitor, other = socket.socketpair()
        with visitor, _Visitor(fileno=other.detach()) as connection:
            visitor.sendall(data[:60_000])
            visitor.shutdown(socket.SHUT_WR)
            server.finish_request(connection, (f"192.0.2.{next(numbers) % 250}", 1))

    return take


# --- files and lists --------------------------------------------------------------------------------------------------


def _hosts_seeds() -> Sequence[bytes]:
    """A host in the form it is stored in: that of the messages, and what identities are concluded from."""
    body = json.loads((_GOLDEN / "hosts-6.json").read_bytes())["body"]
    mac = body["hosts"][0]["mac"]
    kept = {"mac": mac, "names": {"dhcp": "keiri-pc"}, "identity": "01", "parameters": [1, 3]}
    return [json.dumps({**body, "traits": traits}).encode() for traits in ([], [kept])]


def _declaration_seeds() -> Sequence[bytes]:
    plain = '名前,MACアドレス\r\n経理のPC,52:54:00:12:34:56\r\n"a, b",\r\nprinter,5254-0012-3457\r\n'
    return [plain.encode(), plain.encode("cp932"), b"a\t52:54:00:12:34:56\r\n"]
