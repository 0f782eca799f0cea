"""What `omamori image flash` leaves on the boot partition: the factory's order, and the claim."""

import json
import os
import subprocess

import pytest

from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Claim, decode, encode
from tests.image.disks import MIB, filled, finished, loop, run


@pytest.fixture
def image(tmp_path):
    return finished(tmp_path / "image")


@pytest.fixture
def bootable(image, tmp_path):
    """The image with a file system on its boot partition."""
    boot = tmp_path / "boot"
    boot.touch()
    os.truncate(boot, 4 * MIB)
    subprocess.run(["mformat", "-i", boot, "::"], check=True, capture_output=True)
    with (image / "disk.raw").open("r+b") as opened:
        opened.seek(MIB)
        opened.write(boot.read_bytes())
    return image


def left(backing, name):
    words = ["mtype", "-i", f"{backing}@@{MIB}", f"::/omamori/{name}"]
    return subprocess.run(words, capture_output=True, check=True).stdout


@pytest.mark.root
def test_the_factorys_order_lies_on_the_boot_partition(bootable, tmp_path):
    backing = filled(tmp_path / "disk", 24 * MIB)
    with loop(backing) as disk:
        done = run(bootable, disk, "--yes", "--self-test", "--without", "lamp")
    assert done.returncode == 0, done.stderr
    assert left(backing, "self-test") == b"--without lamp\n"
    assert "cannot be activated" in done.stdout


CLAIM = Claim(UnitId("om-0001"), "not-a-real-secret-of-anybody", "https://fleet.example:8443", "PEM")


@pytest.mark.root
def test_the_claim_lies_on_the_boot_partition_and_is_shown_nowhere(bootable, tmp_path):
    backing, file = filled(tmp_path / "disk", 24 * MIB), tmp_path / "claim.json"
    file.write_bytes(encode(CLAIM))
    with loop(backing) as disk:
        done = run(bootable, disk, "--yes", "--self-test", "--claim", file)
        again = run(bootable, disk, "--yes", "--claim", file, "--json")
    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    assert decode(Claim, left(backing, "claim")) == CLAIM
    assert "it is om-0001" in done.stdout
    assert json.loads(again.stdout)["claim"] == "om-0001"
    assert CLAIM.secret not in done.stdout + done.stderr + again.stdout + again.stderr


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"x" * 100_000, b'{"unit": "om-0001"}'])
def test_what_is_no_claim_is_refused_before_anything_is_written(image, tmp_path, content):
    file = tmp_path / "claim.json"
    file.write_bytes(content)
    done = run(image, tmp_path / "nothing", "--claim", file)
    assert (done.returncode, "this is no claim" in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--without", "lamp"], ["--self-test", "--without", "$(reboot)"]])
def test_only_a_check_of_the_test_is_left_out(image, tmp_path, words):
    done = run(image, tmp_path / "nothing", *words)
    assert done.returncode == 2
    assert "--without names one check" in done.stderr
