"""Bundles as small as can be, with everything in them that matters: a root, its hash tree, and a boot entry for each slot."""

import hashlib
import io
import json
import os
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def make_uki(
    slot: str,
    version: str,
    root: bytes,
    *,
    linux: bytes | None = None,
    initrd: bytes = b"initrd",
    options: str = "quiet",
) -> bytes:
    """A PE file with the sections that matter, and some weight."""
    slotted = f"systemd.verity_root_data=PARTLABEL=root-{slot} roothash={hashlib.sha256(root).hexdigest()}"
    line = f"{options} {slotted} size={len(root)}"
    sections = {
        b".osrel": f"ID=omamori\nIMAGE_ID=omamori\nIMAGE_VERSION={version}\n".encode(),
        b".cmdline": line.encode() + b"\0",
        b".linux": linux or os.urandom(50_000),
        b".initrd": initrd,
    }
    table, body, offset = b"", b"", 0x400
    for name, content in sections.items():
        table += struct.pack("<8sIIII16x", name, len(content), 0, len(content), offset + len(body))
        body += content
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, 0, 0)
    return (head + coff + table).ljust(0x400, b"\0") + body


def make_bundle(
    path: Path,
    version: str,
    *,
    variant: str = "test",
    root: bytes | None = None,
    start: Mapping[str, Any] | None = None,
    loader: bytes = b"MZ, a boot loader",
    **changes: object,
) -> Path:
    """`start`: what of its boot images is not as usual; see `make_uki`."""
    root = root or os.urandom(300_000)
    contents = {
        "root.squashfs": root,
        "root.verity": os.urandom(20_000),
        "slot-a.efi": make_uki("a", version, root, **(start or {})),
        "slot-b.efi": make_uki("b", version, root, **(start or {})),
        "loader.efi": loader,
    }
    changes = {{"claims": "version"}.get(key, key): value for key, value in changes.items()}
    files = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    ]
    manifest = {
        "format": 2,
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
