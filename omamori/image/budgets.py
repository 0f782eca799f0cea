"""Budgets: what an image may cost, from `budgets.toml`, checked at every build."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from omamori.image.errors import BudgetExceeded, RecipeError

FILE = Path(__file__).parent / "budgets.toml"


def check(variant: str, figures: Mapping[str, float], file: Path = FILE) -> dict[str, float]:
    """The variant's budgets, or with `unit` those of the booted unit. Raises BudgetExceeded naming each figure that is over, RecipeError."""
    allowed = limits(variant, file)
    if over := [f"{name} {figures[name]:g} > {allowed[name]:g}" for name in exceeded(allowed, figures)]:
        raise BudgetExceeded(
            f"{variant} image over budget ({'; '.join(over)}); shrink it, or raise {file.name} with the reason"
        )
    return allowed


def limits(section: str, file: Path = FILE) -> dict[str, float]:
    """What is allowed at most, by the name of the figure. Raises RecipeError for a section that is not there."""
    sections = tomllib.loads(file.read_text())
    try:
        found: dict[str, float] = sections[sections[section].get("as", section)]
    except KeyError as missing:
        raise RecipeError(f"{file.name} has no section {missing}") from missing
    return found


def exceeded(allowed: Mapping[str, float], figures: Mapping[str, float]) -> list[str]:
    """Names of the figures that are over. What was not measured is not judged."""
    return [name for name, limit in allowed.items() if figures.get(name, 0) > limit]
