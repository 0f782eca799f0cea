"""Where builds, keys and caches of engineers live: outside the checkout, under one directory.

`$OMAMORI_STATE`, default `~/.local/state/omamori`. Nothing here is precious but `sign/keys`; all else can be made again.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from omamori.protocol.version import Version


@dataclass(frozen=True, slots=True)
class State:
    """The directory tree of one engineer."""

    root: Path

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Self:
        chosen = environment.get("OMAMORI_STATE")
        return cls(Path(chosen).resolve() if chosen else Path.home() / ".local/state/omamori")

    @property
    def cache(self) -> Path:
        """Stages, `<stage>/<key>/`."""
        return self.root / "cache"

    @property
    def measured(self) -> Path:
        """What a unit in QEMU showed last of its memory and its times: `{"time", "version", "figures": {name: MiB or seconds}}`."""
        return self.root / "measured.json"

    @property
    def packages(self) -> Path:
        """Debian package files, kept so that a build can be repeated when the mirror has moved on."""
        return self.root / "packages"

    @property
    def secrets(self) -> Path:
        """Development keys of the test image (SSH), readable by the owner only."""
        return self.root / "image-keys"

    @property
    def secure_boot(self) -> Path:
        """Development keys of UEFI Secure Boot, readable by the owner only."""
        return self.root / "secure-boot"

    def image(self, variant: str, version: Version, *, broken: str | None = None) -> Path:
        """The directory of one finished image."""
        suffix = f"-broken-{broken}" if broken else ""
        return self.root / "images" / f"{variant}-{version}{suffix}"
