"""The pack file: a zip whose manifest names every other member with size and SHA-256. Reading believes nothing.

Tables are stored as they are and handed out as views of the mapped file: their pages belong to the file, not to the process,
so that they are shared and can be dropped. A pack is replaced by renaming, never written in place.

Errors: PackError <- Truncated (no whole zip), Altered (a member is not what the manifest says), WrongFormat (not a pack,
or one of a later format), TooLarge (over a bound), SelfTestFailed (loads, but does not detect what it must).
"""

import hashlib
import json
import mmap
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

FORMAT = 1
KIND = "omamori-pack"
MANIFEST = "manifest.json"
MAX_FILE = 256 << 20
MAX_UNPACKED = 768 << 20
MAX_MEMBERS = 2000
_LONGEST_MANIFEST = 1 << 20
Data = bytes | memoryview
"""A member: its own bytes, or a view of the file itself where it is stored as it is."""
_TABLE = ".bin"
_LOCAL_HEADER = struct.Struct("<26xHH")
"""Of a member: lengths of its name and of what stands between that and its data (APPNOTE 4.3.7)."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


class PackError(Exception):
    """A pack that is not used; the text says why."""


class Truncated(PackError):  # noqa: N818 - says what it is
    """Not a whole zip file."""


class Altered(PackError):  # noqa: N818 - says what it is
    """A member is missing, unknown, or differs from the manifest."""


class WrongFormat(PackError):  # noqa: N818 - says what it is
    """Not a pack, or of a format this software does not know."""


class TooLarge(PackError):  # noqa: N818 - says what it is
    """Over a bound of size or number."""


class SelfTestFailed(PackError):  # noqa: N818 - says what it is
    """It does not detect what it must, or detects what it must not."""


def write(path: Path, manifest: Mapping[str, object], members: Mapping[str, bytes]) -> None:
    """The same input gives the same bytes. Written aside and renamed. Raises OSError."""
    described = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(members.items())
    }
    head = {"kind": KIND, "format": FORMAT, **manifest, "members": described}
    aside = path.with_name(path.name + ".new")
    with zipfile.ZipFile(aside, "w") as archive:
        _put(archive, MANIFEST, json.dumps(head, indent=1, sort_keys=True).encode())
        for name, data in sorted(members.items()):
            _put(archive, name, data)
    aside.replace(path)


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_STORED if name.endswith(_TABLE) else zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.create_system = 3
    archive.writestr(info, data, compresslevel=6)


def read(path: Path) -> tuple[dict[str, object], dict[str, Data]]:
    """(manifest, members), verified. Raises PackError, OSError."""
    if path.stat().st_size > MAX_FILE:
        raise TooLarge(f"{path.name}: {path.stat().st_size} bytes; a pack has {MAX_FILE} at most")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            return _verified(archive, mapped)
    except zipfile.BadZipFile as error:
        raise Truncated(f"{path.name} is no whole pack: {error}") from error
    except (zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, UnicodeError) as error:
        raise Altered(f"{path.name}: {error}") from error


def read_manifest(path: Path) -> dict[str, object]:
    """Without reading the rest. Raises PackError, OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _manifest(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Truncated(f"{path.name} is no whole pack: {error}") from error


def _verified(archive: zipfile.ZipFile, mapped: memoryview) -> tuple[dict[str, object], dict[str, Data]]:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise TooLarge(f"{len(infos)} members; a pack has {MAX_MEMBERS} at most")
    if sum(info.file_size for info in infos) > MAX_UNPACKED:
        raise TooLarge(f"over {MAX_UNPACKED >> 20} MiB unpacked")
    # zipfile asks for as much memory as a header says before it reads.
    if any(info.compress_size > len(mapped) for info in infos):
        raise Truncated("a member is said to be larger than the whole file")
    manifest = _manifest(archive)
    described = manifest.get("members")
    if not isinstance(described, dict):
        raise WrongFormat("the manifest names no members")
    names = {info.filename for info in infos} - {MANIFEST}
    if names != set(described) or len(infos) != len(names) + 1:
        raise Altered(
            f"members differ from the manifest: {', '.join(sorted(names ^ set(described))[:5]) or 'doubled'}"
        )
    return manifest, {name: _member(archive, mapped, name, described[name]) for name in sorted(names)}


def _manifest(archive: zipfile.ZipFile) -> dict[str, object]:
    try:
        info = archive.getinfo(MANIFEST)
        if max(info.file_size, info.compress_size) > _LONGEST_MANIFEST:
            raise TooLarge("a manifest of over 1 MiB")
        manifest = json.loads(archive.read(MANIFEST))
    except KeyError:
        raise WrongFormat("not a pack: no manifest") from None
    except (ValueError, RecursionError) as error:
        raise WrongFormat(f"not a pack: the manifest is no JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise WrongFormat("not a signature pack")
    if manifest.get("format") != FORMAT:
        raise WrongFormat(f"a pack of format {manifest.get('format')!r}; this software reads format {FORMAT}")
    return manifest


def _member(archive: zipfile.ZipFile, mapped: memoryview, name: str, described: object) -> Data:
    info = archive.getinfo(name)
    in_place = name.endswith(_TABLE) and info.compress_type == zipfile.ZIP_STORED
    data = _view(mapped, info) if in_place else archive.read(name)
    if not isinstance(described, dict) or described.get("size") != len(data):
        raise Altered(f"{name} has {len(data)} bytes, which the manifest does not say")
    if described.get("sha256") != hashlib.sha256(data).hexdigest():
        raise Altered(f"{name} was altered: its SHA-256 differs from the manifest's")
    return data


def _view(mapped: memoryview, info: zipfile.ZipInfo) -> memoryview:
    """Where a stored member lies in the file; cut short where the zip is not whole."""
    head = bytes(mapped[info.header_offset : info.header_offset + _LOCAL_HEADER.size])
    if len(head) < _LOCAL_HEADER.size:
        raise Altered(f"{info.filename} lies beyond the end of the file")
    begin = info.header_offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(head))
    return mapped[begin : begin + info.file_size]
