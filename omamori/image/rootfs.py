"""The Debian root: packages of the recipe, unpacked and configured once, never changed afterwards.

Everything of ours lies in layers above it (`layers.py`), so a change of Python code never installs a package again.
What was installed is recorded as a package lock; with a lock, the same files are installed again (`packages.py`).
"""

import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omamori.image import foreign
from omamori.image.architecture import Architecture, here
from omamori.image.mirror import KEYRING, mirrors, source_lines
from omamori.image.packages import ARCHIVES, Lock, Store, repository, taken
from omamori.image.programs import PRIVATE, run
from omamori.image.recipe import Recipe
from omamori.image.stages import Stage

LOCK_FILE = "packages.lock"
_PATIENCE = 1200
"""Seconds; emulated it takes several times as long."""
# Asked of apt while it still knows: where each installed file came from, and its hash in the signed index.
_RECORD = r"""set -eu
cd "$2"
dpkg-query --admindir="$1/var/lib/dpkg" -W -f '${Package} ${Version} ${Architecture}\n' > installed
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
apt-get -q download --print-uris $(awk '{print $1 ":" $3 "=" $2}' installed) > uris
cp --no-clobber "$1"/var/cache/apt/archives/*.deb .
"""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where packages come from: the mirror, or the files of a lock and nothing else; the image's, and those of its tools."""

    store: Store
    lock: Lock | None = None
    tools: Lock | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A root to be: its packages, and words for mmdebstrap. Of several architectures the first one's programs are run."""

    packages: list[str]
    architectures: list[str]
    options: list[str] = field(default_factory=list)


def tools_stage(recipe: Recipe, sources: Sources) -> Stage:
    """A chroot with the suite's own image tools and QEMU, whatever the build machine runs: `root/` and `packages.lock`."""
    wanted = _Wanted(_tools(recipe.processor), _of_tools(recipe.processor))
    inputs = {
        "suite": recipe.suite,
        "packages": wanted.packages,
        "lock": sources.tools and sources.tools.text(),
        "format": 2,
    }

    def make(place: Path) -> None:
        _install(place, recipe, wanted, sources.tools, sources.store)

    return Stage("tools", inputs, make)


def _tools(target: Architecture) -> list[str]:
    """The boot files and headers are the image's, all else this machine's (`name:architecture`)."""
    suffix = f":{target.debian}" if target.foreign else ""
    return [
      "systemd-ukify", f"systemd-boot-efi{suffix}", "systemd-repart", "fdisk", "dosfstools", "mtools", "squashfs-tools", "cryptsetup-bin",
      target.emulator.package, "qemu-utils", target.emulator.firmware_package, "python3-pefile", "zstd",
      "faketime",
      "gcc", "libc6-dev", "libpython3-dev", "python3-setuptools", # the engine's hot modules are compiled (decision 0022)
      *target.tools,
    ]  # fmt: skip


def _of_tools(target: Architecture) -> list[str]:
    return [here().debian, *([target.debian] if target.foreign else [])]


def base_stage(recipe: Recipe, sources: Sources, tools: Path) -> Stage:
    """`root/`, `packages.json` (name to version) and `packages.lock`."""
    options = [f"--dpkgopt=path-exclude={p}" for p in recipe.path_exclude]
    options += [f"--dpkgopt=path-include={p}" for p in recipe.path_include]
    inputs = {
        "suite": recipe.suite,
        "components": recipe.components,
        "packages": sorted(recipe.packages),
        "options": options,
        "epoch": recipe.epoch,
        "lock": sources.lock and sources.lock.text(),
        "format": 2,
    }

    quicker = foreign.quicker(recipe.processor, tools)

    def make(place: Path) -> None:
        wanted = _Wanted(recipe.packages, [recipe.architecture], [*options, *quicker])
        lock = _install(place, recipe, wanted, sources.lock, sources.store)
        packages = {package.name: package.version for package in lock.packages}
        (place / "packages.json").write_text(json.dumps(packages, indent=1))
        _settle(place / "root")

    return Stage("base", inputs, make)


