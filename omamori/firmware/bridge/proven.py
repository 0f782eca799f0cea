"""Which pack has proved itself here: the captures that a pack carries are replayed once, not at each start.

What is remembered is a hash of the pack's manifest (which names every byte of it) and of the system that replayed it; another
pack, or the same one under other software, proves itself anew. The factory's pack was proven where the image was built.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths


class Proven:
    """Of one pack. A memory that cannot be read or written only costs another replay."""

    def __init__(self, paths: Paths, pack: Path, manifest: Mapping[str, object]) -> None:
        self._paths, self._pack = paths, pack
        system = b""
        with contextlib.suppress(OSError):
            system = files.read_capped(paths.os_release)
        named = json.dumps(manifest, sort_keys=True).encode()
        self._digest = hashlib.sha256(hashlib.sha256(named).digest() + system).hexdigest()

    def already(self) -> bool:
        if self._pack == self._paths.factory_pack:
            return True
        with contextlib.suppress(OSError):
            return files.read_capped(self._paths.proven_pack, cap=100) == self._digest.encode()
        return False

    def remember(self) -> None:
        if not self.already():
            with contextlib.suppress(OSError):
                self._paths.proven_pack.parent.mkdir(parents=True, exist_ok=True)
                files.write_atomic(self._paths.proven_pack, self._digest.encode())
