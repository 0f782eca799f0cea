"""Whether this process runs the engine's hot modules compiled or as Python (decision 0022); settled before the first is imported.

All of them or none: compiled modules call each other without asking Python, so a mixture would end the process. The shared objects
lie apart from the Python, in a folder of their own, and nobody finds them who does not ask here; what is missing, was made
for another Python, cannot be loaded or is not wanted leaves Python as it is. A file in /run remembers for the rest of this boot
that they are not to be trusted: because workers died of them again and again, or this process itself.
"""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths

SWITCH: Final = "omamori.compiled=no"
"""On the kernel's command line: Python only."""
_SHARED: Final = "__mypyc"
"""Ends the name of the object that all others point to."""
_STARTED: Final = "started\n"
_MOST: Final = 3
"""Starts in a row whose end nobody ordered."""
_CAP: Final = 4096


class Trust:
    """What this boot has learnt about compiled modules."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.compiled_trust

    def begin(self) -> str:
        """A start with them. Why it must not be, where that is so; else empty."""
        told = self._read()
        if told and told != _STARTED * told.count(_STARTED):
            return told.strip()
        if told.count(_STARTED) >= _MOST:
            return f"the process ended {_MOST} times with compiled modules and nobody had told it to"
        self._write(told + _STARTED)
        return ""

    def ended(self) -> None:
        """As it was told to: nothing is held against them."""
        told = self._read()
        if told == _STARTED * told.count(_STARTED):
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)

    def lost(self, why: str) -> None:
        """For the rest of this boot."""
        self._write(why[:200].replace("\n", " "))

    def _read(self) -> str:
        try:
            return files.read_capped(self._file, cap=_CAP).decode("utf-8", "replace")
        except OSError:
            return ""

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # then it is not remembered, no more
            files.write_atomic(self._file, text.encode())


class _Finder(MetaPathFinder):
    """Shared objects by the names of their modules."""

    def __init__(self, objects: Mapping[str, Path]) -> None:
        self._objects = objects

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        found = self._objects.get(fullname)
        if found is None:
            return None
        return spec_from_file_location(fullname, found, loader=ExtensionFileLoader(fullname, str(found)))


def found(folder: Path) -> dict[str, Path]:
    """The shared objects for this Python in a folder, by module; none where there is no such folder."""
    suffix = EXTENSION_SUFFIXES[0]
    return {path.name.removesuffix(suffix): path for path in sorted(folder.glob(f"*{suffix}"))}


def use(folder: Path) -> str:
    """From now on the modules in this folder are imported from there. Why not, where they are not; empty where they are."""
    objects = found(folder)
    shared = next((name for name in objects if name.endswith(_SHARED)), "")
    if not shared:
        return "there are no compiled modules for this Python"
    if early := sorted(set(objects) & set(sys.modules)):
        return f"{early[0]} was imported before the compiled modules"
    finder = _Finder(objects)
    sys.meta_path.insert(0, finder)
    try:
        import_module(shared)
    except ImportError as error:
        sys.meta_path.remove(finder)
        return f"compiled modules cannot be loaded: {error}"
    return ""


def in_use() -> bool:
    """Whether this process runs compiled modules."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def choose(paths: Paths) -> str:
    """Use them where they are there, wanted and trusted. Why not, where somebody should know; empty otherwise."""
    if not found(paths.compiled):
        return ""
    if _switched_off(paths):
        return f"the engine runs without compiled modules: {SWITCH} is on the kernel's command line"
    why = Trust(paths).begin() or use(paths.compiled)
    return f"the engine runs without compiled modules: {why}" if why else ""


def _switched_off(paths: Paths) -> bool:
    try:
        return SWITCH in files.read_capped(paths.kernel_command_line).decode("utf-8", "replace").split()
    except OSError:
        return False
