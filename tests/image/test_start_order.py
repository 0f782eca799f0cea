"""The order in which the unit's parts start has no circle: systemd breaks one by leaving a part out, and the unit boots without it."""

import configparser
from pathlib import Path

import pytest

import omamori.image

_UNITS = Path(omamori.image.__file__).parent / "templates/rootfs/etc/systemd/system"
_EARLY = (".path", ".socket", ".timer")
"""By default these are started before basic.target, and every service after it."""


def _words(file: Path, key: str) -> set[str]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keys as they are written
    parser.read_string(file.read_text())
    return set(parser.get("Unit", key, fallback="").split())


def _waits_for(name: str) -> set[str]:
    """Ours that are started before this one, what that waits for included."""
    file = _UNITS / name
    if not file.exists():
        file = _UNITS / f"{name}.j2"
    if not file.exists():
        return set()
    direct = {each for each in _words(file, "After") if each.startswith("omamori-")}
    return direct.union(*map(_waits_for, direct))


@pytest.mark.parametrize("name", sorted(p.name for p in _UNITS.iterdir() if p.suffix in _EARLY))
def test_what_is_watched_early_waits_for_no_service(name):
    services = {each for each in _waits_for(name) if each.endswith(".service")}
    assert not services or "no" in _words(_UNITS / name, "DefaultDependencies")
