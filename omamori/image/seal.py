"""Sealing: the root becomes a squashfs under dm-verity, and each slot gets a UKI that knows the root hash.

The root hash is on the kernel command line inside the UKI, so whatever verifies the UKI verifies every byte of the root.
"""

import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from omamori.image import hardening, secureboot
from omamori.image.errors import ToolFailed
from omamori.image.layers import Release, initrd_sources, render
from omamori.image.programs import Chroot, Overlay
from omamori.image.recipe import INITRD, TEMPLATES, Recipe
from omamori.image.rootfs import kernel_of
from omamori.image.stages import Stage, hash_of, hash_of_tree
from omamori.protocol.bundle import LOADER

SLOTS = ("a", "b")
_OUT = "/run/out"


@dataclass(frozen=True, slots=True)
class Sealed:
    """The outputs of the sealing stages that a disk and a bundle are made of."""

    root: Path
    slots: Path
    initrd: Path
    kernel: Path


def initrd_stage(base: Path, recipe: Recipe, tools: Path) -> Stage:
    """A small systemd initrd, the same for every machine: it bridges the ports, counts starts and opens the sealed root (decisions 0028, 0038)."""

    def make(place: Path) -> None:
        release, _ = kernel_of(base)
        upper = _made(place / "upper")
        ours = _ours(_made(place / "ours"), recipe)
        Chroot(Overlay(base / "root", upper=upper), binds={_OUT: place}).run(
            [
                "dracut", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--reproducible", "--quiet", "--no-compress",
                "--kver", release, "--modules", " ".join(recipe.initrd["modules"]),
                "--drivers", " ".join(recipe.initrd["drivers"]), "--omit-drivers", " ".join(recipe.initrd["omitted"]),
                "--install", " ".join(recipe.initrd["programs"]),
                "--include", f"{_OUT}/{ours.name}", "/", f"{_OUT}/initrd",
            ],
            environment={"SOURCE_DATE_EPOCH": str(recipe.epoch)},
        )  # fmt: skip
        # Unpacked at each start: zstd in a fifth of gzip's time.
        Chroot(tools / "root", binds={_OUT: place}).run(
            ["zstd", "-19", "--quiet", "--force", f"{_OUT}/initrd", "-o", f"{_OUT}/initrd.zst"]
        )
        (place / "initrd.zst").rename(place / "initrd")
        _drop(upper)
        shutil.rmtree(ours)

    inputs = {
        "base": base.name,
        "tools": tools.name,
        "initrd": recipe.initrd,
        "ours": hash_of_tree(TEMPLATES, initrd_sources()),
        "ports": recipe.ports,
        "format": 4,
    }
    return Stage("initrd", inputs, make)


def _ours(place: Path, recipe: Recipe) -> Path:
    """The files of ours in the initrd, its units wanted, and no way to modules before the first process."""
    for name in INITRD:
        render(TEMPLATES / name, place, {"ports": recipe.ports})
    units = place / "usr/lib/systemd/system"
    for unit in sorted(units.glob("omamori-*.service")):
        wanted = units / "sysinit.target.wants" / unit.name
        wanted.parent.mkdir(exist_ok=True)
        wanted.symlink_to(f"../{unit.name}")
    modprobe = place / "usr/sbin/modprobe"  # leads nowhere until the first process is there (`first`)
    modprobe.parent.mkdir()
    modprobe.symlink_to("../lib/omamori/kmod")
    return place


def root_stage(base: Path, layers: tuple[Path, ...], recipe: Recipe, tools: Path) -> Stage:
    """`root.squashfs`, `root.verity` and `roothash` from the base and the layers over it."""
    inputs = {
        "layers": [f"{layer.parent.name}/{layer.name}" for layer in (base, *layers)],
        "options": [
            recipe.compression,
            recipe.block_size,
            recipe.squash_exclude,
            recipe.epoch,
            recipe.forbidden,
            recipe.required,
        ],
        "tools": tools.name,
        "format": 3,
    }

    def make(place: Path) -> None:
        _squash(base, layers, recipe, tools, place)
        hardening.check(place / "root.squashfs", recipe, tools)
        hashed = _verity(tools, place)
        (place / "roothash").write_text(hashed)

    return Stage("root", inputs, make)


