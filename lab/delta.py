"""What an update costs the line, by each way that was considered (decision 0017).

    python -m lab.delta OLD NEW

OLD and NEW are two bundles, or two packs. Prints, for fixed blocks, our pieces and `zstd --patch-from`
(where that program is installed), the bytes to fetch with the list or hashes needed to know them.
"""

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from omamori.firmware.update.delta import AtHand, assemble
from omamori.protocol import bundle, chunks

BLOCK = 4096
HASH = 32


def main(words: list[str] | None = None) -> int:
    """One comparison."""
    parser = argparse.ArgumentParser(prog="lab.delta", description=__doc__.splitlines()[0])
    for name in ("old", "new"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args(words)
    size = options.new.stat().st_size
    print(f"{'way':24} {'bytes':>12} {'share':>7} {'seconds':>8}   of {size:,}")
    for way in (fixed, pieces, patch):
        began = time.monotonic()
        cost = way(options.old, options.new)
        if cost is not None:
            print(f"{way.__name__:24} {cost:12,} {cost / size:7.1%} {time.monotonic() - began:8.1f}")
    return 0


def fixed(old: Path, new: Path) -> int:
    """Blocks of 4 KiB by their hashes, as a verity tree has them: every hash, and each block that is new."""
    have = {_name(block) for content in _installed(old) for block in _blocks(content)}
    fresh, count = 0, 0
    for block in _blocks(new.read_bytes()):
        count += 1
        if (name := _name(block)) not in have:
            have.add(name)
            fresh += len(block)
    return fresh + count * HASH


def pieces(old: Path, new: Path) -> int:
    """Our own, as a unit does it: the list of pieces, and what it then asks for."""
    rule = chunks.COARSE if tarfile.is_tarfile(new) else chunks.FINE
    with new.open("rb") as opened, tempfile.TemporaryDirectory() as place:
        listed = chunks.index(opened.read, rule)
        files = [Path(place, str(number)) for number, _ in enumerate(_installed(old))]
        for file, content in zip(files, _installed(old), strict=True):
            file.write_bytes(content)
        asked: list[int] = []

        def fetch(start: int, end: int) -> Iterator[bytes]:
            asked.append(end - start)
            opened.seek(start)
            yield opened.read(end - start)

        with Path(place, "part").open("w+b") as part, AtHand(files, rule) as at_hand:
            _, wanted = chunks.decode(listed, total=new.stat().st_size)
            assemble(wanted, part, at_hand, fetch, lambda: False)
    print(f"{len(asked)} requests", file=sys.stderr)
    return sum(asked) + len(listed)


def patch(old: Path, new: Path) -> int | None:
    """One patch for this pair of releases, which zstd applies with all of the old one in memory."""
    with tempfile.TemporaryDirectory() as place:
        source, made = Path(place) / "old", Path(place) / "patch"
        source.write_bytes(b"".join(_installed(old)))
        command = ["zstd", "-q", "-3", "--long=28", f"--patch-from={source}", str(new), "-o", str(made)]
        try:
            subprocess.run(command, check=True, timeout=600)
        except FileNotFoundError:
            print("zstd is not installed", file=sys.stderr)
            return None
        return made.stat().st_size


def _installed(path: Path) -> list[bytes]:
    """What a unit has of it: of a bundle the root, the hash tree and one boot image."""
    if not tarfile.is_tarfile(path):
        return [path.read_bytes()]
    with tarfile.open(path) as archive:
        names = (bundle.ROOT, bundle.VERITY, bundle.UKI_A)
        return [found.read() for name in names if (found := archive.extractfile(name))]


def _blocks(content: bytes) -> Iterator[bytes]:
    return (content[start : start + BLOCK] for start in range(0, len(content), BLOCK))


def _name(block: bytes) -> bytes:
    return hashlib.sha256(block).digest()


if __name__ == "__main__":
    sys.exit(main())
