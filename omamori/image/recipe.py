"""Recipes: what an image consists of, as data.

`recipes/<variant>.toml` extends `recipes/common.toml`, or another variant: lists are joined, tables merged, single values replaced.
What is named differently for each processor is written as `{name}` and said by `architecture.py`.
Read once into a frozen `Recipe`; unknown or missing keys are refused here, so the builders never look into loose dicts.
"""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from omamori.image import architecture as architectures
from omamori.image.architecture import Architecture
from omamori.image.errors import RecipeError

MOST_TIME_SERVERS = 6
"""Beside the fleet; a unit asks no more than seven."""
RECIPES = Path(__file__).parent / "recipes"
TEMPLATES = Path(__file__).parent / "templates"
INITRD = ("initrd", "start")
"""The templates of what is ours before the root is there, the same for every variant; `start` is in the root, too."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Deliberately broken firmware: what is changed, and why it cannot become healthy."""

    why: str
    files: dict[str, str]
    command_line: list[str]


@dataclass(frozen=True, slots=True)
class TimeServer:
    """Who is asked for the time over TLS (decision 0018). `ca` is a file in the image; empty are the public authorities."""

    url: str
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One variant. Sizes are systemd-repart's texts (`512M`), paths are relative to the root."""

    variant: str
    description: str
    suite: str
    components: list[str]
    architecture: str
    epoch: int
    kernel: str
    packages: list[str]
    path_exclude: list[str]
    path_include: list[str]
    squash_exclude: list[str]
    forbidden: list[str]
    required: list[str]
    block_size: str
    compression: int
    templates: list[str]
    enable: list[str]
    mask: list[str]
    directories: list[str]
    links: dict[str, str]
    initrd: dict[str, list[str]]
    boot: dict[str, Any]
    ports: dict[str, list[str]]
    time: list[TimeServer]
    disk: dict[str, str]
    broken: dict[str, Broken]

    @classmethod
    def parse(cls, variant: str, table: dict[str, Any]) -> Self:
        """Raises RecipeError naming the key."""
        known = {field.name for field in fields(cls)} - {"variant"}
        if wrong := set(table) ^ known:
            verb = "unknown" if wrong & set(table) else "missing"
            raise RecipeError(f"recipe {variant}: {verb} {', '.join(sorted(wrong))}")
        table = _filled(table, architectures.of(table["architecture"]))
        broken = {name: Broken(**entry) for name, entry in table["broken"].items()}
        time = _time_servers(variant, table["time"])
        return cls(variant=variant, **{**table, "broken": broken, "time": time})

    @property
    def processor(self) -> Architecture:
        """What the architecture means everywhere else."""
        return architectures.of(self.architecture)

    @property
    def command_line(self) -> list[str]:
        """The kernel command line without what names a slot."""
        return [str(word) for word in self.boot["command_line"]]

    @property
    def patience(self) -> int:
        """How many seconds a new slot may take to become healthy."""
        return int(self.boot["patience"])

    @property
    def tries(self) -> int:
        """How often a new slot may try to start before the old one is taken again."""
        return int(self.boot["tries"])


def variants(folder: Path = RECIPES) -> list[str]:
    """The recipes there are."""
    return sorted(path.stem for path in folder.glob("*.toml") if path.stem != "common")


def files(variant: str, folder: Path = RECIPES) -> list[Path]:
    """The files a recipe is read from, what it extends first. Raises RecipeError."""
    parent = _table(variant, folder).get("extends")
    return [*(files(parent, folder) if parent else []), folder / f"{variant}.toml"]


def load(variant: str, folder: Path = RECIPES) -> Recipe:
    """Raises RecipeError when there is no such recipe or it cannot be read."""
    if variant not in variants(folder):
        raise RecipeError(f"no recipe {variant!r}; there are: {', '.join(variants(folder))}")
    return Recipe.parse(variant, _read(variant, folder))


def _table(name: str, folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / f"{name}.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"recipe {name}: {error}") from error


def _read(name: str, folder: Path) -> dict[str, Any]:
    table = _table(name, folder)
    parent = table.pop("extends", None)
    return table if parent is None else merged(_read(parent, folder), table)


def _filled(value: Any, architecture: Architecture) -> Any:  # noqa: ANN401 - whatever TOML holds
    match value:
        case str():
            return architecture.filled(value)
        case list():
            return [_filled(entry, architecture) for entry in value]
        case dict():
            return {key: _filled(entry, architecture) for key, entry in value.items()}
        case _:
            return value


def _time_servers(variant: str, table: dict[str, Any]) -> list[TimeServer]:
    """Raises RecipeError for what no unit could ask."""
    try:
        found = [TimeServer(**entry) for entry in table["servers"]]
        if set(table) - {"servers"} or len(found) > MOST_TIME_SERVERS:
            raise RecipeError(
                f"recipe {variant}: [time] has `servers`, at most {MOST_TIME_SERVERS}, and no more"
            )
        for server in found:
            place = urlsplit(server.url)
            named = place.scheme == "https" and place.hostname and not (place.username or place.query)
            if not named or place.path not in {"", "/"} or not isinstance(server.ca, str):
                raise RecipeError(
                    f"recipe {variant}: not an https:// address of a time server: {server.url!r}"
                )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecipeError(f"recipe {variant}: not a list of time servers: {error}") from error
    return found


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`: lists join (without repeats), tables merge, other values replace."""
    result = dict(below)
    for key, value in above.items():
        old = below.get(key)
        if isinstance(old, list) and isinstance(value, list):
            result[key] = [*old, *(entry for entry in value if entry not in old)]
        elif isinstance(old, dict) and isinstance(value, dict):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result
