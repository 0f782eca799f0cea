"""The initrd's first process: only the sealed command line starts the unit."""

import os
import subprocess

import pytest

from omamori.image.recipe import TEMPLATES

FIRST = TEMPLATES / "initrd/usr/lib/omamori/first"
SEALED = "roothash=00 quiet rdinit=/usr/lib/omamori/first --"


def started(tmp_path, line):
    """Whether systemd is started by this command line, and with which words."""
    for folder in ("proc", "usr/bin", "usr/lib/systemd", "usr/lib/omamori"):
        (tmp_path / folder).mkdir(parents=True)
    # The ports' driver hangs until systemd is there: were it waited for, that would never be.
    hangs = f"test -L {tmp_path}/usr/lib/omamori/kmod || exit; for turn in $(seq 3000); do [ -e {tmp_path}/systemd ] && echo bridged > {tmp_path}/bridge-ports && exit; /usr/bin/sleep 0.01; done"
    for program, does in (
        ("lib/systemd/systemd", f'echo "$# words" > {tmp_path}/systemd'),
        ("lib/omamori/bridge-ports", hangs),
        ("bin/mount", f'echo "$@" >> {tmp_path}/mounted'),
    ):
        script = tmp_path / "usr" / program
        script.write_text(f"#!/bin/sh\n{does}\n")
        script.chmod(0o755)
    sysrq = tmp_path / "proc/sysrq-trigger"
    (tmp_path / "proc/cmdline").write_text(line + "\n")
    (tmp_path / "usr/bin/sleep").symlink_to("/usr/bin/true")
    environment = {"PATH": f"{tmp_path}/usr/bin:{os.environ['PATH']}", "OMAMORI_ROOT": str(tmp_path)}
    # The kernel gives it what stands behind `--`.
    behind = line.partition(" -- ")[2].split()
    subprocess.run([FIRST, *behind], env=environment, capture_output=True, check=True, timeout=60)
    mounted = [line.split()[-1] for line in (tmp_path / "mounted").read_text().splitlines()]
    assert mounted == [f"{tmp_path}/proc", f"{tmp_path}/sys"]
    restarted = sysrq.exists() and sysrq.read_text() == "b\n"
    assert [(tmp_path / name).exists() for name in ("systemd", "bridge-ports")] == [not restarted] * 2
    return (tmp_path / "systemd").read_text() if not restarted else None


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
