"""Path units: one whose service is started too often fails, and then nobody watches that file until the unit restarts."""

import configparser

import pytest

from omamori.image.recipe import TEMPLATES

FOLDER = TEMPLATES / "rootfs/etc/systemd/system"
WATCHERS = sorted(path.name for path in FOLDER.glob("*.path"))


def read(name):
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str
    parsed.read(FOLDER / name)
    return parsed


@pytest.mark.parametrize("name", WATCHERS)
def test_many_changes_in_a_row_wear_no_watcher_out(name):
    """Five starts in ten seconds is systemd's default limit; a file that its service leaves in place needs one, though."""
    watcher = read(name)
    started = read(watcher["Path"].get("Unit", name.replace(".path", ".service")))
    limit = started["Unit"].get("StartLimitIntervalSec")
    if "PathChanged" in watcher["Path"]:
        assert limit is not None, "say how often: the default is worn out by six changes in ten seconds"
    if "PathExists" in watcher["Path"]:
        assert limit != "0", "it would start for ever while the file stays"
