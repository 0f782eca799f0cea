"""One booted unit for all tests that only look, started last, and a fresh one for each that updates or breaks it.

The image is built (or reused) in the engineer's state directory; signing keys and everything else live in a temporary one.
The unit stands between two namespaces with an address server on the router's side.
"""

import os
import shutil
from pathlib import Path

import pytest
import testinfra

from lab.appliance import Factory, unit_between, with_claim
from omamori.image.state import State
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Claim


def pytest_collection_modifyitems(items):
    # Last in the whole run, in whatever order: an idle guest takes half a processor from every test beside it.
    items.sort(key=lambda item: "site" in item.fixturenames)
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for mark in (pytest.mark.vm, pytest.mark.root, pytest.mark.slow):
                item.add_marker(mark)
            _bound(item)


def _bound(item):
    """Of the test alone: whichever is the first also waits for the image, whose builder has bounds of its own."""
    given = item.get_closest_marker("timeout")
    seconds = given.args[0] if given else 600
    item.add_marker(pytest.mark.timeout(seconds, func_only=True), append=False)


@pytest.fixture(scope="session")
def factory(tmp_path_factory):
    return Factory.found(tmp_path_factory.mktemp("factory"))


@pytest.fixture(scope="session")
def whole_files(tmp_path_factory):
    """What was published, without the lists of pieces: a server that sends no parts of files makes the unit read them for nothing."""

    def copy(published):
        place, lists = tmp_path_factory.mktemp("whole") / "www", shutil.ignore_patterns("*.chunks")
        return shutil.copytree(published, place, ignore=lists, copy_function=os.link)

    return copy


@pytest.fixture(scope="session")
def image(factory):
    return factory.image("7.0.0")


@pytest.fixture(scope="session")
def claim():
    return Claim(UnitId("om-0001"), "not-a-real-secret-of-anybody", "https://fleet.example:8443", "PEM")


@pytest.fixture(scope="session")
def site(image, claim, tmp_path_factory):
    """Flashed with a claim, as a unit is that leaves the factory."""
    keys, place = State.of().secure_boot, tmp_path_factory.mktemp("guest")
    claimed = with_claim(image, claim, place)
    with unit_between(claimed, place / "run", keys=keys, claim=None, tpm=True) as site:
        guest = site.guest
        guest.wait(
            lambda: "No jobs" in guest.ssh("systemctl list-jobs --no-pager", check=False),
            seconds=120,
            what="the start to be over",
            pause=2,
        )
        yield site


@pytest.fixture(scope="session")
def host(site, tmp_path_factory):
    """The unit as testinfra sees it."""
    config = tmp_path_factory.mktemp("ssh") / "config"
    words = site.guest.ssh_options()
    settings = [option.replace("=", " ", 1) for option in words if option != "-o"]
    config.write_text(
        "\n".join(["Host *", "  User root", f"  Port {site.guest.ssh_port}", *(f"  {s}" for s in settings)])
    )
    return testinfra.get_host("ssh://127.0.0.1", ssh_config=str(config))


@pytest.fixture(scope="session")
def start_unit():
    """`unit_between`, for a unit of one's own."""
    return unit_between
