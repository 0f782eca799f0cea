"""Two builds of one image, compared bit for bit, and each difference named: which artifact, which part of it, what about it.

`compare` takes two directories of finished files. What merely follows from an earlier difference (the hash tree from the
root, the command line from the hash tree) says so, so that the first line that does not is where to look.
"""

import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from omamori.image import trees
from omamori.image.errors import EvidenceError
from omamori.image.parts import Partition, partitions, sections
from omamori.image.programs import run
from omamori.protocol.bundle import MANIFEST, ROOT, VERITY

_CHUNK = 2**20
_MOST = 50


@dataclass(frozen=True, slots=True)
class Difference:
    """`what` is a sentence about `part` of `artifact`; `follows` when another difference explains it."""

    artifact: str
    part: str
    what: str
    follows: bool = False

    def __str__(self) -> str:
        place = f"{self.artifact}: {self.part}" if self.part else self.artifact
        return f"{place}: {self.what}" + (" (follows)" if self.follows else "")


def compare(first: Mapping[str, Path], second: Mapping[str, Path]) -> list[Difference]:
    """Artifacts by name. Raises EvidenceError when one cannot be taken apart."""
    found: list[Difference] = []
    for name, path in first.items():
        if name not in second:
            found.append(Difference(name, "", "is in the first build only"))
        elif first_unlike(path, second[name]) is not None:
            found += _explain(name, path, second[name])
    found += [Difference(name, "", "is in the second build only") for name in second if name not in first]
    return sorted(_caused(found), key=lambda one: one.follows)[:_MOST]


def _caused(found: list[Difference]) -> list[Difference]:
    """A disk differs because its parts do; what the boot partition notes of them is its own."""
    parts_too = any(not one.artifact.endswith(".raw") for one in found)
    return [
        replace(one, follows=True)
        if parts_too and one.artifact.endswith(".raw") and "time stamp" not in one.what
        else one
        for one in found
    ]


def first_unlike(first: Path, second: Path) -> int | None:
    """The first byte in which two files differ, None when they are the same."""
    sizes = first.stat().st_size, second.stat().st_size
    with first.open("rb") as one, second.open("rb") as two:
        at = 0
        while at < min(sizes):
            ours, theirs = one.read(_CHUNK), two.read(_CHUNK)
            if ours != theirs:
                return at + next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
            at += len(ours)
    return None if sizes[0] == sizes[1] else min(sizes)


def _explain(name: str, first: Path, second: Path) -> list[Difference]:
    """Ends with a plain statement where nothing finer can be told."""
    explained = list(_finer(name)(name, first, second))
    return explained or [_bytes(name, "", first, second)]


def _finer(name: str) -> Callable[[str, Path, Path], Iterator[Difference]]:
    if name.endswith(".bundle"):
        return _bundles
    if name == ROOT:
        return _roots
    if name.endswith(".efi"):
        return _kernels
    return _disks if name.endswith(".raw") else _plain


def _plain(name: str, first: Path, second: Path) -> Iterator[Difference]:
    yield _bytes(name, "", first, second)


def _bytes(name: str, part: str, first: Path, second: Path, *, follows: bool = False) -> Difference:
    sizes = first.stat().st_size, second.stat().st_size
    lengths = "" if sizes[0] == sizes[1] else f", {sizes[0]} bytes against {sizes[1]}"
    return Difference(name, part, f"differs from byte {first_unlike(first, second)} on{lengths}", follows)


def _bundles(_: str, first: Path, second: Path) -> Iterator[Difference]:
    with tempfile.TemporaryDirectory(prefix="omamori-compare-") as scratch:
        sides = [_members(path, Path(scratch) / side) for path, side in ((first, "1"), (second, "2"))]
        found = compare({k: v for k, v in sides[0].items() if k != MANIFEST}, sides[1])
        root_too = any(difference.artifact == ROOT for difference in found)
        for one in found:
            if one.artifact == MANIFEST:
                continue
            follows = one.follows or (root_too and (one.artifact == VERITY or one.part == ".cmdline"))
            yield Difference(one.artifact, one.part, one.what, follows)
        if first_unlike(sides[0][MANIFEST], sides[1][MANIFEST]) is not None:
            yield _bytes(MANIFEST, "", sides[0][MANIFEST], sides[1][MANIFEST], follows=bool(found))


