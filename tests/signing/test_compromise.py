"""What a thief of keys can do and what not: every command tried with the stolen keys alone, and judged as a unit would.

The thief has everything that is published, and those keys. What the commands refuse a thief could still write by hand;
that units refuse what is not signed by enough keys is `tests/firmware/update/test_hostile_server.py`.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.signing.conftest import Desk

ONLINE = ("signatures-1", "snapshot-1", "timestamp-1")


def firmware(thief: Desk) -> tuple[object, ...]:
    return thief.firmware("9.0.0")


def pack(thief: Desk) -> tuple[object, ...]:
    return ("add-pack", thief.pack("9.0.0"))


def withdraw(_thief: Desk) -> tuple[object, ...]:
    return ("pack", "withdraw", "1.2.3", "--reason", "a thief says so")


def renew(role: str) -> Callable[[Desk], tuple[object, ...]]:
    return lambda _thief: ("renew", role)


def rotate(role: str) -> Callable[[Desk], tuple[object, ...]]:
    return lambda _thief: ("rotate", role)


ACTS: dict[str, Callable[[Desk], tuple[object, ...]]] = {
    "name firmware": firmware,
    "name a pack": pack,
    "withdraw a pack": withdraw,
    "hold the present state": renew("snapshot"),
    "say who signs firmware": rotate("firmware"),
    "say who signs packs": rotate("signatures"),
    "change the root": rotate("root"),
    "change the online keys": rotate("timestamp"),
}
RELEASE_MACHINE = {"name a pack", "withdraw a pack", "hold the present state"}
DELEGATIONS = {"say who signs firmware", "say who signs packs"}
STOLEN: dict[tuple[str, ...], set[str]] = {
    ("root-1",): set(),
    ("root-1", *ONLINE): RELEASE_MACHINE,
    ("targets-1",): set(),
    ("targets-1", *ONLINE): RELEASE_MACHINE,
    ("firmware-1",): set(),
    ("firmware-1", *ONLINE): RELEASE_MACHINE,
    ("firmware-1", "firmware-2"): set(),
    ("signatures-1",): set(),
    ("snapshot-1",): set(),
    ("timestamp-1",): set(),
    ("snapshot-1", "timestamp-1"): {"hold the present state"},
    ONLINE: RELEASE_MACHINE,
    ("firmware-1", "firmware-2", *ONLINE): RELEASE_MACHINE | {"name firmware"},
    ("targets-1", "targets-2"): set(),
    ("targets-1", "targets-2", *ONLINE): RELEASE_MACHINE | DELEGATIONS,
    ("root-1", "root-2"): set(),
    ("root-1", "root-2", "snapshot-1", "timestamp-1"): {
        "change the root",
        "change the online keys",
        "hold the present state",
    },
}
"""Stolen keys of the production policy -> all that they allow."""


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Desk:
    """A repository of the production policy with one pack in it."""
    made = Desk(tmp_path_factory.mktemp("original"))
    made.signed("init", "--policy", "production")
    made.signed("add-pack", made.pack())
    return made


def steal(original: Desk, place: Path, keys: tuple[str, ...]) -> Desk:
    """Everything but the keys that were not stolen."""
    shutil.copytree(original.repository, place / "tuf")
    for path in (place / "tuf/keys").iterdir():
        if path.stem not in keys:
            path.unlink()
    assert len(list((place / "tuf/keys").iterdir())) == len(keys)
    return Desk(place)


@pytest.mark.parametrize("keys", STOLEN, ids=" ".join)
def test_stolen_keys_allow_this_and_nothing_else(original, tmp_path, keys):
    done = set()
    for number, (act, words) in enumerate(ACTS.items()):
        place = tmp_path / str(number)
        place.mkdir()
        thief = steal(original, place, keys)
        result = thief.sign(*words(thief))
        assert result.exit_code in {0, 1}, result.output
        assert result.exit_code == 0 or "of its keys are here" in result.output
        done |= {act} if result.exit_code == 0 else set()
    assert done == STOLEN[keys]


def test_a_taken_over_release_machine_is_left_behind_by_new_keys(original, tmp_path):
    """Its three keys are exchanged with the offline ones; what the thief signed counts no longer."""
    owner = steal(
        original, tmp_path / "owner", tuple(path.stem for path in (original.repository / "keys").iterdir())
    )
    thief = steal(original, tmp_path / "thief", ONLINE)
    thief.signed("add-pack", thief.pack("6.6.6", b"a thief's"))
    owner.signed("rotate", "signatures", "snapshot", "timestamp")
    owner.signed("publish", "--to", tmp_path / "www")
    later = thief.sign("publish", "--to", tmp_path / "www")
    assert later.exit_code == 1
    assert "holds another repository" in later.output or "holds a newer state" in later.output
    targets = owner.signed("status")["targets"]
    assert {each["version"] for each in targets} == {"1.2.3"}


def test_what_a_thief_signed_is_in_the_audit_or_betrays_itself(original, tmp_path):
    """A pack that was named aside has no line in the history that the owner keeps."""
    thief = steal(original, tmp_path / "thief", ONLINE)
    thief.signed("add-pack", thief.pack("6.6.6", b"a thief's"))
    thief.signed("publish", "--to", tmp_path / "www")
    shutil.copy(original.repository / "audit.jsonl", tmp_path / "www/audit.jsonl")
    result = thief.sign("audit", tmp_path / "www")
    assert result.exit_code == 3
    assert "PROBLEM" in result.output
