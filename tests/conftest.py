"""Options of the whole suite, and what runs beside what."""

from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# How long an example takes says something about the machine, not about the code; a fixture is made once for all of them.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("any machine")

GUESTS = "tests/appliance/"
"""Tests that start machines in QEMU."""
OF_THEIR_OWN = ("tests/appliance/test_chaos.py", "tests/scenarios/test_demo.py")
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
