"""The part of the initrd that counts starts: the image's own script, over a directory in place of the machine's variables.

The boot loader's part is played here: it tells its entries in UTF-16 and without their counters (systemd-boot 257 takes them off
its names), and takes what it is told to take once.
"""

import os
import subprocess
from pathlib import Path

from omamori.firmware.update import uki
from omamori.image.recipe import TEMPLATES

SCRIPT = TEMPLATES / "initrd/usr/lib/omamori/count-starts"
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
A, B = "omamori-1.0.0.efi", "omamori-1.1.0.efi"
"""Entries of the two slots of an updated unit."""
_VOLATILE = b"\6\0\0\0"


class Initrd:
    """A machine without such variables until `variables` is made: most tests need none."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.variables = root / "sys/firmware/efi/efivars"

    def equip(self) -> None:
        """From now on this is a machine with EFI variables. The script's programs are there, too, as far as they matter."""
        self.variables.mkdir(parents=True)
        programs = self._root / "initrd-programs"
        programs.mkdir()
        for name, does in {
            "chattr": f'echo "$2" >> {self._released}',
            "systemctl": f'echo "$@" > {self._ordered}',
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{does}\n")
            (programs / name).chmod(0o755)
        (self._root / "dev").mkdir(exist_ok=True)

    def restarts(self, entry: str, slot: str, entries: list[str]) -> bool:
        """What happens before the root is opened, having started this entry; whether the machine starts again."""
        if not self.variables.is_dir():
            return False
        self._say("LoaderEntries", "".join(f"{uki.blessed(name)}\0" for name in entries))
        self._say("LoaderEntrySelected", f"{uki.blessed(entry)}\0")
        trial = self.variables / f"LoaderBootCountPath-{LOADER}"
        trial.unlink(missing_ok=True)
        if "+" in entry:  # the boot loader counts
            self._say(trial.name.removesuffix(f"-{LOADER}"), f"\\EFI\\Linux\\{entry}\0")
        line = self._root / "proc/cmdline"
        line.parent.mkdir(exist_ok=True)
        line.write_text(f"quiet systemd.verity_root_data=PARTLABEL=root-{slot} ro\n")
        self._released.unlink(missing_ok=True)
        self.run()
        ordered = self._ordered.exists()
        self._ordered.unlink(missing_ok=True)
        return ordered

    def run(self) -> str:
        """The script alone; what it told on the console."""
        console = self._root / "dev/console"
        console.write_text("")
        path = f"{self._root / 'initrd-programs'}:{os.environ['PATH']}"
        environment = {"OMAMORI_ROOT": str(self._root), "PATH": path}
        done = subprocess.run(["sh", SCRIPT], env=environment, capture_output=True, text=True, check=True)
        assert not done.stderr
        return console.read_text()

    def one_shot(self) -> str:
        """What is to be started once; forgotten by asking."""
        name = self.told("OneShot")
        (self.variables / f"LoaderEntryOneShot-{LOADER}").unlink(missing_ok=True)
        return name

    def told(self, which: str) -> str:
        """What the boot loader is to take, `OneShot` or by `Default`; empty where nobody told it."""
        variable = self.variables / f"LoaderEntry{which}-{LOADER}"
        if not variable.exists():
            return ""
        content = variable.read_bytes()
        assert content[:4] == b"\7\0\0\0"
        return content[4:].decode("utf-16-le").removesuffix("\0")

    def held(self) -> set[str]:
        """Variables that the kernel would not let the running system take back: it guards each anew at every start."""
        released = set(self._released.read_text().split()) if self._released.exists() else set()
        return {path.name for path in self.variables.iterdir() if str(path) not in released}

    @property
    def _released(self) -> Path:
        return self._root / "released-variables"

    @property
    def _ordered(self) -> Path:
        return self._root / "restart-ordered"

    def _say(self, name: str, text: str) -> None:
        (self.variables / f"{name}-{LOADER}").write_bytes(_VOLATILE + text.encode("utf-16-le"))
