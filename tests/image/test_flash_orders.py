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


@pytest.mark.root
@pytest.mark.parametrize("order", ["claim", "self-test"])
def test_a_disk_with_a_claim_or_an_order_is_compared_but_for_its_boot_partition(bootable, tmp_path, order):
    backing, file = filled(tmp_path / "disk", 24 * MIB), tmp_path / "claim.json"
    file.write_bytes(encode(CLAIM))
    with loop(backing) as disk:
        fresh = run(bootable, disk, "--yes", "--json")
        before = run(bootable, disk, "--check", "--json")
        words = ["--claim", file] if order == "claim" else ["--self-test"]
        assert run(bootable, disk, "--yes", *words).returncode == 0
        done = run(bootable, disk, "--check")
        after = run(bootable, disk, "--check", "--json")
    assert (done.returncode, after.returncode) == (0, 0), done.stderr + after.stderr
    assert "a claim or an order was left on the boot partition, which was not compared" in done.stdout
    found = [json.loads(each.stdout) for each in (fresh, before, after)]
    assert len({each["sha256"] for each in found}) == 1
    assert [each["not_compared"] for each in found[1:]] == [[], ["esp"]]


@pytest.mark.root
@pytest.mark.parametrize(
    ("words", "place", "told"),
    [
        ((), 3 * MIB, "disk.raw: esp"),
        (("--self-test",), 7 * MIB, "disk.raw: esp, root-a"),
        (("--self-test",), 14 * MIB, "disk.raw: esp, root-b"),
    ],
)
def test_whatever_else_differs_is_told_by_its_partition(bootable, tmp_path, words, place, told):
    """Also the boot partition, where nothing was left on it."""
    backing = filled(tmp_path / "disk", 24 * MIB)
    with loop(backing) as disk:
        assert run(bootable, disk, "--yes", *words).returncode == 0
    with backing.open("r+b") as opened:
        opened.seek(place)
        opened.write(b"\x01")
    with loop(backing) as disk:
        done = run(bootable, disk, "--check")
    assert (done.returncode, f"does not hold what is in {told}\n" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize("words", [["--self-test"], ["--claim"]])
def test_a_check_compares_the_image_alone(image, tmp_path, words):
    """It would tell of a claim that it never read."""
    (tmp_path / "claim.json").write_bytes(encode(CLAIM))
    file = [tmp_path / "claim.json"] if words == ["--claim"] else []
    done = run(image, tmp_path / "nothing", "--check", *words, *file)
    assert done.returncode == 2
    assert "--check compares the image alone" in done.stderr


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
