"""What is ours in the root: pinned wheels, the firmware wheel, rendered configuration. Each is a layer over the base.

Wheels are installed as files for the unit's Python, checked against the lock file's hashes; nothing is compiled from source.
Byte code is written with unchecked hashes: the root is sealed, so a time stamp or hash need never be looked at.
"""

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from omamori.image.architecture import Architecture
from omamori.image.programs import Chroot, Overlay, run
from omamori.image.recipe import INITRD, TEMPLATES, Broken, Recipe
from omamori.image.stages import Stage, hash_of, hash_of_tree
from omamori.protocol.version import Version

PROJECT = Path(__file__).resolve().parents[2]
LOCK = PROJECT / "requirements/unit.txt"
SITE = "usr/local/lib/python3.13/dist-packages"
PYTHON = "3.13"
"""The unit's."""


@dataclass(frozen=True, slots=True)
class Release:
    """What tells one image from another of the same recipe."""

    recipe: Recipe
    version: Version
    broken: str | None = None
    trust: Path | None = None
    pack: Path | None = None
    secrets: Path | None = None
    secure_boot: Path | None = None

    @property
    def damage(self) -> Broken | None:
        return self.recipe.broken[self.broken] if self.broken else None


def wheels_stage(base: Path, tools: Path, architecture: Architecture) -> Stage:
    """The pinned wheels, unpacked and compiled, as a layer."""

    def make(place: Path) -> None:
        wheels = place / "wheels"
        fetch_wheels(LOCK, wheels, architecture)
        _install(wheels, place / "layer")
        _compile(_interpreter(base, tools, architecture), place / "layer")

    return Stage("wheels", {"lock": hash_of(LOCK), "python": PYTHON, "base": base.name, "format": 1}, make)


def firmware_stage(base: Path, tools: Path, release: Release) -> Stage:
    """Our own wheel: vocabulary and firmware only, no signing, fleet or image code."""
    sources = firmware_sources()
    inputs = {
        "sources": hash_of_tree(PROJECT, sources),
        "version": str(release.version),
        "base": base.name,
        "format": 1,
    }

    def make(place: Path) -> None:
        staging = place / "staging"
        for source in sources:
            target = staging / source.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        (staging / "pyproject.toml").write_text(_project_file(release.version))
        wheels = place / "wheels"
        run(
            [*_pip(), "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", wheels, staging],
            environment={"SOURCE_DATE_EPOCH": str(release.recipe.epoch)},
        )
        _install(wheels, place / "layer")
        _compile(_interpreter(base, tools, release.recipe.processor), place / "layer")

    return Stage("firmware", inputs, make)


def firmware_sources() -> list[Path]:
    """Our own code in the image."""
    return [PROJECT / "omamori/__init__.py", *_python("protocol"), *_python("firmware")]


def template_sources(recipe: Recipe) -> list[Path]:
    """The recipe's templates."""
    return [path for name in recipe.templates for path in (TEMPLATES / name).rglob("*")]


def initrd_sources() -> list[Path]:
    """What is ours in the initrd."""
    return [path for name in INITRD for path in (TEMPLATES / name).rglob("*") if path.is_file()]


def system_stage(base: Path, release: Release) -> Stage:
    """Rendered configuration, users, enabled units, the root of trust and the factory pack."""
    recipe = release.recipe
    folders = [TEMPLATES / name for name in recipe.templates]
    values = _values(release)
    inputs = {
        "templates": hash_of_tree(TEMPLATES, template_sources(recipe)),
        "values": {key: value for key, value in values.items() if key != "ssh_host_key"},
        "units": [recipe.enable, recipe.mask, recipe.links, recipe.directories],
        "broken": release.damage and [release.damage.files, release.damage.command_line],
        "time": [asdict(server) for server in recipe.time],
        "shipped": [path and hash_of(path) for path in (release.trust, release.pack)],
        "base": base.name,
        "format": 1,
    }

    def make(place: Path) -> None:
        layer = place / "layer"
        layer.mkdir(mode=0o755)
        for folder in folders:
            render(folder, layer, values)
        _place(layer, release)
        root = Chroot(Overlay(base / "root", upper=layer))
        root.run(["systemd-sysusers"])
        root.run(["systemctl", "enable", "--quiet", *recipe.enable])
        root.run(["systemctl", "mask", "--quiet", *recipe.mask])
        _settle(layer, recipe)

    return Stage("system", inputs, make)


