"""Who judges the support key: a real repository behind HTTPS, a unit of files, and every key that must open nothing."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from omamori.firmware.host import grant
from omamori.firmware.host.spool import SpoolReader
from omamori.firmware.update import clock
from omamori.firmware.update.connection import connect, fleet_server
from omamori.firmware.update.fetch import Limits
from omamori.firmware.update.support import Keeper, Outside
from omamori.protocol import support
from omamori.protocol.ids import unit_id
from omamori.protocol.messages import SupportCall, Want, encode
from omamori.signing import support as signing

UNIT = unit_id("om-0001")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
CALL = SupportCall("c0ffee", "127.0.0.1", 8444, "a ticket")


class Desk:
    """The fleet and its unit, with the few words these tests are written in."""

    def __init__(self, unit, fleet):
        self.unit, self.fleet, self.paths = unit, fleet, unit.paths
        self.booted = 0.0
        self.agreed = lambda floor: clock.agreed(self.paths, fleet_server(self.paths), floor)
        signing.enable(fleet.repository, datetime.now(UTC))

    def sign(self, *, unit=UNIT, since=timedelta(minutes=-1), hours=4.0, who="佐藤", at=None):
        now = at or datetime.now(UTC)
        begin = (now + since).replace(microsecond=0)
        document = support.SupportKey(unit, KEY, begin, begin + timedelta(hours=hours), who, "遅い")
        signing.add(self.fleet.repository, document, now)
        self.fleet.publish(at=now)
        return document

    def ask(self, call=CALL):
        self.unit.write("var/lib/omamori/agent/want.json", encode(Want(1, support=call)))

    def look(self):
        outside = Outside(
            trust=lambda: connect(
                self.paths, Limits(connect=5, read=2, grace=2), folder=self.paths.support_state
            ),
            agreed=self.agreed,
            since_boot=lambda: self.booted,
        )
        Keeper(self.paths, UNIT, outside).look()

    @property
    def open(self):
        return self.paths.support_grant.exists()

    @property
    def said(self):
        """(phase, reason) of what was told so far, in order."""
        segments = SpoolReader(self.paths.spool("support")).segments()
        return [(body.phase.value, body.reason) for each in segments for body in each.bodies]


@pytest.fixture
def desk(unit, fleet):
    return Desk(unit, fleet)


def test_a_signed_key_opens_this_unit_when_the_fleet_asks_and_not_before(desk):
    document = desk.sign()
    desk.look()
    assert not desk.open
    desk.ask()
    desk.look()
    held = grant.read(desk.paths.support_grant)
    assert held.document() == document
    assert (held.call, held.host, held.port, held.ticket) == ("c0ffee", "127.0.0.1", 8444, "a ticket")
    assert 0 < held.deadline <= 4 * 3600
    assert "BEGIN CERTIFICATE" in held.ca
    assert held.host_key.startswith("-----BEGIN OPENSSH PRIVATE KEY")
    assert desk.said == [("opened", "")]


def test_looking_again_confirms_and_says_nothing_new(desk):
    desk.sign()
    desk.ask()
    desk.look()
    before = grant.read(desk.paths.support_grant)
    desk.booted = 600.0
    desk.look()
    after = grant.read(desk.paths.support_grant)
    assert replace(after, confirmed=before.confirmed) == before
    assert (after.confirmed, desk.said) == (600.0, [("opened", "")])


def test_the_notice_for_the_page_goes_with_the_grant_and_holds_no_secret(desk):
    document = desk.sign(hours=1.0)
    assert not desk.paths.support_notice.exists()
    desk.ask()
    desk.look()
    text = desk.paths.support_notice.read_text()
    told, held = json.loads(text), grant.read(desk.paths.support_grant)
    assert (told["who"], told["why"]) == (document.who, document.why)
    assert sorted(told) == ["ends", "until", "who", "why"]
    assert held.ticket not in text
    assert told["ends"] == held.confirmed + grant.CONFIRMED_FOR, "not longer than what lets in"
    desk.booted = 2000.0
    desk.look()
    told, held = json.loads(desk.paths.support_notice.read_text()), grant.read(desk.paths.support_grant)
    assert told["ends"] == held.deadline < held.confirmed + grant.CONFIRMED_FOR
    desk.ask(None)
    desk.look()
    assert not desk.paths.support_notice.exists()


def test_it_closes_when_withdrawn_and_when_the_fleet_asks_no_longer(desk):
    desk.sign()
    desk.ask()
    desk.look()
    signing.withdraw(desk.fleet.repository, UNIT, datetime.now(UTC))
    desk.fleet.publish()
    desk.look()
    assert not desk.open
    assert desk.said[-1][0] == "closed"
    assert "not in the repository" in desk.said[-1][1]
    desk.sign()
    desk.look()
    assert not desk.open, "a call that was closed opens nothing again"
    desk.ask(replace(CALL, id="beef"))
    desk.look()
    assert desk.open
    desk.ask(None)
    desk.look()
    assert not desk.open
    assert desk.said[-1] == ("closed", "the fleet asks no longer")
    assert [phase for phase, _ in desk.said] == ["opened", "closed", "opened", "closed"]


def test_after_a_restart_somebody_has_to_ask_again(desk):
    desk.sign()
    desk.ask()
    desk.look()
    desk.paths.support_grant.unlink()
    desk.unit.power_on()
    desk.look()
    assert not desk.open
    assert desk.said == [("opened", ""), ("closed", "restart")]
    desk.look()
    assert len(desk.said) == 2


@pytest.mark.parametrize(
    ("signed", "why"),
    [
        ({"unit": unit_id("om-0002")}, "not in the repository"),
        ({"since": timedelta(minutes=30)}, "not before"),
    ],
)
def test_a_key_that_is_not_for_this_unit_now_opens_nothing(desk, signed, why):
    desk.sign(**signed)
    desk.ask()
    desk.look()
    desk.look()
    assert not desk.open
    ((phase, reason),) = desk.said
    assert (phase, why in reason) == ("refused", True)


def put(desk, content, name=f"support/{UNIT}.json"):
    """What the thief of the support key, or a mistake, would sign."""
    file = desk.fleet.place / "odd.json"
    file.write_bytes(content)
    desk.fleet.sign_unchecked("support", name, file)


def plain(**changes):
    now = datetime.now(UTC).replace(microsecond=0)
    good = support.SupportKey(UNIT, KEY, now - timedelta(minutes=1), now + timedelta(hours=4), "x", "y")
    return json.dumps(json.loads(support.encode(good)) | changes).encode()


@pytest.mark.parametrize(
    "content",
    [
        lambda: b"garbage",
        lambda: plain(until="2099-01-01T00:00:00Z"),
        lambda: plain(since="2020-01-01T00:00:00Z", until="2020-01-01T04:00:00Z"),
        lambda: plain(unit="om-0002"),
        lambda: plain(key=f'command="sh" {KEY}'),
        lambda: plain() + b" " * support.DOCUMENT_CAP,
    ],
    ids=["garbage", "too long", "over", "another unit", "options", "oversized"],
)
def test_a_signed_document_that_says_what_it_must_not_opens_nothing(desk, content):
    put(desk, content())
    desk.ask()
    desk.look()
    assert not desk.open
    assert [phase for phase, _ in desk.said] == ["refused"]


def test_the_unit_never_fetches_an_oversized_one(desk):
    put(desk, b" " * 1_000_000)
    desk.ask()
    desk.look()
    assert "larger than any support key" in desk.said[0][1]
    assert not [path for path, _ in desk.fleet.server.asked if "/targets/support/" in path]


def test_another_roles_key_signs_no_support_key(desk):
    """The online keys and both firmware keys together: the path belongs to one role."""
    file = desk.fleet.place / "x.json"
    file.write_bytes(plain())
    for role in ("firmware", "signatures"):
        desk.fleet.sign_unchecked(role, f"support/{UNIT}.json", file)
    desk.ask()
    desk.look()
    assert not desk.open
    assert "not in the repository" in desk.said[0][1]


def test_an_altered_document_and_wrong_signatures_open_nothing(desk):
    desk.sign()
    desk.ask()
    served = desk.fleet.served("targets/support/*.json")
    served.write_bytes(served.read_bytes().replace("佐藤".encode(), "鈴木".encode()))
    desk.look()
    assert desk.said[-1][1].startswith("hash:")
    metadata = desk.fleet.served("metadata/2.support.json")
    metadata.write_bytes(metadata.read_bytes().replace(b'"length":', b'"length": '))
    desk.ask(replace(CALL, id="beef"))
    desk.look()
    assert not desk.open
    assert [phase for phase, _ in desk.said] == ["refused", "refused"]


def test_an_older_state_of_the_repository_closes_what_is_open(desk, tmp_path):
    """Whoever serves the state before a withdrawal again is found out: the unit has seen a newer one."""
    desk.sign()
    old = tmp_path / "old"
    subprocess.run(["cp", "-a", str(desk.fleet.place / "www/tuf"), str(old)], check=True)
    signing.withdraw(desk.fleet.repository, UNIT, datetime.now(UTC))
    desk.fleet.publish()
    desk.ask()
    desk.look()
    www = desk.fleet.place / "www/tuf"
    www.rename(tmp_path / "new")
    old.rename(www)
    desk.ask(replace(CALL, id="beef"))
    desk.look()
    assert not desk.open
    assert desk.said[-1][1].startswith("rollback:")


def test_without_a_proven_time_nothing_opens_and_what_is_open_ends_unconfirmed(desk):
    desk.sign()
    desk.ask()
    desk.agreed = lambda _floor: None
    desk.look()
    assert not desk.open
    assert desk.said[0][1].startswith("clock:")


def test_a_wrong_clock_of_the_unit_brings_no_key_back(desk):
    """The documents' time is judged by the agreed time: two days on, the same document is over."""
    desk.sign(hours=1)
    desk.ask()
    desk.agreed = lambda _floor: datetime.now(UTC) + timedelta(hours=2)
    desk.look()
    assert not desk.open
    assert "over since" in desk.said[0][1]