def installed(root: Path) -> list[str]:
    """`name version architecture` of each package that dpkg knows in a root."""
    words = "${Package} ${Version} ${Architecture}\n"
    return run(["dpkg-query", f"--admindir={root / 'var/lib/dpkg'}", "-W", "-f", words]).splitlines()


def kernel_of(base: Path) -> tuple[str, Path]:
    """(release, file) of the one kernel in a base root."""
    kernel = next(iter(sorted((base / "root/boot").glob("vmlinuz-*"))))
    return kernel.name.removeprefix("vmlinuz-"), kernel


def _install(place: Path, recipe: Recipe, wanted: _Wanted, lock: Lock | None, store: Store) -> Lock:
    """`root/` and `packages.lock`, which is returned."""
    if lock:
        _install_locked(place / "root", recipe, wanted, lock, store)
    else:
        lock = _install_newest(place / "root", recipe, wanted, store)
    (place / LOCK_FILE).write_text(lock.text())
    return lock


def _install_newest(root: Path, recipe: Recipe, wanted: _Wanted, store: Store) -> Lock:
    """What the mirror has now; the files go to the store. Returns what was taken."""
    with tempfile.TemporaryDirectory(prefix="omamori-packages-", dir=root.parent) as scratch:
        hooks = [
            "--skip=essential/unlink",
            f'--customize-hook=sh -c {shlex.quote(_RECORD)} sh "$1" {scratch}',
        ]
        _bootstrap(root, recipe, wanted, _archive_lines(recipe), hooks)
        found = Path(scratch)
        lock = taken(
            (found / "uris").read_text(), (found / "installed").read_text().splitlines(), _archives()
        )
        store.keep(found.glob("*.deb"))
    return lock


def _install_locked(root: Path, recipe: Recipe, wanted: _Wanted, lock: Lock, store: Store) -> None:
    """The files of the lock only. Raises PackageGone, LockError when the recipe needs something else."""
    files = store.fetch(lock, _archives())
    with tempfile.TemporaryDirectory(prefix="omamori-packages-") as scratch:
        repository(files, Path(scratch) / "local", recipe.suite)
        line = f"deb [trusted=yes] copy:{scratch}/local ./"
        _bootstrap(root, recipe, wanted, [line], ["--skip=essential/unlink"])
    lock.check(installed(root))


def _settle(root: Path) -> None:
    """What differs from machine to machine goes: the mirror's name, keys and ids made while installing."""
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    for old in (root / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    (root / "etc/machine-id").write_text("")
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)


def _archives() -> dict[str, str]:
    return {name: address for name, address in zip(ARCHIVES, mirrors(os.environ), strict=True) if address}


def _archive_lines(recipe: Recipe) -> list[str]:
    archive, security = mirrors(os.environ)
    return source_lines(recipe.suite, recipe.components, archive, security)


def _bootstrap(root: Path, recipe: Recipe, wanted: _Wanted, lines: list[str], options: Sequence[str]) -> None:
    run(
        [
            *PRIVATE,
            "mmdebstrap",
            "--variant=minbase",
            "--mode=root",
            "--format=directory",
            "--skip=check/qemu",  # `foreign.py` has seen to it
            f"--architectures={','.join(wanted.architectures)}",
            f"--components={','.join(recipe.components)}",
            f"--keyring={KEYRING}",
            f"--include={','.join(wanted.packages)}",
            "--aptopt=Apt::Install-Recommends false",
            "--aptopt=Acquire::Retries 3",
            *wanted.options,
            *options,
            recipe.suite,
            str(root),
            *lines,
        ],
        environment={
            "SOURCE_DATE_EPOCH": str(recipe.epoch),
            **({"PATH": foreign.SEARCHED} if recipe.processor.foreign else {}),
        },
        timeout=_PATIENCE * (6 if recipe.processor.foreign else 1),
    )
