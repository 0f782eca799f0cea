"""Where the fleet is and whom to believe: the agent's `fleet.json` for the way, the sealed image's root for the trust."""

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.settings import proxy_of
from omamori.firmware.update import orders
from omamori.firmware.update.clock import Server
from omamori.firmware.update.errors import Unreachable
from omamori.firmware.update.fetch import Fetcher, Limits, Mirror, Source
from omamori.firmware.update.folder import Folder
from omamori.firmware.update.trust import Places, Trust
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.fetching import LEAST_RATE, MOST_RATE, Fetching, checked


@dataclass(frozen=True, slots=True)
class FleetPlace:
    """`fleet.json`: base URL of the fleet's unit surface, and the file with its CA's PEM certificates."""

    url: str
    ca: str = ""


MIRROR_RATE: Final = 128 * 1024
"""Bytes a second at least, from a machine next door."""
MIRROR_SECONDS: Final = 600.0
"""For all that it sends in one run: what it does not send in that time, the fleet has half an hour to."""
_SHUNNED: Final = 86_400.0
"""Seconds in which a mirror is not asked after a run came to its end, or was ended, while one waited for it."""


def connect(
    paths: Paths,
    limits: Limits | None = None,
    *,
    origin: str = "",
    folder: Path | None = None,
    mirrored: bool = True,
) -> Trust:
    """The fleet's repository, its files from the LAN's mirror where there is one; or what is at `origin`, a URL or a directory, alone.

    What is kept goes below `folder`. Not `mirrored`: what is small and urgent comes from the fleet.

    Raises UpdateError; nothing is sent yet.
    """
    folder, limits = folder or paths.update, limits or Limits()
    try:
        root = files.read_capped(paths.trust_root)
        where, source = _source(paths, limits, origin)
        mirror = _mirror(paths, limits) if mirrored and not origin else None
    except OSError as error:
        raise Unreachable(f"cannot read {error.filename}: {error.strerror}") from error
    places = Places(
        f"{where}/metadata/",
        f"{where}/targets/",
        folder / "metadata",
        folder / "downloads",
    )
    return Trust(places, root=root, fetcher=source, mirror=mirror)


def _mirror(paths: Paths, limits: Limits) -> Mirror | None:
    """On the LAN: by no proxy, as fast as it can, and passed over where that is slow. Raises OSError."""
    mark = paths.update / "mirror-asked"
    if not (url := fetching(paths).mirror) or _is_fresh(mark):
        return None
    least = max(limits.least_rate, MIRROR_RATE)
    chosen = replace(limits, least_rate=least, most_rate=0.0, total=MIRROR_SECONDS)
    return Mirror(f"{url}/targets/", Fetcher(_authority(paths, None), limits=chosen), mark)


def _is_fresh(mark: Path) -> bool:
    with contextlib.suppress(OSError):
        return abs(time.time() - mark.stat().st_mtime) < _SHUNNED
    return False


def _source(paths: Paths, limits: Limits, origin: str) -> tuple[str, Source]:
    """(the repository's URL, who fetches from it). Raises Unreachable, OSError."""
    if origin and not origin.startswith(("http://", "https://")):
        directory = Path(origin).absolute()
        inner = directory / "tuf"
        directory = inner if inner.is_dir() else directory
        if not (directory / "metadata").is_dir():
            raise Unreachable(f"{directory} holds no repository: metadata/ and targets/ are missing")
        return directory.as_uri(), Folder(directory)
    place = None if origin else read_place(paths)
    ca = _authority(paths, place)
    chosen = replace(limits, most_rate=limits.most_rate or float(fetching(paths).rate))
    proxy = "" if origin else str(proxy_of(paths.settings) or "")
    url = origin.rstrip("/") if place is None else f"{place.url.rstrip('/')}/tuf"
    return url, Fetcher(ca, limits=chosen, proxy=proxy)


def _authority(paths: Paths, place: FleetPlace | None) -> Path | None:
    """Whose certificates are believed: the fleet's, for a mirror too, where the fleet is known."""
    if place is None:
        with contextlib.suppress(Unreachable):
            place = read_place(paths)
    return paths.root / place.ca.lstrip("/") if place and place.ca else None


def fleet_server(paths: Paths) -> Server | None:
    """The fleet as one of those who are asked for the time."""
    try:
        place = read_place(paths)
    except Unreachable:
        return None
    return Server(place.url, place.ca)


def fetching(paths: Paths) -> Fetching:
    """As the fleet wants it, else as the unit's own file says; what cannot be is left out."""
    wanted = orders.of_fleet(paths.want, lambda _severity, _text: None)
    found = (wanted and wanted.fetching) or read_fetching(paths)
    rate = min(max(found.rate, LEAST_RATE), MOST_RATE) if found.rate else 0
    with contextlib.suppress(ProtocolError):
        return checked(replace(found, rate=rate))
    return Fetching(rate)


def read_fetching(paths: Paths) -> Fetching:
    """`update/fetching.json`, set with `omamori-unit fetching`; the default where the file is missing or damaged."""
    try:
        return wire.from_wire(Fetching, wire.load(files.read_capped(paths.update / "fetching.json")))
    except (OSError, ProtocolError):
        return Fetching()


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