def _squash(base: Path, layers: tuple[Path, ...], recipe: Recipe, tools: Path, place: Path) -> None:
    upper = _made(place / "upper")
    merged = Overlay(base / "root", tuple(layer / "layer" for layer in layers), upper)
    Chroot(tools / "root", binds={_OUT: place}, overlays={"/mnt": merged}).run(
        [
            "mksquashfs", "/mnt", f"{_OUT}/root.squashfs", "-noappend", "-no-progress", "-quiet",
            "-comp", "zstd", "-Xcompression-level", str(recipe.compression), "-b", recipe.block_size,
            "-no-exports", *hardening.NO_LENT_RIGHTS, "-wildcards", "-e", *recipe.squash_exclude,
        ],
        environment={"SOURCE_DATE_EPOCH": str(recipe.epoch)},
    )  # fmt: skip
    _drop(upper)


def _verity(tools: Path, place: Path) -> str:
    """Salt and UUID come from the root's own bytes: the same root gives the same hash tree, wherever it was made."""
    digest = hash_of(place / "root.squashfs")
    printed = Chroot(tools / "root", binds={_OUT: place}).run(
        [
            "veritysetup", "format", f"--salt={digest}", f"--uuid={uuid.UUID(digest[:32])}",
            f"{_OUT}/root.squashfs", f"{_OUT}/root.verity",
        ]
    )  # fmt: skip
    found = re.search(r"^Root hash:\s*([0-9a-f]{64})$", printed, re.MULTILINE)
    if not found:
        raise ToolFailed(f"veritysetup printed no root hash: {printed[-300:]}")
    return found.group(1)


def slots_stage(base: Path, root: Path, initrd: Path, release: Release, tools: Path) -> Stage:
    """`slot-a.efi` and `slot-b.efi`, the command line of each as text (for a direct kernel boot), and `loader.efi`."""
    lines = {slot: command_line(release, (root / "roothash").read_text(), slot) for slot in SLOTS}
    inputs: dict[str, object] = {
        "lines": lines,
        "base": base.name,
        "initrd": initrd.name,
        "version": str(release.version),
        "tools": tools.name,
    }
    inputs["variant"] = release.recipe.variant
    keys = release.secure_boot
    inputs["signed"] = keys and hash_of(keys / "db.crt")
    inputs["format"] = 3

    processor = release.recipe.processor

    def make(place: Path) -> None:
        shutil.copyfile(kernel_of(base)[1], place / "kernel")
        shutil.copyfile(initrd / "initrd", place / "initrd")
        (place / "os-release").write_text(_os_release(release))
        for slot, line in lines.items():
            (place / f"slot-{slot}.cmdline").write_text(line)
            Chroot(tools / "root", binds={_OUT: place, **secureboot.binds(keys)}).run(
                [
                    *secureboot.frozen(release.recipe.epoch), "ukify", "build", f"--linux={_OUT}/kernel", f"--initrd={_OUT}/initrd", f"--uname={kernel_of(base)[0]}",
                    f"--cmdline=@{_OUT}/slot-{slot}.cmdline", f"--os-release=@{_OUT}/os-release",
                    f"--efi-arch={processor.efi}", f"--stub={processor.stub}", f"--output={_OUT}/slot-{slot}.efi",
                    *secureboot.ukify_words(keys),
                ],
                environment={"SOURCE_DATE_EPOCH": str(release.recipe.epoch)},
            )  # fmt: skip

        _loader(place / LOADER, release, tools)

    return Stage("slots", inputs, make)


def _loader(target: Path, release: Release, tools: Path) -> None:
    """The boot loader, signed where there are keys."""
    source = release.recipe.processor.boot_loader
    if release.secure_boot is None:
        shutil.copyfile(tools / "root" / source.removeprefix("/"), target)
    else:
        secureboot.sign(source, target, release.secure_boot, tools, epoch=release.recipe.epoch)


def command_line(release: Release, roothash: str, slot: str) -> str:
    """The kernel command line of one slot. It ends where the kernel stops to read: whatever a machine adds comes behind it."""
    words = [
        f"roothash={roothash}",
        f"systemd.verity_root_data=PARTLABEL=root-{slot}",
        f"systemd.verity_root_hash=PARTLABEL=hash-{slot}",
        *release.recipe.command_line,
        *(release.damage.command_line if release.damage else []),
        "rdinit=/usr/lib/omamori/first",
        "--",
    ]
    return " ".join(words)


def _os_release(release: Release) -> str:
    """What systemd-boot shows and sorts by; the newest IMAGE_VERSION is started first."""
    return (
        f'NAME="Omamori"\nPRETTY_NAME="Omamori {release.version}"\nID=omamori\nVERSION_ID="{release.version}"\n'
        f"IMAGE_ID=omamori\nIMAGE_VERSION={release.version}\nVARIANT_ID={release.recipe.variant}\n"
    )


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def _drop(upper: Path) -> None:
    shutil.rmtree(upper)
    shutil.rmtree(upper.with_name(upper.name + ".work"))
