"""The Debian root: packages of the recipe, unpacked and configured once, never changed afterwards.

Everything of ours lies in layers above it (`layers.py`), so a change of Python code never installs a package again.
"""

import json
import os
from pathlib import Path

from omamori.image.mirror import KEYRING, mirrors, source_lines
from omamori.image.programs import run
from omamori.image.recipe import Recipe
from omamori.image.stages import Stage

_TOOLS = [
  "systemd-ukify", "systemd-boot-efi", "systemd-repart", "fdisk", "dosfstools", "mtools", "squashfs-tools", "cryptsetup-bin",
  "qemu-system-x86", "qemu-utils", "ovmf", "python3-pefile", "zstd",
]  # fmt: skip


def tools_stage(recipe: Recipe) -> Stage:
    """A chroot with the suite's own image tools and QEMU, whatever the build machine runs."""
    inputs = {"suite": recipe.suite, "packages": _TOOLS, "format": 1}
    return Stage("tools", inputs, lambda place: _bootstrap(place / "root", recipe, _TOOLS, []))


def base_stage(recipe: Recipe) -> Stage:
    """`root/` and `packages.json` (name to version)."""
    options = [f"path-exclude={p}" for p in recipe.path_exclude] + [
        f"path-include={p}" for p in recipe.path_include
    ]
    inputs = {
        "suite": recipe.suite,
        "components": recipe.components,
        "packages": sorted(recipe.packages),
        "options": options,
        "epoch": recipe.epoch,
        "format": 1,
    }

    def make(place: Path) -> None:
        _bootstrap(place / "root", recipe, recipe.packages, options)
        listing = run(
            [
                "dpkg-query",
                f"--admindir={place / 'root/var/lib/dpkg'}",
                "-W",
                "-f",
                "${Package} ${Version}\\n",
            ]
        )
        packages = dict(line.split(" ", 1) for line in listing.splitlines())
        (place / "packages.json").write_text(json.dumps(packages, indent=1))
        for old in (place / "root/etc/ssh").glob("ssh_host_*"):
            old.unlink()
        (place / "root/etc/machine-id").write_text("")

    return Stage("base", inputs, make)


def kernel_of(base: Path) -> tuple[str, Path]:
    """(release, file) of the one kernel in a base root."""
    kernel = next(iter(sorted((base / "root/boot").glob("vmlinuz-*"))))
    return kernel.name.removeprefix("vmlinuz-"), kernel


def _bootstrap(root: Path, recipe: Recipe, packages: list[str], options: list[str]) -> None:
    archive, security = mirrors(os.environ)
    run(
        [
            "mmdebstrap",
            "--variant=minbase",
            "--mode=root",
            "--format=directory",
            f"--architectures={recipe.architecture}",
            f"--components={','.join(recipe.components)}",
            f"--keyring={KEYRING}",
            f"--include={','.join(packages)}",
            "--aptopt=Apt::Install-Recommends false",
            "--aptopt=Acquire::Retries 3",
            *[f"--dpkgopt={option}" for option in options],
            recipe.suite,
            str(root),
            *source_lines(recipe.suite, recipe.components, archive, security),
        ],
        environment={"SOURCE_DATE_EPOCH": str(recipe.epoch)},
        timeout=1200,
    )
