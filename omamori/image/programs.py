"""Running system programs: as they are, in a chroot, or in a chroot over an overlay, always in a private mount namespace.

Mounts made here end with the program; nothing is left mounted on the build machine, also when it is killed.
"""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omamori.image.errors import BuildHostError, ToolFailed

PRIVATE = ("unshare", "--mount", "--propagation", "private")
"""Before a program that mounts: what it leaves mounted ends with it, and no later build empties this machine's /dev through it."""
_TAIL = 15


def run(
    argv: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    timeout: float = 900,
    give: bytes | None = None,
) -> str:
    """Run to the end and return stdout. Raises ToolFailed with the last lines of its output, BuildHostError if not there."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            check=False,
            capture_output=True,
            timeout=timeout,
            input=give,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
        )
    except FileNotFoundError as error:
        raise BuildHostError(f"{words[0]} is not installed; ./inv installs what a build needs") from error
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"{shlex.join(words)[:200]}: not done after {timeout:.0f} s") from error
    if done.returncode:
        tail = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()[-_TAIL:]
        raise ToolFailed("\n  ".join([f"{shlex.join(words)[:300]}: exit {done.returncode}", *tail]))
    return done.stdout.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Overlay:
    """`base`, only read, with layers over it, the last on top; changes land in `upper` where there is one."""

    base: Path
    layers: tuple[Path, ...] = ()
    upper: Path | None = None

    def mount(self, at: str) -> str:
        """The shell line that mounts it."""
        lower = [*reversed(self.layers), self.base]
        options = "lowerdir=" + ":".join(str(layer) for layer in lower)
        if self.upper:
            work = self.upper.with_name(self.upper.name + ".work")
            work.mkdir(exist_ok=True)
            options += f",upperdir={self.upper},workdir={work}"
        elif len(lower) == 1:
            return f"mount --bind {shlex.quote(str(self.base))} {at}"
        return f"mount -t overlay overlay -o {shlex.quote(options)} {at}"


@dataclass(frozen=True, slots=True)
class Chroot:
    """A root to run programs in; `binds` and `overlays` show more of this machine inside, by path."""

    root: Path | Overlay
    binds: Mapping[str, Path] = field(default_factory=dict)
    overlays: Mapping[str, Overlay] = field(default_factory=dict)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        timeout: float = 900,
    ) -> str:
        """As `run`, inside. Raises as `run` does."""
        with tempfile.TemporaryDirectory(prefix="omamori-root-") as scratch:
            script = "\n".join(["set -eu", f"at={scratch}", *self._mounts(), 'exec chroot "$at" "$@"'])
            return run(
                [*PRIVATE, "sh", "-c", script, "sh", *argv],
                environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(environment or {})},
                timeout=timeout,
            )

    def _mounts(self) -> list[str]:
        root = self.root if isinstance(self.root, Overlay) else Overlay(self.root)
        lines = [root.mount('"$at"')]
        lines += [
            'mount --rbind /dev "$at/dev"',
            'mount -t proc proc "$at/proc"',
            'mount -t tmpfs tmpfs "$at/tmp"',
        ]
        for path, source in self.binds.items():
            inside = f'"$at"{shlex.quote(path)}'
            lines += [f"mkdir -p {inside}", f"mount --bind {shlex.quote(str(source))} {inside}"]
        for path, overlay in self.overlays.items():
            inside = f'"$at"{shlex.quote(path)}'
            lines += [f"mkdir -p {inside}", overlay.mount(inside)]
        return lines
