"""Listed pages and addresses through the shipped process: a browser's requests, by the table of a real pack."""

from datetime import UTC, datetime

import pytest

from lab.bridge import BridgeProcess, fetch
from lab.namespaces import PYTHON, address, guarded_line, wait_until
from lab.services import web
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.lists import DomainList
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Action, Guard

pytestmark = pytest.mark.root
LISTED = "192.168.77.66"


@pytest.fixture(scope="module")
def unit(tmp_path_factory):
    """A web server at two addresses, one of which is listed."""
    folder = tmp_path_factory.mktemp("sites")
    with guarded_line("omurl") as line:
        address(line.wan, "eth0", f"{LISTED}/24")
        unit = BridgeProcess(line, folder / "unit")
        listed = DomainList("malware", [], ["blog.example/bad"], [LISTED])
        pack.build(
            folder / "p",
            Version.parse("1.0.0"),
            datetime(2026, 4, 1, tzinfo=UTC),
            pack.Content(lists=[listed]),
        )
        unit.install((folder / "p").read_bytes(), version="1.0.0")
        server = (PYTHON, "-m", "lab.services.web", "--bind", "0.0.0.0", "--port", "80")  # noqa: S104 - in a namespace
        with line.wan.running(*server), unit.running():
            unit.wait_for_pack("1.0.0")
            wait_until(lambda: fetch(line, "", seconds=1), seconds=10, what="the web server")
            yield unit


def told(unit, signature_id):
    def found():
        return [each for each in unit.detections() if each.signature_id == signature_id]

    wait_until(found, seconds=10, what=signature_id)
    return found()[0]


def test_a_listed_page_is_blocked_and_the_rest_of_its_site_is_not(unit):
    host = ["Host: blog.example"]
    assert fetch(unit.line, "good", headers=host) == web.page("blog.example")
    assert fetch(unit.line, "bad/worse?x=1", seconds=2, headers=host) != web.page("blog.example")
    found = told(unit, "wg:blog.example/bad")
    assert (found.guard, found.action, found.category) == (Guard.WG, Action.BLOCKED, "malware")
    assert found.detail == "blog.example/bad/worse?x=1"
    assert fetch(unit.line, "badly", headers=host) == web.page("blog.example")


def test_a_listed_address_is_blocked_whatever_it_is_called(unit):
    assert fetch(unit.line, "", where=LISTED, seconds=2, headers=["Host: fine.example"]) != web.page(
        "fine.example"
    )
    found = told(unit, f"wg:{LISTED}")
    assert (found.action, found.destination.address) == (Action.BLOCKED, LISTED)
    assert fetch(unit.line, "", headers=["Host: fine.example"]) == web.page("fine.example")
