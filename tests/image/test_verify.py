"""`omamori image verify`: whose keys sign the second build, and what the exit code tells a script."""

from dataclasses import replace
from pathlib import Path

import pytest

from omamori.image.build import Image
from omamori.image.compare import Difference
from omamori.image.errors import EvidenceError
from omamori.image.parts import SIGNATURE
from omamori.image.secureboot import development_keys
from omamori.image.stages import hash_of
from omamori.image.state import State
from omamori.image.verify import Outcome, release_of

REPORT = {"variant": "product", "version": "1.2.3", "broken": None}


@pytest.fixture
def keys(tmp_path):
    """A release engineer's, which are not this machine's."""
    return development_keys(tmp_path / "release")


@pytest.fixture
def signed(keys, tmp_path):
    nothing = Path("x")
    report = {**REPORT, "inputs": {"secure_boot": hash_of(keys / "db.crt")}}
    return Image(tmp_path, nothing, nothing, nothing, nothing, "", report)


@pytest.fixture
def state(tmp_path):
    state = State(tmp_path / "state")
    development_keys(state.secure_boot)
    return state


def test_keys_that_were_named_sign_the_second_build(signed, keys, state):
    assert release_of(signed, state, keys).secure_boot == keys


def test_without_them_nothing_is_signed_again(signed, state):
    assert release_of(signed, state).secure_boot is None


def test_this_machines_sign_where_the_image_was_signed_by_them(signed, state):
    ours = replace(
        signed, report={**REPORT, "inputs": {"secure_boot": hash_of(state.secure_boot / "db.crt")}}
    )
    assert release_of(ours, state).secure_boot == state.secure_boot


def test_other_keys_than_the_images_are_refused(signed, state):
    with pytest.raises(EvidenceError, match="not signed with the keys in"):
        release_of(signed, state, state.secure_boot)


def outcome(*parts):
    return Outcome({}, [Difference("slot-a.efi", part, "x", follows=False) for part in parts], [])


@pytest.mark.parametrize(
    ("found", "code"),
    [(outcome(), 0), (outcome(SIGNATURE), 3), (outcome(SIGNATURE, ".linux"), 1), (outcome(".linux"), 1)],
)
def test_a_script_can_tell_a_missing_key_from_another_image(found, code):
    assert found.exit_code == code
