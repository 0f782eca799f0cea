"""Whole files, written at once and read with a limit.

A reader never sees half a file: content goes to a temporary name in the same directory and is renamed. Where it must
survive a power cut, the file and its directory are synced first.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Final

READ_CAP: Final = 1024 * 1024
"""Bytes; no state file of the unit is larger."""


def write_atomic(path: Path, content: bytes, *, durable: bool = False, mode: int = 0o640) -> None:
    """Replace `path`, making its directory where it is missing. Raises OSError, and then the old content stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        write_new(temporary, content, durable=durable, mode=mode)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        sync_directory(path.parent)


def write_new(path: Path, content: bytes, *, durable: bool, mode: int) -> None:
    """Write a file that nobody reads yet. Raises OSError; what was written until then stays for the caller to remove."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Make renames in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_name(path: Path) -> Path:
    """Hidden, in the same directory, distinct for each process."""
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def read_texts(path: Path, *, cap: int = READ_CAP) -> dict[str, str] | None:
    """The texts of a JSON object, by name; None where there is no file. Raises OSError, ValueError."""
    try:
        return texts(read_capped(path, cap=cap))
    except FileNotFoundError:
        return None


def texts(content: bytes) -> dict[str, str]:
    """Of a JSON object, by name. Raises ValueError."""
    try:
        value = json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - a file's content, not a caller's type
    return {name: text for name, text in value.items() if isinstance(text, str)}


def read_capped(path: Path, *, cap: int = READ_CAP) -> bytes:
    """The whole content. Raises OSError; also (EFBIG) for a file over `cap` bytes."""
    with path.open("rb") as file:
        content = file.read(cap + 1)
    if len(content) > cap:
        raise OSError(27, f"more than the {cap:,} bytes allowed", str(path))
    return content
