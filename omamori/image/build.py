"""The plan of a build: which stages there are, in order, and the directory of finished files at the end.

`build` runs it, `plan` only says what would be made. The same inputs give the same keys, so a warm build only looks.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omamori.image import architecture as architectures
from omamori.image import budgets, compiled, foreign, sbom
from omamori.image import recipe as recipes
from omamori.image.alone import alone
from omamori.image.architecture import Architecture
from omamori.image.bundle import bundle_stage, name_of
from omamori.image.disk import disk_stage
from omamori.image.errors import BuildHostError
from omamori.image.layers import (
    LOCK,
    PROJECT,
    SITE,
    Release,
    firmware_sources,
    firmware_stage,
    initrd_sources,
    system_stage,
    template_sources,
    wheels_stage,
)
from omamori.image.packages import Lock
from omamori.image.programs import run
from omamori.image.rootfs import LOCK_FILE, Sources, base_stage, tools_stage
from omamori.image.sbom import contents_stage
from omamori.image.seal import initrd_stage, root_stage, slots_stage
from omamori.image.stages import Cache, hash_of, hash_of_tree
from omamori.image.state import State
from omamori.protocol.bundle import ROOT, UKI_A, VERITY

INPUTS = "inputs"
TOOLS = "tools"
TOOLS_LOCK = f"{INPUTS}/tools.lock"
"""Among the inputs: what was installed where the image was put together, as lines of `name version architecture`."""
_NEEDED_GIB = 6


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image: `directory` holds what the fields name, and `manifest.json`."""

    directory: Path
    disk: Path
    bundle: Path
    kernel: Path
    initrd: Path
    command_line: str
    report: dict[str, Any]

    @property
    def architecture(self) -> Architecture:
        """What it runs on."""
        return architectures.of(self.report.get("architecture", architectures.OLDEST))

    @classmethod
    def open(cls, directory: Path) -> "Image":
        """Raises BuildHostError when nothing, or nothing whole, was built there."""
        try:
            report = json.loads((directory / "manifest.json").read_text())
            names = report["files"]
            return cls(
                directory=directory,
                disk=directory / names["disk"],
                bundle=directory / names["bundle"],
                kernel=directory / names["kernel"],
                initrd=directory / names["initrd"],
                command_line=report["command_line"],
                report=report,
            )
        except OSError as error:
            raise BuildHostError(f"no image in {directory}: omamori image build makes one") from error
        except (ValueError, KeyError, TypeError) as error:
            raise BuildHostError(f"{directory}/manifest.json is damaged: build the image again") from error


def build(release: Release, state: State, cache: Cache, sources: Sources) -> Image:
    """Make what is missing. Raises ImageError."""
    check_host(state)
    recipe = release.recipe
    tools = cache.get(tools_stage(recipe, sources))
    foreign.ready(recipe.processor, tools)
    base = cache.get(base_stage(recipe, sources, tools))
    initrd = cache.get(initrd_stage(base, recipe, tools))
    wheels = cache.get(wheels_stage(base, tools, recipe.processor))
    compiler = cache.get(compiled.compiler_stage())
    layers = (
        wheels,
        cache.get(firmware_stage(base, tools, release)),
        cache.get(system_stage(base, release)),
        compiled.stage(cache, compiled.within(tools, compiler, recipe.processor)),
    )
    root = cache.get(root_stage(base, layers, recipe, tools))
    slots = cache.get(slots_stage(base, root, initrd, release, tools))
    disk = cache.get(disk_stage(root, slots, release, tools))
    bundle = cache.get(bundle_stage(root, slots, release))
    contents = cache.get(
        contents_stage(base, [wheels / "layer" / SITE, compiler / compiled.RUNTIME], release)
    )
    made_with = tools / LOCK_FILE
    report = _report(release, base=base, root=root, slots=slots, bundle=bundle, made_with=made_with)
    directory = state.image(recipe.variant, release.version, broken=release.broken)
    files = {
        "disk": disk / "disk.raw",
        "bundle": bundle / name_of(release),
        "kernel": slots / "kernel",
        "initrd": slots / "initrd",
        "packages": base / LOCK_FILE,
        "sbom": contents / sbom.NAME,
        "licences": contents / sbom.LICENCES,
    }
    _collect(directory, files, report)
    _keep_inputs(directory, release, made_with)
    return Image.open(directory)


