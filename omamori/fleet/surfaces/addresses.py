"""Where the fleet's parts listen and how others reach them, from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from omamori.fleet.errors import Invalid
from omamori.fleet.state import FleetState

Settings = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name or address, an IPv6 one without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str) -> Address:
    """`host:port` or `[v6]:port`. Raises Invalid."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise Invalid(f"not an address and port: {text[:60]!r}")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def broker(settings: Settings) -> Address:
    """The broker as units see it."""
    host = str(settings["mqtt_host"] or settings["units_name"])
    return Address(host, parse(str(settings["mqtt_bind"])).port)


def relay(settings: Settings) -> Address | None:
    """Where units with a support key call; None where this fleet has no relay."""
    if not settings["support_bind"]:
        return None
    host = str(settings["support_host"] or settings["units_name"])
    return Address(host, parse(str(settings["support_bind"])).port)


def units_url(settings: Settings) -> str:
    """The unit surface as units see it, without a slash at the end."""
    if settings["units_url"]:
        return str(settings["units_url"]).rstrip("/")
    return f"https://{Address(str(settings['units_name']), parse(str(settings['units_bind'])).port)}"


def portal_url(settings: Settings) -> str:
    """The portal as people reach it, without a slash at the end."""
    return str(settings["portal_url"]).rstrip("/") or f"http://{parse(str(settings['portal_bind']))}"


def server_names(settings: Settings) -> tuple[str, ...]:
    """Every name and address that units and the link worker reach this server by: what its certificate must say."""
    binds = [parse(str(settings[key])).host for key in ("units_bind", "mqtt_bind")]
    bound = [host for host in binds if host not in {"0.0.0.0", "::"}]  # noqa: S104 - a wildcard is no name
    url = urlsplit(units_url(settings)).hostname or ""
    named = [str(settings["units_name"]), url, broker(settings).host, str(settings["link_host"]), *bound]
    named.append(str(settings["support_host"]))
    return tuple(dict.fromkeys(filter(None, [*named, "localhost", "127.0.0.1", "::1"])))


def repository(settings: Settings, state: FleetState) -> Path:
    """The directory with the published `metadata/` and `targets/`."""
    return Path(str(settings["repository"])) if settings["repository"] else state.repository
