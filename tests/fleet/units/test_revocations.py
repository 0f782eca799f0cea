"""The broker's list of revoked certificates is always there, and never shrinks because something cannot be read or written."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from django.db import DatabaseError

from omamori.fleet.accounts.actor import System
from omamori.fleet.broker.authority import open_authority
from omamori.fleet.units import operations, queries
from omamori.fleet.units.models import Unit
from omamori.fleet.units.revocations import Revocations


@pytest.fixture
def revocations(fleet, tmp_path):
    fleet.unit()
    Unit.objects.update(serial="1f2e3d", activated=datetime.now(UTC))
    return Revocations(
        open_authority(tmp_path / "ca", now=datetime.now(UTC)), tmp_path / "broker/revoked.pem"
    )


def listed(revocations):
    found = x509.load_pem_x509_crl(revocations.file.read_bytes())
    return [f"{each.serial_number:x}" for each in found]


def unreadable(monkeypatch):
    def fails():
        raise DatabaseError("no such table: units_revoked")

    monkeypatch.setattr(queries, "revoked", fails)


def test_it_follows_what_is_revoked_and_is_written_only_then(revocations):
    assert revocations.keep_up()
    assert listed(revocations) == []
    assert not revocations.keep_up()
    operations.readmit(System(), "om-0001")
    assert revocations.keep_up()
    assert listed(revocations) == ["1f2e3d"]
    operations.readmit(System(), "om-0001")
    assert not revocations.keep_up()


def test_a_database_that_cannot_be_read_takes_nobody_off(revocations, monkeypatch, tmp_path, caplog):
    operations.renew_claim(System(), "om-0001")
    revocations.keep_up()
    unreadable(monkeypatch)
    anew = Revocations(open_authority(tmp_path / "ca"), revocations.file)
    for _ in range(3):
        assert not anew.keep_up()
    assert listed(anew) == ["1f2e3d"]
    assert len(caplog.records) == 1


def test_there_is_a_list_even_then(revocations, monkeypatch):
    unreadable(monkeypatch)
    assert not revocations.keep_up()
    assert listed(revocations) == []


def test_a_disk_that_does_not_take_it_leaves_the_old_one_and_is_tried_again(revocations):
    revocations.keep_up()
    operations.readmit(System(), "om-0001")
    folder = revocations.file.parent
    away = folder.rename(folder.with_name("away"))
    folder.write_text("no folder")
    with pytest.raises(OSError, match="broker"):
        revocations.keep_up()
    folder.unlink()
    away.rename(folder)
    assert revocations.keep_up()
    assert listed(revocations) == ["1f2e3d"]
