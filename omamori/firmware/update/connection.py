"""Where the fleet is and whom to believe: the agent's `fleet.json` for the way, the sealed image's root for the trust."""

from dataclasses import dataclass
from pathlib import Path

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.update.errors import Unreachable
from omamori.firmware.update.fetch import Fetcher, Limits
from omamori.firmware.update.trust import Places, Trust
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class FleetPlace:
    """`fleet.json`: base URL of the fleet's unit surface, and the file with its CA's PEM certificates."""

    url: str
    ca: str = ""


def connect(paths: Paths, limits: Limits | None = None) -> Trust:
    """Raises UpdateError; nothing is sent yet."""
    place = read_place(paths)
    ca = paths.root / place.ca.lstrip("/") if place.ca else None
    try:
        root = files.read_capped(paths.trust_root)
        fetcher = Fetcher(ca, limits=limits)
    except OSError as error:
        raise Unreachable(f"cannot read {error.filename or ca}: {error.strerror}") from error
    repository = f"{place.url.rstrip('/')}/tuf"
    places = Places(
        f"{repository}/metadata/",
        f"{repository}/targets/",
        paths.update / "metadata",
        paths.update / "downloads",
    )
    return Trust(places, root=root, fetcher=fetcher)


def read_place(paths: Paths) -> FleetPlace:
    """Raises Unreachable before the unit was activated."""
    file: Path = paths.agent_state / "fleet.json"
    try:
        place = wire.from_wire(FleetPlace, wire.load(files.read_capped(file)))
    except FileNotFoundError as error:
        raise Unreachable("not activated yet: the fleet's address is not known") from error
    except (OSError, ProtocolError) as error:
        raise Unreachable(f"the fleet's address cannot be read: {error}") from error
    if not place.url.startswith(("https://", "http://")):
        raise Unreachable(f"the fleet's address is no URL: {place.url[:60]!r}")
    return place
