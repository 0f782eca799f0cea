"""Options of the whole suite, and what runs beside what."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--screenshots", action="store_true", help="write docs/guides/screenshots/*.png")


def pytest_collection_modifyitems(items):
    # A guest mostly waits for one processor: its tests run one after the other beside all others, of which none meets another.
    for item in items:
        group = "appliance" if item.get_closest_marker("vm") else "machine"
        item.add_marker(pytest.mark.xdist_group(group))
