"""What is kept on the data partition, by another firmware: an earlier one's is read after an update, a later one's after a fall-back.

`tests/golden/stored` has what each form looked like when it was first stored. A form that changes gets a new file with the
next number; the older files stay, and are read for ever.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from omamori.firmware.agent.identity import Identity
from omamori.firmware.agent.outbox import Outbox
from omamori.firmware.host import accesspoint, settings
from omamori.firmware.host.accesspoint import AccessPoint, Protection
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.sealing import Kept
from omamori.firmware.host.settings import Fixed, Proxy, Settings
from omamori.firmware.host.spool import SpoolReader, SpoolWriter
from omamori.firmware.lan import store
from omamori.firmware.lan.apart import ApartFile
from omamori.firmware.lan.inventory import Inventory
from omamori.firmware.lan.sighting import Port, dissect
from omamori.firmware.update import connection
from omamori.firmware.update.health import Before, Measured
from omamori.firmware.update.machine import ByHand, Journal
from omamori.firmware.update.report import Memory, Verdict
from omamori.protocol import messages as m
from omamori.protocol.fetching import Fetching
from omamori.protocol.ids import boot_id, mac, unit_id
from omamori.protocol.messages import Claim, Want, encode
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase
from tests.firmware.lan import frames

GOLDEN = Path(__file__).parents[1] / "golden/stored"
THEN = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
BOOT, UNIT = boot_id("ab" * 16), unit_id("om-0007")
OLD, NEW = Version(1, 0, 0), Version(1, 1, 0)
JOURNAL = Journal(
    UpdatePhase.FAILED,
    NEW,
    "bridge: says nothing",
    THEN,
    BOOT,
    fleet_reached=True,
    fetched=12_345,
    by_hand=ByHand(NEW, 7, OLD),
    rejected=NEW,
    time_floor=THEN,
    pack_pending=Version(2026, 11, 3),
    pack_previous=Version(2026, 11, 2),
    pack_rejected=Version(2026, 11, 1),
    pack_error="the self-test failed",
    restart="soft",
    unguarded=3.5,
    passed_over=BOOT,
)
BEFORE = Before(NEW, THEN, ordered=True, measured=Measured("passed", 0.002, 12))
VERDICT = Verdict(BOOT, NEW, "agent: is not connected", THEN, THEN + timedelta(seconds=9))
SETTINGS = Settings(
    Fixed(IPv4Interface("192.168.1.9/24"), IPv4Address("192.168.1.1"), (IPv4Address("192.168.1.1"),)),
    Proxy("proxy.example.jp", 8080),
)
ACCESS_POINT = AccessPoint("事務所", "correct horse battery", Protection.WPA3, 11)
APART = frozenset({frozenset({mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")})})
LOGS = (
    m.Log(THEN, "bridge", "warning", "検査なしで通過 0.2 s"),
    m.Log(THEN, "update", "info", "1.1.0 is staged"),
)


def _inventory() -> Inventory:
    found = Inventory()
    for number, data in enumerate(
        (
            frames.dhcp_client(frames.PC, 3, name="keiri-pc"),
            frames.arp(frames.PC, "192.168.1.10", "192.168.1.1"),
        )
    ):
        found.note(dissect(data, port=Port.LAN, time=frames.at(number)))
    return found


def _memory(paths: Paths) -> Memory:
    return Memory(paths, lambda: THEN)


def _kept(paths: Paths) -> Kept:
    return Kept(paths.state / "settings/access-point.json", None)


def _spooled(paths: Paths) -> None:
    writer = SpoolWriter(paths.spool("bridge"))
    for body in LOGS:
        writer.put(body)
    writer.close()


def _parted(paths: Paths) -> None:
    paths.want.parent.mkdir(parents=True, exist_ok=True)
    paths.want.write_bytes(encode(Want(1, apart=tuple(tuple(sorted(pair)) for pair in APART))))
    ApartFile(paths).look(frozenset())


@dataclass(frozen=True)
class Form:
    """One stored file: where it lies, who writes it, what is read from it."""

    place: str
    write: Callable[[Paths], object]
    read: Callable[[Paths], object]
    meant: object
    earlier: Mapping[int, object] = field(default_factory=dict)
    """What the golden files of these numbers mean, which lack something."""

    def meant_by(self, name: str) -> object:
        """By a golden file of this form."""
        return self.earlier.get(int(name.rpartition("-")[2].removesuffix(".json")), self.meant)


FORMS = {
    "journal": Form(
        "update/journal.json",
        lambda p: _memory(p).keep(JOURNAL),
        lambda p: _memory(p).journal(),
        JOURNAL,
        {1: replace(JOURNAL, by_hand=ByHand(NEW, 7))},
    ),
    "before": Form(
        "update/before.json",
        lambda p: _memory(p).keep_before(BEFORE),
        lambda p: _memory(p).before(NEW),
        BEFORE,
    ),
    "verdict": Form(
        "update/verdict.json",
        lambda p: _memory(p).keep_verdict(VERDICT),
        lambda p: _memory(p).verdict(),
        VERDICT,
    ),
    "fetching": Form(
        "update/fetching.json",
        lambda p: (p.update / "fetching.json").write_text('{"rate": 500000, "mirror": "http://nas"}'),
        connection.read_fetching,
        Fetching(500_000, "http://nas"),
    ),
    "fleet": Form(
        "agent/fleet.json",
        lambda p: Identity(p).introduce(Claim(UNIT, "secret", "https://fleet.example", "PEM")),
        connection.read_place,
        connection.FleetPlace("https://fleet.example", "/var/lib/omamori/agent/fleet-ca.pem"),
    ),
    "inventory": Form(
        "lan/inventory.json",
        lambda p: store.save(p.state / "lan/inventory.json", _inventory()),
        lambda p: store.encode(store.load(p.state / "lan/inventory.json")),
        store.encode(_inventory()),
    ),
    "apart": Form("lan/apart.json", _parted, lambda p: ApartFile(p).stored(), APART),
    "settings": Form(
        "settings/settings.json",
        lambda p: settings.store(p.settings, SETTINGS),
        lambda p: settings.load(p.settings),
        SETTINGS,
    ),
    "access-point": Form(
        "settings/access-point.json",
        lambda p: accesspoint.store(_kept(p), ACCESS_POINT),
        lambda p: accesspoint.load(_kept(p)),
        ACCESS_POINT,
    ),
    "spool": Form(
        "spool/bridge/0000000000000001.jsonl",
        _spooled,
        lambda p: tuple(
            body for segment in SpoolReader(p.spool("bridge")).segments() for body in segment.bodies
        ),
        LOGS,
    ),
}
STORED = sorted(path.name for path in GOLDEN.glob("*.json"))


def form_of(name: str) -> Form:
    return FORMS[re.fullmatch(r"(.+)-\d+\.json", name)[1]]


@pytest.fixture
def paths(tmp_path):
    for folder in ("update", "agent", "lan", "settings"):
        (tmp_path / "var/lib/omamori" / folder).mkdir(parents=True)
    return Paths(tmp_path)


def put(paths: Paths, form: Form, content: str) -> None:
    (paths.state / form.place).parent.mkdir(parents=True, exist_ok=True)
    (paths.state / form.place).write_text(content)


@pytest.mark.parametrize("name", STORED)
def test_what_any_firmware_so_far_stored_is_read(name, paths):
    form = form_of(name)
    put(paths, form, (GOLDEN / name).read_text())
    assert form.read(paths) == form.meant_by(name)


@pytest.mark.parametrize("name", STORED)
def test_what_a_later_firmware_adds_is_passed_over(name, paths):
    form = form_of(name)
    lines = [json.dumps(widened(json.loads(line))) for line in (GOLDEN / name).read_text().splitlines()]
    put(paths, form, "\n".join(lines) + "\n")
    assert form.read(paths) == form.meant_by(name)


def widened(value: object) -> object:
    if isinstance(value, dict):
        return {key: widened(inner) for key, inner in value.items()} | {"of 2031": "x"}
    return [widened(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", FORMS)
def test_what_is_stored_today_is_the_newest_golden_file(name, paths):
    form = FORMS[name]
    form.write(paths)
    newest = max(GOLDEN.glob(f"{name}-*.json"), key=lambda path: int(path.stem.rpartition("-")[2]))
    assert decoded(paths.state / form.place) == decoded(newest)


def decoded(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_golden_file_has_its_form():
    assert {name.rpartition("-")[0] for name in STORED} == set(FORMS)


# --- the outbox, a database ---------------------------------------------------------------------------------------

LATER = """
ALTER TABLE message ADD COLUMN urgency INTEGER NOT NULL DEFAULT 0;
CREATE TABLE of_2031 (x TEXT);
CREATE INDEX later ON message (urgency);
PRAGMA user_version = 9;
"""


def made(path: Path, *more: str) -> Path:
    with sqlite3.connect(path) as database:
        for script in ((GOLDEN / "outbox-1.sql").read_text(), *more):
            database.executescript(script)
    database.close()
    return path


@pytest.mark.parametrize("more", [(), (LATER,)], ids=["earlier", "later"])
def test_what_waited_in_the_outbox_of_another_firmware_is_sent_and_more_is_taken(tmp_path, more):
    box = Outbox(made(tmp_path / "outbox", *more), UNIT, boot_id("cd" * 16))
    waiting = [m.decode_up(letter.payload) for letter in box.after(0, 9)]
    assert [message.body for message in waiting] == list(LOGS)
    assert box.dropped == 3
    assert not box.take("bridge/0000000000000001.jsonl", LOGS)
    box.put(LOGS[0])
    assert box.confirm(BOOT, [1, 2]) == [1, 2]
    assert len(box) == 1
    box.close()
    assert not (tmp_path / "outbox.broken").exists()


def test_the_outbox_of_today_is_the_golden_one(tmp_path):
    Outbox(tmp_path / "outbox", UNIT, BOOT).close()
    assert schema(tmp_path / "outbox") == schema(made(tmp_path / "golden"))


def schema(path: Path) -> set[str]:
    with sqlite3.connect(path) as database:
        found = database.execute(
            "SELECT sql FROM sqlite_schema WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%'"
        )
        texts = {" ".join(text.split()) for (text,) in found}
    database.close()
    return texts
