"""`omamori image` as an engineer types it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from omamori.image.packages import Lock, Package

OMAMORI = Path(sys.executable).with_name("omamori")


def omamori(*words, state, prefix=()):
    return subprocess.run(
        [*prefix, OMAMORI, "image", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "OMAMORI_STATE": str(state)},
    )


def test_the_variants_are_listed(tmp_path):
    done = omamori("variants", state=tmp_path)
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.splitlines()} == {
        "arm64",
        "emulated",
        "product",
        "radio",
        "test",
    }


def test_a_dry_run_builds_nothing(tmp_path):
    done = omamori("build", "--variant", "product", "--dry-run", "--version", "2.0.0", state=tmp_path)
    assert done.returncode == 0
    assert "product 2.0.0" in done.stdout
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["build", "--variant", "nonsense"], 1, "product, radio, test"),
        (["build", "--version", "1.0"], 1, "not a version"),
        (["build", "--break", "everything"], 2, "blind, engine, panic"),
        (["show", "--version", "9.9.9"], 1, "omamori image build"),
        (["build", "--trust", "/nowhere"], 2, "/nowhere"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, words, code, hint):
    done = omamori(*words, state=tmp_path)
    assert done.returncode == code
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.root
def test_a_full_disk_is_refused_before_the_build(tmp_path):
    """A file system of 20 MiB of its own, gone with the process."""
    script = 'mount -t tmpfs -o size=20m none "$1"; OMAMORI_STATE="$1/state" exec "$2" image build --variant product'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", tmp_path, OMAMORI],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "GiB free" in done.stderr
    assert "OMAMORI_STATE" in done.stderr


def finished(place, tools):
    """The directory of an image that was put together with these tools (name, version), as far as a comparison reads it."""
    files = {name: name for name in ("disk", "bundle", "kernel", "initrd")}
    (place / "inputs").mkdir(parents=True)
    for name in files:
        (place / name).write_bytes(b"the same")
    lock = Lock(tuple(Package(*tool, "amd64", 1, "5" * 64, "debian", "pool/a.deb") for tool in tools))
    (place / "inputs/tools.lock").write_text(lock.text())
    inputs = {"tools": hashlib.sha256(repr(tools).encode()).hexdigest()}
    (place / "manifest.json").write_text(json.dumps({"files": files, "inputs": inputs, "command_line": ""}))
    return place


def test_images_made_with_other_tools_say_which(tmp_path):
    ours = finished(tmp_path / "ours", [("gcc-14", "14.2.0-19"), ("zstd", "1.5.7")])
    theirs = finished(tmp_path / "theirs", [("gcc-14", "14.2.0-20"), ("zstd", "1.5.7")])
    done = omamori("verify", "--against", ours, "--rebuilt", theirs, state=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tools: gcc-14:amd64 14.2.0-19 against 14.2.0-20" in done.stdout
    assert "zstd" not in done.stdout
    assert "the same, bit for bit" in done.stdout


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (None, "not measured here yet"),
        (
            '{"time": "2026-11-23T08:00:00+00:00", "version": "12.0.0", "figures": {"forwarding": 10.9}}',
            "10.9  (budget 3)",
        ),
        ('{"figures"', "not measured here yet"),
    ],
)
def test_an_image_is_shown_with_what_a_running_unit_showed_last(tmp_path, kept, said):
    place = tmp_path / "images/test-1.0.0"
    place.mkdir(parents=True)
    report = {
        "command_line": "",
        "figures": {"packages": 150},
        "budgets": {"packages": 200},
        "files": dict.fromkeys(("disk", "bundle", "kernel", "initrd"), "x"),
    }
    (place / "manifest.json").write_text(json.dumps(report))
    if kept:
        (tmp_path / "measured.json").write_text(kept)
    done = omamori("show", state=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "150  (budget 200)" in done.stdout
    assert said in done.stdout


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"files": {}}', '{"files": 3}'])
def test_a_damaged_manifest_is_said_to_be_one(tmp_path, content):
    place = tmp_path / "images/test-1.0.0"
    place.mkdir(parents=True)
    (place / "manifest.json").write_text(content)
    done = omamori("show", state=tmp_path)
    assert (done.returncode, "build the image again" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def test_a_state_that_cannot_be_written_is_said_in_one_line(tmp_path):
    (tmp_path / "state").write_text("a file")
    done = omamori("build", state=tmp_path / "state")
    assert (done.returncode, "set OMAMORI_STATE elsewhere" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
