"""A migrated SQLite file for each test, made by copying one; Django is set up once, on a temporary state directory."""

import atexit
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings

_PLACE = Path(tempfile.mkdtemp(prefix="fleet-tests-"))
atexit.register(shutil.rmtree, _PLACE, ignore_errors=True)

# Test modules import models, so Django must be ready before they are collected; the environment is left as it was.
with pytest.MonkeyPatch.context() as patch:
    patch.setenv("OMAMORI_STATE", str(_PLACE))
    patch.setenv("DJANGO_SETTINGS_MODULE", "omamori.fleet.settings")
    from omamori.fleet.cli import set_up
    from omamori.fleet.state import FleetState

    FleetState.from_environment().create()
    set_up()

# A password hash made to be slow would be most of the time these tests take.
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
BOOT = "0123456789abcdef" * 2


@pytest.fixture(scope="session")
def state() -> Path:
    """What `OMAMORI_STATE` names for the processes of these tests; the engineer's own is none of theirs."""
    return _PLACE


@pytest.fixture(scope="session")
def template() -> Path:
    """A migrated database that nothing writes to."""
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return FleetState(_PLACE / "fleet").database


@pytest.fixture
def database(template, tmp_path):
    """A database of this test's own, which the connections of all threads use."""
    path = tmp_path / "fleet.sqlite3"
    shutil.copyfile(template, path)
    yield from _using(path)


@pytest.fixture
def use_database():
    """For tests of real servers: `use_database(path)` points this process at their database."""
    open_ones = []

    def use(path):
        generator = _using(path)
        next(generator)
        open_ones.append(generator)

    yield use
    for generator in open_ones:
        next(generator, None)


def _using(path):
    from django.db import connections

    before = connections.settings["default"]["NAME"]
    connections.close_all()
    connections.settings["default"]["NAME"] = connections["default"].settings_dict["NAME"] = str(path)
    try:
        yield path
    finally:
        connections.close_all()
        connections.settings["default"]["NAME"] = connections["default"].settings_dict["NAME"] = before


@dataclass
class Fleet:
    """An operator with two resellers, each with a customer and a site, and what tests add."""

    operator: object
    sites: list = field(default_factory=list)
    now: datetime = NOW
    boot: str = BOOT

    def unit(self, key="om-0001", site=0, *, activated=True):
        from omamori.fleet.accounts.actor import System
        from omamori.fleet.units import operations
        from omamori.fleet.units.models import Unit

        operations.register(System(), key, self.sites[site], secret=f"secret-of-{key}-long-enough")
        if activated:
            Unit.objects.filter(pk=key).update(activated=NOW, serial="abc123")
        return Unit.objects.get(pk=key)

    def member(self, level="operator", site=0):
        from omamori.fleet.accounts.actor import Level, Member

        customer = self.sites[site].customer
        tenants = {"operator": self.operator.pk, "reseller": customer.reseller_id, "customer": customer.pk}
        return Member(f"someone-{level}", Level(level), tenants[level])

    def user(self, name, level="operator", site=0):
        from omamori.fleet.accounts import operations
        from omamori.fleet.accounts.actor import System

        actor = self.member(level, site)
        return operations.add_user(
            System(), name, "correct horse battery", operations.Belonging(actor.level, actor.tenant)
        )

    def detection(self, sequence=1, unit="om-0001", boot=BOOT, **changes):
        from omamori.protocol.ids import DetectionId
        from omamori.protocol.messages import Detection, Endpoint, Upward
        from omamori.protocol.vocabulary import Action, Direction, Guard, Severity

        values = {
            "id": DetectionId(f"1586334621-{sequence}"),
            "time": NOW,
            "guard": Guard.IPS,
            "direction": Direction.OUTBOUND,
            "severity": Severity.THREE,
            "signature_id": "1:2010001",
            "signature": "JSIG-RAT GHOST-Activity-9",
            "action": Action.BLOCKED,
            "reason": "rule 2010001",
            "protocol": "tcp",
            "source": Endpoint("192.168.1.20", 50000),
            "destination": Endpoint("203.0.113.9", 443),
        }
        return Upward(unit, boot, sequence, Detection(**(values | changes)))

    def state(self, sequence=1, unit="om-0001", boot=BOOT, **changes):
        from omamori.protocol.messages import BridgeState, State, UpdateState, Upward
        from omamori.protocol.version import Version
        from omamori.protocol.vocabulary import UpdatePhase

        values = {
            "time": NOW,
            "firmware": Version.parse("1.0.0"),
            "slot": "a",
            "pack": Version.parse("2026.11.1"),
            "generation": 1,
            "update": UpdateState(UpdatePhase.IDLE),
            "bridge": BridgeState(workers=2),
            "uptime": 60.0,
            "booted_healthy": True,
        }
        return Upward(unit, boot, sequence, State(**(values | changes)))

    def hosts(self, *hosts, sequence=1, unit="om-0001", boot=BOOT):
        from omamori.protocol.messages import Hosts, Upward

        return Upward(unit, boot, sequence, Hosts(NOW, hosts))

    def host(self, mac="02:00:00:00:00:01", *held, name="", seen=timedelta(0)):
        from omamori.protocol.messages import Host, HostAddress
        from omamori.protocol.vocabulary import Side

        leases = tuple(HostAddress(address, first, last) for address, first, last in held)
        return Host(mac, Side.BEHIND, NOW, NOW + seen, leases, name, "dhcp" if name else "")


@pytest.fixture
def fleet(database):  # noqa: ARG001 - it is there
    """A fleet with tenants in a database of its own."""
    from omamori.fleet.accounts import operations
    from omamori.fleet.accounts.actor import System

    operator = operations.ensure_operator("Operator")
    sites = [
        operations.add_site(System(), reseller=f"Reseller {n}", customer=f"Customer {n}", site=f"Site {n}")
        for n in ("A", "B")
    ]
    return Fleet(operator, sites)
