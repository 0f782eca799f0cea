"""Budgets: what an image may cost, from `budgets.toml`, checked at every build."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from omamori.image.errors import BudgetExceeded

FILE = Path(__file__).parent / "budgets.toml"


def check(variant: str, figures: Mapping[str, float], file: Path = FILE) -> dict[str, float]:
    """The variant's budgets, or with `unit` those of the booted unit. Raises BudgetExceeded naming each figure that is over."""
    allowed: dict[str, float] = tomllib.loads(file.read_text()).get(variant, {})
    over = [
        f"{name} {figures[name]:g} > {limit:g}"
        for name, limit in allowed.items()
        if figures.get(name, 0) > limit
    ]
    if over:
        raise BudgetExceeded(
            f"{variant} image over budget ({'; '.join(over)}); shrink it, or raise {file.name} with the reason"
        )
    return allowed
