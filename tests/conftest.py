"""Options of the whole suite, and what runs beside what."""

from xdist.scheduler import LoadScopeScheduling

GUESTS = ("tests/appliance/", "tests/scenarios/test_demo.py")
"""Tests that start machines in QEMU."""


def pytest_addoption(parser):
    parser.addoption("--screenshots", action="store_true", help="write docs/guides/screenshots/*.png")


def pytest_xdist_make_scheduler(config, log):
    return Beside(config, log)


class Beside(LoadScopeScheduling):
    """A guest mostly waits for one processor: those tests run one after the other beside all others, of which none meets another."""

    def _split_scope(self, nodeid):
        return "guests" if nodeid.startswith(GUESTS) else "others"