def locks(kept: Path) -> tuple[Lock, Lock | None]:
    """Of an earlier image's directory: its packages' and its tools', None where it is too old to say; or of a lock file alone. Raises LockError."""
    if not kept.is_dir():
        return Lock.read(kept), None
    tools = kept / TOOLS_LOCK
    return Lock.read(kept / LOCK_FILE), Lock.read(tools) if tools.is_file() else None


def check_host(state: State) -> None:
    """Root (package installation, chroots) and room on the disk. Raises BuildHostError saying what to do."""
    if os.geteuid() != 0:
        raise BuildHostError("building an image needs root: run it with sudo, or in a container")
    state.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(state.root).free / 2**30
    if free < _NEEDED_GIB:
        raise BuildHostError(
            f"{state.root} has {free:.1f} GiB free, a build needs {_NEEDED_GIB}; set OMAMORI_STATE elsewhere"
        )


def development_keys(state: State) -> Path:
    """SSH keys of the test image, made once on this machine and never kept in the project."""
    folder = state.secrets
    with alone(folder, mode=0o700):
        for name in ("id_ed25519", "host_ed25519"):
            if not (folder / f"{name}.pub").exists():
                (folder / name).unlink(missing_ok=True)
                comment = f"omamori test image {name}"
                run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", folder / name])
    return folder


def _report(
    release: Release, *, base: Path, root: Path, slots: Path, bundle: Path, made_with: Path
) -> dict[str, Any]:
    packages = json.loads((base / "packages.json").read_text())
    mib = 2**20
    figures = {
        "squashfs_mib": round((root / "root.squashfs").stat().st_size / mib, 1),
        "slot_mib": round(
            sum(path.stat().st_size for path in (root / ROOT, root / VERITY, slots / UKI_A)) / mib, 1
        ),
        "uki_mib": round((slots / "slot-a.efi").stat().st_size / mib, 1),
        "bundle_mib": round((bundle / name_of(release)).stat().st_size / mib, 1),
        "packages": len(packages),
    }
    return {
        "variant": release.recipe.variant,
        "architecture": release.recipe.architecture,
        "version": str(release.version),
        "broken": release.broken,
        "roothash": (root / "roothash").read_text(),
        "command_line": (slots / "slot-a.cmdline").read_text(),
        "inputs": inputs_of(release, base, made_with),
        "figures": figures,
        "budgets": budgets.check(release.recipe.variant, figures),
        "packages": packages,
    }


def _collect(directory: Path, sources: dict[str, Path], report: dict[str, Any]) -> None:
    """Hard links into the cache: a finished image costs no copy. The manifest comes last."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted = {}
    for kind, source in sources.items():
        target = directory / source.name
        wanted[kind] = target.name
        if not (target.exists() and target.samefile(source)):
            fresh = target.with_name(target.name + ".new")
            fresh.unlink(missing_ok=True)
            fresh.hardlink_to(source)
            fresh.rename(target)
    text = json.dumps({**report, "files": wanted}, indent=1) + "\n"
    (directory / "manifest.json").write_text(text)


def trust_of(state: State) -> Path | None:
    """The root of trust of the development TUF repository, when there is one."""
    found = state.root / "tuf/metadata/root.json"
    return found if found.exists() else None


def inputs_of(release: Release, base: Path, made_with: Path) -> dict[str, str]:
    """What the image was made from, as hashes: our own files, the locks of wheels and packages, what was handed in, the tools."""
    templates = {*template_sources(release.recipe), *initrd_sources()}
    ours = [*firmware_sources(), *templates, *recipes.files(release.recipe.variant)]
    keys = release.secure_boot
    handed = {"trust": release.trust, "pack": release.pack, "secure_boot": keys and keys / "db.crt"}
    return {
        "sources": hash_of_tree(PROJECT, ours),
        "wheels": hash_of(LOCK),
        "packages": hash_of(base / LOCK_FILE),
        TOOLS: hash_of(made_with),
        **{name: hash_of(path) for name, path in handed.items() if path},
    }


def _keep_inputs(directory: Path, release: Release, made_with: Path) -> None:
    """What was handed in stays beside the image, so that it can be verified without it; so does what the tools were."""
    for name, path in (("trust", release.trust), ("pack", release.pack)):
        kept = directory / INPUTS / name
        kept.unlink(missing_ok=True)
        if path:
            kept.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, kept)
    (directory / INPUTS).mkdir(exist_ok=True)
    shutil.copyfile(made_with, directory / TOOLS_LOCK)
