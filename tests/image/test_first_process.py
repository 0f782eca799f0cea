"""The initrd's first process: only the sealed command line starts the unit."""

import os
import subprocess

import pytest

from omamori.image.recipe import TEMPLATES

FIRST = TEMPLATES / "initrd/usr/lib/omamori/first"
SEALED = "roothash=00 quiet rdinit=/usr/lib/omamori/first --"


def started(tmp_path, line):
    """Whether systemd is started by this command line, and with which words."""
    for folder in ("proc", "bin", "usr/lib/systemd"):
        (tmp_path / folder).mkdir(parents=True)
    systemd, sysrq = tmp_path / "usr/lib/systemd/systemd", tmp_path / "proc/sysrq-trigger"
    systemd.write_text(f'#!/bin/sh\necho "$# words" > {tmp_path}/started\n')
    systemd.chmod(0o755)
    (tmp_path / "proc/cmdline").write_text(line + "\n")
    (tmp_path / "bin/sleep").symlink_to("/usr/bin/true")
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "OMAMORI_ROOT": str(tmp_path)}
    # The kernel gives it what stands behind `--`.
    behind = line.partition(" -- ")[2].split()
    subprocess.run([FIRST, *behind], env=environment, capture_output=True, check=True)
    restarted = sysrq.exists() and sysrq.read_text() == "b\n"
    assert restarted is not (tmp_path / "started").exists()
    return (tmp_path / "started").read_text() if not restarted else None


@pytest.mark.parametrize("end", ["", " "])
def test_by_the_sealed_one_systemd_starts(tmp_path, end):
    assert started(tmp_path, SEALED + end) == "0 words\n"


@pytest.mark.parametrize(
    "more",
    [
        "systemd.unit=rescue.target",
        "rdinit=/bin/sh",
        "x --",
        "-- --",
        "--",
        "--crash-shell",
        "\\",
        "*",
        '"" --',
        "\t--",
        "\nsystemd.run=sh",
        "\n\n x",
        "\r",
    ],
)
def test_by_any_word_more_the_machine_starts_again(tmp_path, more):
    assert started(tmp_path, f"{SEALED} {more}") is None


@pytest.mark.parametrize(
    "line", ["", "roothash=00 quiet", "roothash=00 --quiet", "roothash=00 --quiet --", "-- roothash=00 --"]
)
def test_one_that_does_not_end_as_ours_is_none(tmp_path, line):
    assert started(tmp_path, line) is None
