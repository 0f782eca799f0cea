"""The engine at work on feeds, in processes of their own: what others wrote is never parsed where the keys are.

Each call is one command of `omamori engine pack` with bounded time, memory and output; its answer is JSON, read like any
other outside bytes. A command that fails says why in its own words.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from omamori.protocol.version import Version
from omamori.signing.packs.description import Feed, Gates, Kind
from omamori.signing.packs.errors import WorkshopError

_ANSWER_CAP = 64 << 20
_SAID_CAP = 64 << 10
_MEMORY = 12 << 30
"""Bytes of address space: 50,000 rules take well under a tenth of it."""


@dataclass(frozen=True, slots=True)
class Stock:
    """A feed and where its files are."""

    feed: Feed
    folder: Path
    files: tuple[Path, ...]


class Workshop:
    """`patience` is how long one command may take."""

    def __init__(self, *, patience: float = 3600.0) -> None:
        self._patience = patience

    def build(
        self,
        stocks: Sequence[Stock],
        gates: Gates,
        version: Version,
        created: datetime,
        to: Path,
        *,
        test_file: bool,
    ) -> dict[str, Any]:
        """Compile a pack; it has passed its own test. Raises WorkshopError."""
        words = [word for stock in stocks for word in _sources(stock)]
        words += [word for path in gates.carried for word in ("--must-not", str(path))]
        for must in gates.must:
            words += ["--must", _capture(must.path, must.signatures)] if must.carried else []
        words += ["--everyday"] if gates.everyday else []
        words += ["--eicar" if test_file else "--no-eicar", "--version", str(version), "-o", str(to)]
        return self._run("build", *words, "--json", epoch=int(created.timestamp()))

    def judge(self, pack: Path, against: Path | None, gates: Gates) -> dict[str, Any]:
        """What it finds and misses in captures, its speed beside another's, and what changed. Raises WorkshopError."""
        words = ["--against", str(against)] if against else []
        words += [word for path in (*gates.clean, *gates.carried) for word in ("--clean", str(path))]
        for must in gates.must:
            words += ["--must", _capture(must.path, must.signatures)]
        words += ["--everyday"] if gates.everyday else []
        return self._run("judge", str(pack), *words, "--json")

    def _run(self, *words: str, epoch: int | None = None) -> dict[str, Any]:
        command = [sys.executable, "-m", "omamori", "engine", "pack", *words]
        environment = os.environ | ({"SOURCE_DATE_EPOCH": str(epoch)} if epoch is not None else {})
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
            code = self._wait(command, environment, out, said)
            said.seek(max(0, said.seek(0, os.SEEK_END) - _SAID_CAP))
            last = said.read().decode("utf-8", "replace").strip().splitlines()
            if code:
                why = last[-1] if last else f"exit code {code}"
                raise WorkshopError(
                    f"the pack cannot be made ({words[0]}): {why.removeprefix('Error: ')[:600]}"
                )
            return _answer(words[0], out)

    def _wait(self, command: list[str], environment: dict[str, str], out: Any, said: Any) -> int:  # noqa: ANN401 - files
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=said,
            start_new_session=True,
        )
        try:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            return process.wait(self._patience)
        except subprocess.TimeoutExpired as error:
            raise WorkshopError(f"the engine did not end within {self._patience:.0f} s") from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _sources(stock: Stock) -> list[str]:
    """The options by which `engine pack build` takes a feed."""
    feed, files = stock.feed, stock.files
    match feed.kind:
        case Kind.RULES:
            return ["--rules", str(stock.folder)]
        case Kind.LIST:
            return [word for path in files for word in ("--domains", f"{feed.category}={path}")]
        case Kind.CATEGORIES:
            return ["--ut1", str(stock.folder)]
        case Kind.ANTIVIRUS:
            return [word for path in files for word in ("--antivirus", str(path))]
        case Kind.CREDENTIALS:
            return [word for path in files for word in ("--credentials", str(path))]
        case Kind.REPUTATION:
            return [word for path in files for word in ("--reputation", f"{feed.category}={path}")]


def _capture(path: Path, signatures: Sequence[str]) -> str:
    return f"{path}={','.join(signatures)}" if signatures else str(path)


def _answer(what: str, out: Any) -> dict[str, Any]:  # noqa: ANN401 - a file
    out.seek(0)
    raw = out.read(_ANSWER_CAP + 1)
    try:
        found = json.loads(raw[:_ANSWER_CAP])
    except (ValueError, RecursionError) as error:
        raise WorkshopError(f"the engine's answer to {what} cannot be read") from error
    if not isinstance(found, dict):
        raise WorkshopError(f"the engine's answer to {what} is no object")
    return found
