"""By which way the unit reaches its fleet. Costs a look at one name where nothing was set on the unit's page."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omamori.firmware.host.settings import Proxy


def proxy_set(path: Path) -> "Proxy | None":
    """The proxy of the settings at `path` (`Paths.settings`); None for the direct way."""
    if not path.exists():
        return None
    from omamori.firmware.host import settings

    return settings.proxy_of(path)
