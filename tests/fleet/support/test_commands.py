"""The whole way by the commands of both desks: a key signed and published, asked for, judged by a unit, entered, and closed."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import override_settings

from omamori.firmware.host import grant
from omamori.firmware.host.spool import SpoolReader
from omamori.firmware.update.connection import connect
from omamori.firmware.update.support import Keeper, Outside
from omamori.fleet.ingest.operations import store
from omamori.fleet.state import FleetState
from omamori.fleet.support.operations import call_for
from omamori.fleet.units.models import Unit
from omamori.protocol.messages import Upward, Want, encode
from tests.firmware.support.rooms import BOOT, UID, UNIT, Room, room_of, until
from tests.fleet.surfaces.conftest import free_port, run

pytestmark = pytest.mark.root


@dataclass
class Desk:
    """The state directory of fleet and release engineer, as the room of the unit sees it."""

    state: Path
    port: int
    ticket: str = ""
    pipe: str = ""

    @property
    def ca(self) -> str:
        return (self.state / "fleet/ca/root.pem").read_text()

    def sign(self, *words: object) -> None:
        environment = {"OMAMORI_STATE": str(self.state), "PATH": os.environ["PATH"]}
        subprocess.run(
            [sys.executable, "-m", "omamori", "sign", *map(str, words)],
            env=environment,
            check=True,
            capture_output=True,
            timeout=120,
        )

    def fleet(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        return run(self.state, "support", *words, check=check)

    @contextlib.contextmanager
    def relay(self):
        environment = {"OMAMORI_STATE": str(self.state), "PATH": os.environ["PATH"]}
        process = subprocess.Popen([sys.executable, "-m", "omamori.fleet", "support-relay"], env=environment)
        try:
            until((self.state / "fleet/support.sock").exists)
            yield
        finally:
            process.terminate()
            process.wait(60)
        assert process.returncode == 0
        assert not (self.state / "fleet/support.sock").exists()


@pytest.fixture
def desk(tmp_path, template):
    (tmp_path / "fleet").mkdir(mode=0o700)
    shutil.copyfile(template, tmp_path / "fleet/fleet.sqlite3")
    made = Desk(tmp_path, free_port())
    run(tmp_path, "init", "--password", "correct horse battery", f"--set=support_bind=127.0.0.1:{made.port}")
    run(tmp_path, "units", "register", UNIT)
    made.sign("init")
    made.sign("support", "enable")
    return made


class Judge:
    """The unit's judge of keys, with the repository on disk and what it says brought to the fleet."""

    def __init__(self, room: Room, desk: Desk) -> None:
        self.room, self.desk, self.sequence = room, desk, 0
        room._write("usr/lib/omamori/root.json", (desk.state / "tuf/metadata/root.json").read_bytes())
        room._write("var/lib/omamori/agent/ca.pem", desk.ca.encode())
        place = {"url": "https://127.0.0.1", "ca": "/var/lib/omamori/agent/ca.pem"}
        room._write("var/lib/omamori/agent/fleet.json", json.dumps(place).encode())

    def look(self) -> None:
        """Fetch what is wanted, judge, report."""
        state = FleetState(self.desk.state / "fleet")
        with override_settings(FLEET=state.settings({}), SECRET_KEY=state.secret("django")):
            asked = call_for(Unit.objects.get(pk=UNIT), now=datetime.now(UTC))
        self.room._write("var/lib/omamori/agent/want.json", encode(Want(1, support=asked)))
        paths = self.room.paths
        outside = Outside(
            trust=lambda: connect(paths, origin=str(self.desk.state / "tuf"), folder=paths.support_state),
            agreed=lambda _floor: datetime.now(UTC),
            since_boot=grant.since_boot,
        )
        Keeper(paths, UNIT, outside).look()
        if paths.support_grant.exists():
            os.chown(paths.support_grant, UID, UID)
        self.report()

    def report(self) -> None:
        reader = SpoolReader(self.room.paths.spool("support"))
        for segment in reader.segments():
            for body in segment.bodies:
                self.sequence += 1
                store([Upward(UNIT, BOOT, self.sequence, body)])
            reader.remove(segment)


def test_a_helper_is_let_in_by_both_desks_and_leaves_a_record(desk, use_database):
    use_database(desk.state / "fleet/fleet.sqlite3")
    with (
        tempfile.TemporaryDirectory(prefix="omamori-support-") as folder,
        room_of(Path(folder), desk) as room,
    ):
        judge = Judge(room, desk)
        assert "no support key for om-0001" in desk.fleet("open", UNIT, check=False).stderr
        words = ("--who", "佐藤", "--why", "通信が遅い")
        desk.sign("support", "add", UNIT, "--key", f"{room.key}.pub", *words)
        asked = json.loads(desk.fleet("open", UNIT, "--json").stdout)
        assert (asked["who"], asked["why"]) == ("佐藤", "通信が遅い")
        assert "is not open" in desk.fleet("known-hosts", UNIT, check=False).stderr
        judge.look()
        assert desk.fleet("known-hosts", UNIT).stdout.startswith("om-0001 ssh-ed25519 ")
        with desk.relay():
            process = room.start()
            entered = enter(desk, room)
            assert entered.stdout == f"{UID}\n", entered.stderr + room.log()
            desk.fleet("close", UNIT)
            judge.look()
            assert process.wait(60) == 0
            assert "does not wait" in desk.fleet("pipe", UNIT, check=False).stderr
        judge.report()
        (row,) = json.loads(desk.fleet("list", UNIT, "--json").stdout)
        assert (row["who"], row["sessions"], row["reason"]) == ("佐藤", 1, "the fleet asks no longer")
        assert row["closed"]
        assert "nobody is asked" in enter(desk, room).stderr


def enter(desk, room):
    """As soon as the unit waits at the relay."""
    done = []

    def tried() -> bool:
        done[:] = [desk.fleet("connect", UNIT, "--key", str(room.key), "--", "id", "-u", check=False)]
        return "does not wait" not in done[0].stderr

    until(tried, room.log)
    return done[0]