def render(folder: Path, target: Path, values: Mapping[str, Any]) -> None:
    """Copy a template tree: `*.j2` is rendered, the rest copied; an undefined name is an error."""
    # Configuration files, not HTML: escaping would corrupt them.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(folder), undefined=StrictUndefined, keep_trailing_newline=True
    )
    for source in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = source.relative_to(folder)
        place = target / (name.with_suffix("") if name.suffix == ".j2" else name)
        place.parent.mkdir(parents=True, exist_ok=True)
        text = (
            environment.get_template(str(name)).render(values) if name.suffix == ".j2" else source.read_text()
        )
        place.write_text(text)
        place.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def _values(release: Release) -> dict[str, Any]:
    values: dict[str, Any] = {
        "version": str(release.version),
        "variant": release.recipe.variant,
        "ports": release.recipe.ports,
        "patience": release.recipe.patience,
    }
    if release.secrets:
        values["ssh_public_key"] = (release.secrets / "id_ed25519.pub").read_text().strip()
    return values


def write_time_servers(folder: Path, recipe: Recipe) -> None:
    """`time.json` as the unit reads it (firmware/update/clock.py); none where the recipe names nobody."""
    if recipe.time:
        listed = {"servers": [asdict(server) for server in recipe.time]}
        (folder / "time.json").write_text(json.dumps(listed, indent=1) + "\n")


def _place(layer: Path, release: Release) -> None:
    ours = layer / "usr/lib/omamori"
    ours.mkdir(parents=True, exist_ok=True)
    for source, name in ((release.trust, "root.json"), (release.pack, "factory.pack")):
        if source:
            shutil.copyfile(source, ours / name)
    write_time_servers(ours, release.recipe)
    for name in release.recipe.directories:
        (layer / name).mkdir(parents=True, exist_ok=True)
    for name, target in release.recipe.links.items():
        (layer / name).parent.mkdir(parents=True, exist_ok=True)
        (layer / name).symlink_to(target)
    if release.secrets:
        host_key = layer / "etc/ssh/ssh_host_ed25519_key"
        shutil.copyfile(release.secrets / "host_ed25519", host_key)
        host_key.chmod(0o600)
    for name, text in (release.damage.files if release.damage else {}).items():
        (layer / name).parent.mkdir(parents=True, exist_ok=True)
        (layer / name).write_text(text)


def _settle(layer: Path, recipe: Recipe) -> None:
    """Private directories get their modes; backups of the user tables go; systemd finds the earliest clock."""
    if (layer / "root/.ssh").is_dir():
        (layer / "root").chmod(0o700)
        (layer / "root/.ssh").chmod(0o700)
    for backup in (layer / "etc").glob("*-"):
        backup.unlink()
    clock = layer / "usr/lib/clock-epoch"
    clock.write_text("")
    os.utime(clock, (recipe.epoch, recipe.epoch))


def fetch_wheels(lock: Path, folder: Path, architecture: Architecture) -> None:
    """For the unit's Python on this processor, checked against the hashes of a lock file."""
    words = ["download", "--quiet", "--require-hashes", "--no-deps", *_target(architecture)]
    run([*_pip(), *words, "-r", lock, "-d", folder], timeout=600)


def unpack_wheels(wheels: Path, site: Path) -> None:
    """A wheel is a zip whose content goes to the site directory (the binary distribution format, PEP 427)."""
    site.mkdir(parents=True)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as opened:
            opened.extractall(site)


def _pip() -> list[str]:
    return [sys.executable, "-m", "pip"]


def _target(architecture: Architecture) -> list[str]:
    platforms = [word for name in architecture.platforms for word in ("--platform", name)]
    abis = [word for name in ("cp313", "abi3", "none") for word in ("--abi", name)]
    return ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", *platforms, *abis]


def _install(wheels: Path, layer: Path) -> None:
    site = layer / SITE
    unpack_wheels(wheels, site)
    _scripts(site, layer / "usr/local/bin")


def _scripts(site: Path, target: Path) -> None:
    """The console script we ship; the wheels' own scripts are left out."""
    if (site / "omamori").is_dir():
        target.mkdir(parents=True, exist_ok=True)
        script = target / "omamori-unit"
        script.write_text(
            "#!/usr/bin/python3\nimport sys\nfrom omamori.firmware.cli import main\nsys.exit(main())\n"
        )
        script.chmod(0o755)


def _interpreter(base: Path, tools: Path, architecture: Architecture) -> Path:
    """A root with the unit's Python that runs quickly here: byte code is the same for all processors."""
    return (tools if architecture.foreign else base) / "root"


def _compile(root: Path, layer: Path) -> None:
    Chroot(Overlay(root, upper=layer)).run(
        ["python3", "-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash", f"/{SITE}"],
        environment={"PYTHONDONTWRITEBYTECODE": "1"},
    )


def _python(room: str) -> list[Path]:
    folder = PROJECT / "omamori" / room
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _project_file(version: Version) -> str:
    number = str(version).replace("-rc.", "rc")
    return (
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        f'[project]\nname = "omamori-unit"\nversion = {json.dumps(number)}\nrequires-python = ">=3.11"\n'
        '[tool.hatch.build.targets.wheel]\npackages = ["omamori"]\n'
    )