def test_a_silent_fleet_keeps_what_is_open_unconfirmed_until_that_ends_it(desk):
    desk.sign()
    desk.ask()
    desk.look()
    desk.fleet.server.faults["timestamp"] = lambda handler: handler.send_error(503)
    desk.booted = 1200.0
    desk.look()
    assert grant.read(desk.paths.support_grant).confirmed == 0.0
    desk.booted = grant.CONFIRMED_FOR
    desk.look()
    assert not desk.open
    assert desk.said[-1] == ("closed", "not confirmed for 40 minutes")


def test_damaged_files_open_nothing(desk):
    desk.sign()
    desk.ask()
    desk.look()
    desk.paths.support_grant.write_bytes(b"{}")
    desk.look()
    assert [phase for phase, _ in desk.said][:2] == ["opened", "closed"]
    desk.unit.write("var/lib/omamori/agent/want.json", b"\xff")
    desk.look()
    assert not desk.open


def test_the_support_key_with_every_online_key_names_no_firmware_and_no_pack(desk):
    file = desk.fleet.place / "x"
    file.write_bytes(b"x" * 1000)
    desk.fleet.sign_unchecked("support", "firmware/test-2.0.0.bundle", file)
    desk.fleet.sign_unchecked("support", "signatures/2.0.0.pack", file)
    desk.unit.want(firmware="2.0.0", pack="2.0.0")
    assert not desk.unit.run()
    assert desk.unit.error.startswith("unpublished:")
    assert "2.0.0.pack is not in the repository" in "".join(desk.unit.log)
