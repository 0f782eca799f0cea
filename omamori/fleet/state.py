"""Where the fleet keeps what changes: one directory outside the project, its settings and its secrets.

`$OMAMORI_STATE/fleet/` (default `~/.local/state/omamori/fleet/`) holds the database, the certificate authority, the
broker's files, `fleet.toml` (settings, written by people) and `secrets.json` (mode 0600, written once by `init`).
Reading never writes: importing the settings on a machine without a fleet leaves no trace.
"""

import json
import os
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class FleetConfigurationError(Exception):
    """The settings file, an environment variable or the secrets file cannot be used; the text says which."""


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the settings table."""

    key: str
    kind: type[str] | type[int]
    default: str | int
    help: str


OPTIONS = (
    Option("database", str, "", "path of the SQLite file; empty means fleet.sqlite3 in the state directory"),
    Option("repository", str, "", "the published TUF repository (metadata/, targets/); empty means ../tuf"),
    Option("units_bind", str, "0.0.0.0:8443", "where the unit surface listens (TLS)"),
    Option(
        "units_url",
        str,
        "",
        "base URL that units use, in their claims; empty means the bound port on this name",
    ),
    Option("units_name", str, "localhost", "DNS name or address of this server as units see it"),
    Option("portal_bind", str, "127.0.0.1:8000", "where portal and operators' API listen (plain HTTP)"),
    Option(
        "portal_url", str, "http://127.0.0.1:8000", "how people reach the portal; https makes cookies secure"
    ),
    Option("mqtt_bind", str, "0.0.0.0:8883", "where the embedded broker listens (TLS)"),
    Option("link_host", str, "", "the broker as the link worker sees it; empty means this machine"),
    Option("mqtt_host", str, "", "the broker as units see it; empty means units_name"),
    Option(
        "support_bind",
        str,
        "",
        "where units with a support key call (TLS), e.g. 0.0.0.0:8444; empty: no helper reaches any unit",
    ),
    Option("support_host", str, "", "the same as units see it; empty means units_name"),
    Option("language", str, "ja", "language of the portal where a browser asks for none we have"),
    Option("time_zone", str, "Asia/Tokyo", "time zone that pages and the CLI show times in"),
    Option("activations_per_minute", int, 10, "activation attempts allowed to one address, and for one unit"),
    Option("mail_host", str, "", "the mail server that takes our letters; empty: none is sent"),
    Option("mail_port", int, 587, "its port"),
    Option("mail_security", str, "starttls", "starttls, tls or none"),
    Option("mail_user", str, "", "how we sign in there; empty: we do not"),
    Option("mail_password_file", str, "", "a file with the password for that and nothing else"),
    Option("mail_from", str, "omamori@localhost", "the sender of our letters"),
    Option(
        "daily_minutes",
        int,
        30,
        "how often `serve` looks whether a site's daily work is due, in minutes; 0: never (`omamori fleet daily` does it)",
    ),
    Option("workers", int, 2, "gunicorn processes of each surface"),
)
"""Every setting; the environment variable is OMAMORI_FLEET_ and the key in capitals, and wins over fleet.toml."""


@dataclass(frozen=True, slots=True)
class FleetState:
    """The paths of one fleet; nothing here touches the disk but `settings`, `secret` and `create`."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "FleetState":
        state = environment.get("OMAMORI_STATE") or str(Path("~/.local/state/omamori").expanduser())
        return cls(Path(state) / "fleet")

    @property
    def toml(self) -> Path:
        return self.root / "fleet.toml"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets.json"

    @property
    def database(self) -> Path:
        return self.root / "fleet.sqlite3"

    @property
    def authority(self) -> Path:
        """The certificate authority's own directory (`broker.authority`)."""
        return self.root / "ca"

    @property
    def broker(self) -> Path:
        """The broker's configuration, ACL and persistence."""
        return self.root / "broker"

    @property
    def repository(self) -> Path:
        """Where the signing room publishes unless told otherwise."""
        return self.root.parent / "tuf"

    def settings(self, environment: Mapping[str, str] = os.environ) -> dict[str, str | int]:
        """Every option's value: environment, then fleet.toml, then default. Raises FleetConfigurationError."""
        written = self.written()
        unknown = set(written) - {option.key for option in OPTIONS}
        if unknown:
            raise FleetConfigurationError(f"{self.toml}: unknown setting {min(unknown)!r}")
        return {option.key: _value(option, written, environment, self.toml) for option in OPTIONS}

    def secret(self, name: str) -> str:
        """A generated secret, or empty before `create`. Raises FleetConfigurationError for a damaged file."""
        try:
            return str(json.loads(self.secrets.read_text("utf-8")).get(name, ""))
        except FileNotFoundError:
            return ""
        except (ValueError, OSError, AttributeError) as error:
            raise FleetConfigurationError(f"{self.secrets} cannot be read: {error}") from error

    def create(self) -> None:
        """Make the directory (0700) and, once, the secrets (0600). Never overwrites a secret."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(self.secrets, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"django": secrets.token_urlsafe(48)}, file)
            file.flush()
            os.fsync(file.fileno())

    def written(self) -> dict[str, object]:
        """What fleet.toml says. Raises FleetConfigurationError."""
        try:
            return tomllib.loads(self.toml.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (ValueError, OSError) as error:
            raise FleetConfigurationError(f"{self.toml} cannot be read: {error}") from error


def write_settings(state: FleetState, given: Sequence[str]) -> None:
    """Add `key=value` pairs to fleet.toml. Raises FleetConfigurationError for an unknown key or a wrong value."""
    options = {option.key: option for option in OPTIONS}
    values = state.written()
    for pair in given:
        key, equals, text = pair.partition("=")
        if key not in options or not equals:
            raise FleetConfigurationError(f"not a setting: {pair[:60]!r} (see `omamori fleet settings`)")
        values[key] = _parsed(options[key], text, key)
    if given:
        lines = [
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in sorted(values.items())
        ]
        fresh = state.toml.with_suffix(".new")
        fresh.write_text("".join(lines), "utf-8")
        fresh.replace(state.toml)


def _value(
    option: Option, written: Mapping[str, object], environment: Mapping[str, str], file: Path
) -> str | int:
    variable = f"OMAMORI_FLEET_{option.key.upper()}"
    if variable in environment:
        return _parsed(option, environment[variable], variable)
    value = written.get(option.key, option.default)
    if isinstance(value, option.kind) and not isinstance(value, bool):
        return value
    raise FleetConfigurationError(f"{file}: {option.key} must be a {option.kind.__name__}")


def _parsed(option: Option, text: str, variable: str) -> str | int:
    try:
        return option.kind(text)
    except ValueError as error:
        raise FleetConfigurationError(
            f"{variable} must be a {option.kind.__name__}, not {text[:40]!r}"
        ) from error
