"""What must not be in a sealed root, and what must, looked for in the finished file system at every build.

The recipe names forbidden paths (compilers, installers, on the product any way in). No file may lend its owner's rights,
and nobody has a password.
"""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from omamori.image.errors import UnsafeRoot
from omamori.image.programs import Chroot
from omamori.image.recipe import Recipe

# Given to mksquashfs: nobody logs in, so no program needs another one's rights.
NO_LENT_RIGHTS = ["-action", "chmod(u-s,g-s)@type(f)"]
_ROOT = "squashfs-root/"
_LINE = re.compile(r"(?P<mode>[-dlbcps][rwxsStT-]{9}) \d+/\d+ +\S+ \S+ \S+ (?P<path>.*)")


def check(squashfs: Path, recipe: Recipe, tools: Path) -> None:
    """Raises UnsafeRoot naming everything that must not be there, or must."""
    inside = Chroot(tools / "root", binds={"/run/out": squashfs.parent})
    listing = inside.run(["unsquashfs", "-lln", f"/run/out/{squashfs.name}"])
    shadow = inside.run(["unsquashfs", "-cat", f"/run/out/{squashfs.name}", "etc/shadow"])
    lines = listing.splitlines()
    lacks = missing(lines, recipe.required)
    if found := [*lacks, *faults(lines, recipe.forbidden), *passwords(shadow.splitlines())]:
        raise UnsafeRoot(f"{recipe.variant}: " + "; ".join(found[:10]))


def missing(listing: Iterable[str], required: Iterable[str]) -> Iterator[str]:
    """From the same listing: paths that something of ours calls."""
    matches = (_LINE.match(line) for line in listing)
    present = {found["path"].removeprefix(_ROOT).split(" -> ")[0] for found in matches if found}
    for path in required:
        if path not in present:
            yield f"{path} is missing: something of ours calls it"


def faults(listing: Iterable[str], forbidden: Iterable[str]) -> Iterator[str]:
    """From a long listing of `unsquashfs`: forbidden paths, files that lend rights, files that anybody may write."""
    patterns = list(forbidden)
    for line in listing:
        found = _LINE.match(line)
        if not found:
            continue
        mode = found["mode"]
        path = found["path"].removeprefix(_ROOT).split(" -> ")[0]
        if wrong := next((pattern for pattern in patterns if fnmatchcase(path, pattern)), None):
            yield f"{path} is forbidden ({wrong})"
        if mode[0] == "-" and "s" in (mode[3] + mode[6]).lower():
            yield f"{path} lends its owner's rights"
        if mode[0] == "-" and mode[8] == "w":
            yield f"{path} may be written by anybody"


def passwords(shadow: Iterable[str]) -> Iterator[str]:
    """Who has a password, or needs none (shadow(5))."""
    for line in shadow:
        name, _, rest = line.partition(":")
        secret = rest.partition(":")[0]
        if line and not secret.startswith(("!", "*")):
            yield f"{name} can log in with a password" if secret else f"{name} can log in without a password"