def _members(bundle: Path, place: Path) -> dict[str, Path]:
    try:
        with tarfile.open(bundle) as tar:
            tar.extractall(place, filter="data")
            return {name: place / name for name in tar.getnames()}
    except (tarfile.TarError, OSError) as error:
        raise EvidenceError(f"{bundle} is no bundle: {error}") from error


def _roots(name: str, first: Path, second: Path) -> Iterator[Difference]:
    with tempfile.TemporaryDirectory(prefix="omamori-compare-") as scratch:
        places = [Path(scratch) / side for side in ("1", "2")]
        for path, place in zip((first, second), places, strict=True):
            run(["unsquashfs", "-quiet", "-no-progress", "-dest", place, path])
        told = False
        for part, what in trees.differences(*places):
            told = True
            yield Difference(name, part, what)
    if not told:
        heads = [run(["unsquashfs", "-stat", path]).splitlines()[1:] for path in (first, second)]
        for ours, theirs in zip(*heads, strict=False):
            if ours != theirs and "bytes" not in ours:
                yield Difference(name, "", f"same files, written differently: {ours!r} against {theirs!r}")


def _kernels(name: str, first: Path, second: Path) -> Iterator[Difference]:
    ours, theirs = sections(first.read_bytes()), sections(second.read_bytes())
    for part in sorted(set(ours) | set(theirs)):
        one, two = ours.get(part), theirs.get(part)
        if one == two:
            continue
        if one is None or two is None:
            yield Difference(name, part, f"is in the {'second' if one is None else 'first'} build only")
        elif part in {".cmdline", ".osrel", ".uname"}:
            yield Difference(name, part, f"{_words(one, two)!r} against {_words(two, one)!r}")
        else:
            at = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
            yield Difference(name, part, f"differs from byte {at} on ({len(one)} bytes against {len(two)})")


def _words(ours: bytes, theirs: bytes) -> str:
    """What only ours says."""
    other = theirs.split()
    return b" ".join(word for word in ours.split() if word not in other).decode(errors="replace")


def _disks(name: str, first: Path, second: Path) -> Iterator[Difference]:
    ours, theirs = partitions(first), partitions(second)
    for one, two in zip(ours, theirs, strict=False):
        if one != two:
            yield Difference(name, one.name, f"is another entry of the partition table: {one} against {two}")
        elif not _same_range(first, second, one):
            inside = list(_boot_files(first, second, one)) if one.name == "esp" else []
            for part, what in inside or [("", "differs")]:
                yield Difference(name, f"{one.name} {part}".strip(), what)
    if len(ours) != len(theirs):
        yield Difference(name, "", f"{len(ours)} partitions against {len(theirs)}")


def _same_range(first: Path, second: Path, part: Partition) -> bool:
    with first.open("rb") as one, second.open("rb") as two:
        one.seek(part.start)
        two.seek(part.start)
        left = part.size
        while left > 0:
            if one.read(min(_CHUNK, left)) != two.read(min(_CHUNK, left)):
                return False
            left -= _CHUNK
    return True


def _boot_files(first: Path, second: Path, part: Partition) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory(prefix="omamori-compare-") as scratch:
        places = [Path(scratch) / side for side in ("1", "2")]
        for path, place in zip((first, second), places, strict=True):
            place.mkdir()
            done = subprocess.run(
                ["mcopy", "-s", "-m", "-n", "-i", f"{path}@@{part.start}", "::*", place],
                check=False,
                capture_output=True,
                timeout=300,
            )
            if done.returncode:
                return
        yield from trees.differences(*places)
