"""Keys of images that are never sold: made once, though two builds begin at the same time, and made whole after a kill."""

import subprocess
import sys

import pytest

from omamori.image.build import development_keys
from omamori.image.state import State

PROGRAM = """
import sys
from pathlib import Path
from omamori.image import build, secureboot
from omamori.image.state import State
build.development_keys(State(Path(sys.argv[1])))
secureboot.development_keys(Path(sys.argv[1]) / "secure-boot")
"""


@pytest.fixture
def state(tmp_path):
    return State(tmp_path)


def public(key):
    return subprocess.run(
        ["ssh-keygen", "-y", "-f", key], capture_output=True, check=True, text=True
    ).stdout.split()[1]


def test_builds_that_begin_at_once_share_them(state):
    builds = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, state.root], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    said = [build.communicate(timeout=100)[1] for build in builds]
    assert [build.returncode for build in builds] == [0] * 4, said
    assert state.secrets.stat().st_mode & 0o777 == 0o700
    for name in ("id_ed25519", "host_ed25519"):
        assert (state.secrets / f"{name}.pub").read_text().split()[1] == public(state.secrets / name)
    for name in ("PK", "KEK", "db"):
        words = ("openssl", "x509", "-noout", "-pubkey", "-in", state.secure_boot / f"{name}.crt")
        certified = subprocess.run(words, capture_output=True, check=True).stdout
        words = ("openssl", "pkey", "-pubout", "-in", state.secure_boot / f"{name}.key")
        assert certified == subprocess.run(words, capture_output=True, check=True).stdout


def test_what_a_killed_build_left_half_is_made_anew(state):
    (state.secrets).mkdir()
    (state.secrets / "id_ed25519").write_text("half")
    folder = development_keys(state)
    assert (folder / "id_ed25519.pub").read_text().split()[1] == public(folder / "id_ed25519")
