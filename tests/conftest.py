"""Options of the whole suite, and what runs beside what."""

from xdist.scheduler import LoadScopeScheduling

GUESTS = "tests/appliance/"
"""Tests that start machines in QEMU."""
OF_THEIR_OWN = (
    "tests/appliance/test_chaos.py",
    "tests/appliance/test_product.py",
    "tests/appliance/test_soft_reboot.py",
    "tests/scenarios/test_demo.py",
)
"""They do, too, from images whose versions no other test builds: one that is built anew replaces what others start from."""


def pytest_addoption(parser):
    parser.addoption("--screenshots", action="store_true", help="write docs/guides/screenshots/*.png")


def pytest_xdist_make_scheduler(config, log):
    return Beside(config, log)


class Beside(LoadScopeScheduling):
    """A guest mostly waits for one processor, so two may run; all other tests run one after the other, and so never meet each other."""

    def _split_scope(self, nodeid):
        if nodeid.startswith(OF_THEIR_OWN):
            return "guests of their own"
        return "guests" if nodeid.startswith(GUESTS) else "others"
