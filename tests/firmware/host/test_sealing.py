"""Secrets on the data partition and the TPM: a real systemd-creds and swtpm."""

import contextlib
import os
from dataclasses import replace

import pytest

from omamori.firmware.host.paths import Paths
from omamori.firmware.host.sealing import Kept, SealFailed, Tpm, Unopenable, erase, tpm_of
from tests.chips import chip

SECRET = b"-----BEGIN PRIVATE KEY-----\nwhat nobody else may read\n"


@pytest.fixture(scope="module")
def tpm(tmp_path_factory):
    return chip(tmp_path_factory.mktemp("chip") / "state")


@pytest.fixture
def kept(tpm, tmp_path):
    """Sealed, once it had lain there plain."""
    kept = Kept(tmp_path / "key", tpm)
    kept.plain.write_bytes(SECRET)
    assert kept.settle()
    return kept


def test_what_is_sealed_cannot_be_read_and_opens_again(kept, tmp_path):
    assert [path.name for path in tmp_path.iterdir()] == ["key.sealed"]
    assert b"nobody else" not in kept.sealed.read_bytes()
    assert kept.sealed.stat().st_mode & 0o777 == 0o600
    assert kept.opened(kept.sealed) == SECRET
    assert not kept.settle()


def test_another_chip_does_not_open_it(kept, tmp_path):
    with pytest.raises(Unopenable):
        Kept(kept.plain, chip(tmp_path / "other")).opened(kept.sealed)
    with pytest.raises(Unopenable, match="no TPM"):
        Kept(kept.plain, None).opened(kept.sealed)
    assert kept.opened(kept.sealed) == SECRET


@pytest.mark.parametrize("register", [7, 12], ids=["other keys", "other words for the kernel"])
def test_on_a_machine_that_was_started_otherwise_it_does_not_open(kept, tpm, register):
    with pytest.raises(Unopenable):
        Kept(kept.plain, replace(tpm, measured=register)).opened(kept.sealed)
    assert kept.opened(kept.sealed) == SECRET


def test_one_that_was_put_in_anothers_place_does_not_open(kept, tpm, tmp_path):
    with pytest.raises(Unopenable):
        Kept(tmp_path / "passphrase", tpm).opened(kept.sealed)


PASSWORD = "8002 0000001f 00000129 4000000a 00000009 40000009 0000 01 0000 0002 6f6f"
"""TPM2_HierarchyChangeAuth: somebody had this machine before, and locked its TPM's lockout hierarchy."""


@pytest.mark.parametrize("mine", [True, False])
def test_a_chip_whose_power_goes_without_a_word_is_not_taken_for_one_that_guesses(mine, tmp_path):
    tpm = chip(tmp_path / "chip")
    if not mine:
        tpm.say(PASSWORD)
    kept = Kept(tmp_path / "key", replace(tpm, orderly=False))
    kept.plain.write_bytes(SECRET)
    opened = []
    with contextlib.suppress(Unopenable, SealFailed):
        kept.settle()
        while len(opened) < 8:
            opened.append(kept.opened(kept.sealed))
    assert opened == [SECRET] * 8 if mine else len(opened) < 8


@pytest.mark.parametrize(
    "spoil", [lambda _: b"", lambda _: os.urandom(200), lambda b: b[:-40], lambda b: b * 999]
)
def test_a_damaged_one_is_said_to_be_one(kept, spoil):
    kept.sealed.write_bytes(spoil(kept.sealed.read_bytes()))
    with pytest.raises((Unopenable, OSError)):
        kept.opened(kept.sealed)


@pytest.mark.parametrize("there", [False, True])
def test_without_a_chip_or_with_one_that_fails_it_stays_plain(tmp_path, there):
    paths = Paths(tmp_path)
    assert tpm_of(paths) is None
    kept = Kept(tmp_path / "key", Tpm(f"swtpm:path={tmp_path / 'nobody'}") if there else None)
    kept.plain.write_bytes(SECRET)
    with pytest.raises(SealFailed):
        kept.settle()
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert kept.plain.read_bytes() == SECRET


def test_what_is_erased_is_overwritten_too(tmp_path):
    path, other = tmp_path / "key", tmp_path / "held"
    path.write_bytes(SECRET)
    other.hardlink_to(path)
    erase(path)
    assert not path.exists()
    assert other.read_bytes() == bytes(len(SECRET))
    erase(path)
