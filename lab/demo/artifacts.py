"""What the demo installs: two signature packs and three firmware images, signed into a development TUF repository.

All of it is cached under the engineers' state directory and made again only when an input changed. The repository (and so
the root of trust inside the images) is made once; its keys never leave the state directory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.demo.report import StepFailed
from omamori.image.layers import PROJECT, firmware_sources
from omamori.image.stages import Cache, Stage, hash_of_tree

FIRST, NEXT, BROKEN = "1.0.0", "1.0.1", "1.0.2"
FACTORY_PACK, NEW_PACK = "1.0.0", "1.0.1"
NEWLY_LISTED = "fresh-phish.example"
_FLAVOURS: dict[str, tuple[str, ...]] = {FIRST: (), NEXT: (), BROKEN: ("--break", "panic")}
_SIGNATURES = Path(__file__).parent.parent / "signatures"
OMAMORI = Path(sys.executable).with_name("omamori")


@dataclass(frozen=True, slots=True)
class Image:
    """One built image."""

    directory: Path
    disk: Path
    bundle: Path


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Everything built and signed."""

    state: Path
    repository: Path
    """Published TUF tree: `metadata/`, `targets/`."""
    images: dict[str, Image]
    packs: dict[str, Path]


def omamori(*words: str | Path, state: Path, show: Callable[[str], None] | None = None) -> str:
    """The command line as an engineer uses it; its standard output. Raises StepFailed with its error text."""
    process = subprocess.Popen(
        [OMAMORI, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMAMORI_STATE": str(state)},
    )
    assert process.stderr is not None  # noqa: S101 - piped above
    said = []
    for line in process.stderr:
        said.append(line)
        if show:
            show(line.rstrip())
    output = process.stdout.read() if process.stdout else ""
    if process.wait():
        raise StepFailed(f"omamori {' '.join(map(str, words[:3]))}: {''.join(said)[-600:]}{output[-200:]}")
    return output


def make(state: Path, show: Callable[[str], None]) -> Artifacts:
    """Build, sign and publish whatever is not there yet."""
    if not (state / "tuf/metadata").is_dir():
        omamori("sign", "init", state=state, show=show)
    packs = {version: _pack(state, version) for version in (FACTORY_PACK, NEW_PACK)}
    images = {
        version: _image(state, packs[FACTORY_PACK], version, show, *flags)
        for version, flags in _FLAVOURS.items()
    }
    for pack in packs.values():
        omamori("sign", "add-pack", pack, "--replace", state=state)
    for image in images.values():
        omamori("sign", "add-firmware", image.bundle, "--replace", state=state)
    published = state / "published"
    omamori("sign", "publish", "--to", published, state=state)
    return Artifacts(state, published, images, packs)


class _Unseen:
    """Packs take a second or two: nothing to tell of their progress."""

    def started(self, name: str) -> None: ...

    def ended(self, name: str, seconds: float, *, reused: bool) -> None: ...


def _pack(state: Path, version: str) -> Path:
    """A pack says when it was made: made again, it would be another one, and so would each image it is in."""
    name = f"{version}.pack"
    inputs = {
        "version": version,
        "lists": hash_of_tree(_SIGNATURES, _SIGNATURES.iterdir()),
        "code": hash_of_tree(PROJECT, firmware_sources()),
    }
    stage = Stage("demo-pack", inputs, lambda place: _build_pack(state, version, place / name))
    return Cache(state / "cache", _Unseen()).get(stage) / name


def _build_pack(state: Path, version: str, out: Path) -> None:
    phishing = (_SIGNATURES / "phishing.txt").read_text("utf-8")
    listed = out.with_name("phishing.txt")
    listed.write_text(phishing + (f"{NEWLY_LISTED}\n" if version == NEW_PACK else ""), "utf-8")
    omamori(
        "engine", "pack", "build", "--version", version, "--rules", _SIGNATURES / "demo.rules",
        "--domains", f"phishing={listed}",
        "--domains", f"social_networks={_SIGNATURES / 'social_networks.txt'}",
        "--domains", f"filehosting={_SIGNATURES / 'filehosting.txt'}",
        "-o", out, state=state,
    )  # fmt: skip


def _image(state: Path, pack: Path, version: str, show: Callable[[str], None], *flags: str) -> Image:
    words: tuple[str | Path, ...] = (
        "image",
        "build",
        "--variant",
        "test",
        "--version",
        version,
        "--pack",
        pack,
        "--json",
        *flags,
    )
    built = json.loads(omamori(*words, state=state, show=show))
    directory = Path(built["directory"])
    return Image(directory, directory / "disk.raw", directory / f"test-{version}.bundle")
