"""The factory disk: GPT with a boot partition, slot A filled, slot B empty. The data partition is made at first boot.

Assembled by systemd-repart from files, without loop devices; the result is sparse.
"""

import os
from pathlib import Path

from omamori.image.layers import Release
from omamori.image.programs import Chroot, run
from omamori.image.seal import SLOTS
from omamori.image.stages import Stage, hash_of
from omamori.protocol.bundle import LOADER

# Not under /run: systemd-repart copies nothing from there.
_OUT = "/srv/out"
_SUM = "loader.sha256"
_SEED = "6f6d616d-6f72-4969-8000-000000000001"


def disk_stage(root: Path, slots: Path, release: Release, tools: Path) -> Stage:
    """`disk.raw`."""
    inputs = {
        "root": root.name,
        "slots": slots.name,
        "disk": release.recipe.disk,
        "version": str(release.version),
        "tools": tools.name,
        "format": 7,
    }

    def make(place: Path) -> None:
        definitions = place / "repart.d"
        definitions.mkdir()
        for number, text in enumerate(_partitions(release), start=1):
            (definitions / f"{number}0.conf").write_text(text)
        (place / "loader.conf").write_text("timeout 0\neditor no\nauto-entries no\nauto-firmware no\n")
        (place / _SUM).write_text(f"{hash_of(slots / LOADER)}\n")
        for path in (place / "loader.conf", place / _SUM, *slots.glob("*.efi")):
            os.utime(path, (release.recipe.epoch, release.recipe.epoch))  # the boot partition keeps them
        binds = {_OUT: place, "/srv/root": root, "/srv/slots": slots}
        Chroot(tools / "root", binds=binds).run(
            [
                "systemd-repart", "--offline=yes", "--empty=create", f"--size={release.recipe.disk['size']}",
                f"--seed={_SEED}", "--dry-run=no", f"--definitions={_OUT}/repart.d", f"{_OUT}/disk.raw",
            ],
            environment={"SOURCE_DATE_EPOCH": str(release.recipe.epoch)},
        )  # fmt: skip
        run(["rm", "-rf", definitions, place / "loader.conf", place / _SUM])

    return Stage("disk", inputs, make)


def _partitions(release: Release) -> list[str]:
    disk, processor = release.recipe.disk, release.recipe.processor
    files = [
        *((f"/srv/slots/{LOADER}", copy) for copy in processor.loader_copies),
        (f"{_OUT}/{_SUM}", "/EFI/systemd/loader.sha256"),
        (f"{_OUT}/loader.conf", "/loader/loader.conf"),
        ("/srv/slots/slot-a.efi", f"/EFI/Linux/omamori-{release.version}.efi"),
    ]
    copies = "".join(f"CopyFiles={source}:{target}\n" for source, target in files)
    texts = [f"[Partition]\nType=esp\nLabel=esp\nFormat=vfat\n{_sized(disk['esp'])}{copies}"]
    for slot in SLOTS:
        filled = slot == SLOTS[0]
        for label, name in (("root", "root.squashfs"), ("hash", "root.verity")):
            copied = f"CopyBlocks=/srv/root/{name}\n" if filled else ""
            texts.append(
                f"[Partition]\nType={processor.partition_types[label]}\nLabel={label}-{slot}\n{_sized(disk[label])}{copied}"
            )
    return texts


def _sized(size: str) -> str:
    return f"SizeMinBytes={size}\nSizeMaxBytes={size}\n"
