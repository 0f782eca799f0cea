"""`omamori image verify`: the image is built again from the inputs it names, and both are compared bit for bit.

The second build shares nothing with the first but the package files, which are checked against the image's own locks, and the
tools that were installed from its lock of tools. It needs the same sources of ours and, for the test variant, the same development keys.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from omamori.image import build as building
from omamori.image import recipe as recipes
from omamori.image import secureboot
from omamori.image.build import Image
from omamori.image.compare import Difference, compare
from omamori.image.errors import EvidenceError
from omamori.image.layers import Release
from omamori.image.packages import Lock, Store
from omamori.image.parts import SIGNATURE
from omamori.image.rootfs import Sources
from omamori.image.stages import Cache, Progress, hash_of
from omamori.image.state import State
from omamori.protocol.version import Version

_MOST = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison found; `hints` say which inputs were not those of the image."""

    artifacts: dict[str, str]
    differences: list[Difference]
    hints: list[str]

    @property
    def only_signatures(self) -> bool:
        """Whether all that differs by itself are signatures: whoever lacks the keys cannot make them again."""
        return bool(self.differences) and all(
            one.follows or one.part == SIGNATURE for one in self.differences
        )

    @property
    def same(self) -> bool:
        return not self.differences

    @property
    def exit_code(self) -> int:
        """0 the same, 3 but for signatures that nobody here can make, 1 something else."""
        return 0 if self.same else 3 if self.only_signatures else 1


def release_of(image: Image, state: State, keys: Path | None = None) -> Release:
    """What the image was built from, as it says itself, signed with `keys` or those of this machine.

    Raises EvidenceError when it is too old to say, or was signed with other keys than those that were named.
    """
    report = image.report
    if "inputs" not in report:
        raise EvidenceError(f"{image.directory} does not say what it was built from; build it again")
    recipe = recipes.load(report["variant"])
    secrets = building.development_keys(state) if "test" in recipe.templates else None
    trust, pack = (_kept(image, name) for name in ("trust", "pack"))
    sign = _keys(image, state, keys)
    return Release(recipe, Version.parse(report["version"]), report["broken"], trust, pack, secrets, sign)


def _keys(image: Image, state: State, named: Path | None) -> Path | None:
    """Where the keys lie that the image is signed by; None where nobody named them and they are not this machine's, so nothing is signed again."""
    folder = secureboot.checked(named) if named else state.secure_boot
    certificate = folder / "db.crt"
    if certificate.is_file() and hash_of(certificate) == image.report["inputs"].get("secure_boot"):
        return folder
    if named:
        raise EvidenceError(f"the image is not signed with the keys in {named}")
    return None


def _kept(image: Image, name: str) -> Path | None:
    wanted = image.report["inputs"].get(name)
    if wanted is None:
        return None
    path = image.directory / building.INPUTS / name
    if not path.is_file() or hash_of(path) != wanted:
        raise EvidenceError(f"{path} is not the file the image was built with")
    return path


@contextmanager
def rebuilt(image: Image, state: State, progress: Progress, keys: Path | None = None) -> Iterator[Image]:
    """The image built again, in a directory that is gone afterwards. Raises ImageError."""
    release = release_of(image, state, keys)
    sources = Sources(Store(state.packages), *building.locks(image.directory))
    with tempfile.TemporaryDirectory(prefix="verify-", dir=state.root) as scratch:
        place = State(Path(scratch))
        place.cache.mkdir()
        (place.cache / "tools").symlink_to(state.cache / "tools")
        yield building.build(release, place, Cache(place.cache, progress), sources)


def verify(image: Image, other: Image) -> Outcome:
    """Compare two finished images. Raises EvidenceError when one cannot be taken apart."""
    hints = [
        f"{name}: {_short(image, name)} against {_short(other, name)}: built from something else"
        for name in ("sources", "wheels", "packages", building.TOOLS, "trust", "pack", "secure_boot")
        if _input(image, name) != _input(other, name)
    ]
    hints += _tools(image, other)
    sides = [_artifacts(side) for side in (image, other)]
    differences = compare(*sides)
    same = {name: hash_of(path) for name, path in sides[0].items() if not name.endswith(".raw")}
    return Outcome(same, differences, hints)


def _tools(image: Image, other: Image) -> list[str]:
    """Which packages the two were not both put together with: another compiler writes other bytes."""
    ours, theirs = (_made_with(side) for side in (image, other))
    if not ours or not theirs:
        return []
    differ = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    told = [
        f"tools: {name} {ours.get(name, 'missing')} against {theirs.get(name, 'missing')}" for name in differ
    ]
    return told if len(told) <= _MOST else [*told[:_MOST], f"tools: and {len(told) - _MOST} packages more"]


def _made_with(image: Image) -> dict[str, str]:
    """Name to version; empty where the image is too old to say."""
    path = image.directory / building.TOOLS_LOCK
    packages = Lock.read(path).packages if path.is_file() else ()
    return {f"{one.name}:{one.architecture}": one.version for one in packages}


def _artifacts(image: Image) -> dict[str, Path]:
    return {name: image.directory / name for name in sorted(image.report["files"].values())}


def _input(image: Image, name: str) -> str | None:
    found = image.report.get("inputs", {}).get(name)
    return None if found is None else str(found)


def _short(image: Image, name: str) -> str:
    return (_input(image, name) or "none")[:12]
