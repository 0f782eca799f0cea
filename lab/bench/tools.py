"""Programs of Debian 13 that measure and compete: nginx, wrk and Suricata 7, in a root of their own under the engineers' state.

They run with that root's loader and libraries and see this machine's files, so nothing is installed on the machine and nothing mounted.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from omamori.image.architecture import here
from omamori.image.errors import BuildHostError, ToolFailed
from omamori.image.mirror import KEYRING, mirrors, source_lines
from omamori.image.programs import PRIVATE, run
from omamori.image.stages import Cache, Stage
from omamori.image.state import State

SUITE = "trixie"
_MEASURING = ("nginx-light", "wrk")
_COMPETING = ("suricata",)


class ToolsMissingError(Exception):
    """The programs can neither be found nor installed."""


@dataclass(frozen=True, slots=True)
class Tools:
    """An unpacked Debian root."""

    root: Path

    def command(self, program: str, *arguments: str | Path) -> list[str]:
        """How to run a program of the root, given by its path in it (`usr/bin/wrk`)."""
        ours = here()
        libraries = self.root / "usr/lib" / ours.multiarch
        loader = [str(self.root / ours.loader), "--library-path", str(libraries)]
        return [*loader, str(self.root / program), *map(str, arguments)]

    @property
    def has_suricata(self) -> bool:
        return (self.root / "usr/bin/suricata").exists()

    def suricata_version(self) -> str:
        """As it names itself; empty where it is not there."""
        if not self.has_suricata:
            return ""
        said = subprocess.run(
            self.command("usr/bin/suricata", "-V"), check=False, capture_output=True, text=True
        )
        return said.stdout.strip().removeprefix("This is ")


def tools(state: State, progress: "Quiet | None" = None) -> Tools:
    """Installed now where no earlier run did; without Suricata where the archive has none. Raises ToolsMissingError."""
    cache = Cache(state.cache, progress or Quiet())
    failure: Exception | None = None
    for packages in (_MEASURING + _COMPETING, _MEASURING):
        try:
            return Tools(cache.get(_stage(packages)) / "root")
        except (BuildHostError, ToolFailed) as error:
            failure = failure or error
    raise ToolsMissingError(f"nginx and wrk cannot be installed: {failure}") from failure


class Quiet:
    """No progress; the long step announces itself."""

    def started(self, name: str) -> None: ...

    def ended(self, name: str, seconds: float, *, reused: bool) -> None: ...


def _stage(packages: tuple[str, ...]) -> Stage:
    inputs = {"suite": SUITE, "packages": packages, "format": 1}
    return Stage("bench", inputs, lambda place: _bootstrap(place / "root", packages))


def _bootstrap(root: Path, packages: tuple[str, ...]) -> None:
    print(f"installing {', '.join(packages)} of Debian {SUITE} (once, about a minute) ...", flush=True)
    archive, security = mirrors(os.environ)
    options = ["--variant=minbase", "--mode=root", "--format=directory", f"--keyring={KEYRING}"]
    sources = source_lines(SUITE, ["main"], archive, security)
    included = f"--include={','.join(packages)}"
    run(
        [
            *PRIVATE,
            "mmdebstrap",
            *options,
            included,
            "--aptopt=Apt::Install-Recommends false",
            SUITE,
            root,
            *sources,
        ]
    )
