"""`omamori image flash` as an engineer types it, on loop devices."""

import contextlib
import hashlib
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.image import flash
from omamori.image.errors import EvidenceError, FlashFailed
from omamori.image.parts import partitions, prove_both_tables
from omamori.image.target import examine, refusals
from tests.image.disks import (
    MIB,
    OMAMORI,
    TABLE,
    dumped,
    filled,
    finished,
    loop,
    partitions_of,
    run,
    table_of,
)


@pytest.fixture
def image(tmp_path):
    return finished(tmp_path / "image")


@pytest.mark.root
def test_the_disk_holds_the_image_and_its_second_table_lies_at_its_own_end(image, tmp_path):
    backing = filled(tmp_path / "disk", 33 * MIB)
    with loop(backing) as disk:
        done = run(image, disk, "--yes", "--json")
        assert done.returncode == 0, done.stderr
        checked = run(image, disk, "--check", "--json")
        assert checked.returncode == 0, checked.stderr
    source, written = (path.read_bytes() for path in (image / "disk.raw", backing))
    body = slice(MIB, 15 * MIB)
    assert written[body] == source[body]
    report = json.loads(done.stdout)
    assert (
        report["sha256"] == hashlib.sha256(source[body]).hexdigest() == json.loads(checked.stdout)["sha256"]
    )
    assert (report["done"], report["version"], report["device"]["size"]) == ("written", "1.2.3", 33 * MIB)
    assert table_of(backing) == table_of(image / "disk.raw")
    assert written[-512:-504] == b"EFI PART"
    assert dumped(backing)["lastlba"] > 33 * MIB // 512 - 2048
    assert written[16 * MIB : 17 * MIB] == b"\xa5" * MIB


@pytest.mark.root
def test_a_used_disks_data_is_overwritten_where_asked(image, tmp_path):
    backing = filled(tmp_path / "disk", 24 * MIB)
    with loop(backing) as disk:
        assert run(image, disk, "--yes", "--erase").returncode == 0
    assert not any(backing.read_bytes()[15 * MIB : 23 * MIB])


@pytest.mark.root
def test_the_name_is_asked_for_and_what_follows_is_said(image, tmp_path):
    backing = filled(tmp_path / "disk", 24 * MIB)
    with loop(backing) as disk:
        for typed in ("", f"{disk}x\n"):
            refused = run(image, disk, typed=typed)
            assert refused.returncode == 1, typed
            assert "Traceback" not in refused.stderr
            assert f"Type {disk.name}" in refused.stderr
        assert backing.read_bytes() == b"\xa5" * (24 * MIB)
        done = run(image, disk, typed=f"{disk.name}\n")
    assert done.returncode == 0, done.stderr
    assert "self-test --factory" in done.stdout
    assert "All of it will be lost" in done.stderr


@pytest.mark.root
def test_a_dry_run_says_what_is_there_and_writes_nothing(image, tmp_path):
    backing = tmp_path / "disk"
    shutil.copyfile(image / "disk.raw", backing)
    os.truncate(backing, 22 * MIB)
    before = backing.read_bytes()
    with loop(backing) as disk, partitions_of(disk):
        done = run(image, disk, "--dry-run")
        table = json.loads(run(image, disk, "--dry-run", "--json").stdout)
    assert done.returncode == 0, done.stderr
    assert "product 1.2.3" in done.stderr
    found = [(part["name"], part["size"]) for part in table["device"]["partitions"]]
    assert found == [(f"{disk.name}p{n}", size * MIB) for n, size in ((1, 4), (2, 8), (3, 2))]
    assert f"has {disk.name}p2" in done.stderr
    assert backing.read_bytes() == before


@pytest.mark.root
@pytest.mark.parametrize(
    ("size", "options", "told"),
    [
        (19 * MIB, [], "the image needs 20,971,520"),
        (24 * MIB, ["--read-only"], "write-protected"),
        (24 * MIB, ["--sector-size", "4096"], "sectors have 4096 bytes"),
    ],
)
def test_a_disk_that_cannot_take_it_is_refused(image, tmp_path, size, options, told):
    backing = filled(tmp_path / "disk", size)
    with loop(backing, *options) as disk:
        done = run(image, disk, "--yes")
    assert done.returncode == 1
    assert told in done.stderr
    assert backing.read_bytes() == b"\xa5" * size


@pytest.mark.root
@pytest.mark.parametrize(
    ("place", "told"), [('"$2"', "is mounted at"), ("/boot", "this machine runs from it")]
)
def test_a_mounted_disk_is_refused(image, tmp_path, place, told):
    """The mount lives in a namespace of its own, gone with the command."""
    backing = tmp_path / "disk"
    backing.touch()
    os.truncate(backing, 24 * MIB)
    subprocess.run(["mkfs.ext4", "-q", backing], check=True)
    script = f'mkdir -p "$2"; mount "$1" {place}; shift 2; exec "$@"'
    with loop(backing) as disk:
        inside = ["unshare", "--mount", "sh", "-c", script, "sh", disk, tmp_path / "a place"]
        before = backing.read_bytes()[:MIB]
        done = run(image, disk, "--yes", prefix=inside)
    assert done.returncode == 1
    assert told in done.stderr, done.stderr
    assert backing.read_bytes()[1024:1024] == before[1024:1024]
    assert subprocess.run(["blkid", "-p", backing], capture_output=True, check=False).returncode == 0


@pytest.mark.root
def test_one_that_somebody_else_uses_is_refused(image, tmp_path):
    """As a mount in another namespace, swap and volumes do: the kernel lends a disk once."""
    backing = filled(tmp_path / "disk", 24 * MIB)
    with loop(backing) as disk:
        held = os.open(disk, os.O_RDONLY | os.O_EXCL)
        try:
            for words in (["--yes"], ["--dry-run"]):
                done = run(image, disk, *words)
                assert done.returncode == 1
                assert "something uses it" in done.stderr
        finally:
            os.close(held)
    assert backing.read_bytes() == b"\xa5" * (24 * MIB)


@pytest.mark.root
def test_a_partition_is_no_disk(image, tmp_path):
    with loop(image / "disk.raw") as disk, partitions_of(disk):
        number = Path(f"/sys/class/block/{disk.name}p2/dev").read_text().split(":")
        node = tmp_path / "node"
        os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(*map(int, number)))
        done = run(image, node, "--yes")
    assert done.returncode == 1
    assert f"whole disk {disk}" in done.stderr


@pytest.mark.parametrize("what", ["file", "folder", "nothing", "null"])
def test_what_is_no_disk_is_refused(image, tmp_path, what):
    (tmp_path / "file").write_bytes(b"kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to("/dev/null")
    done = run(image, tmp_path / what, "--yes")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (tmp_path / "file").read_bytes() == b"kept"


@pytest.mark.root
def test_a_disk_that_stops_taking_anything_has_no_table(image, tmp_path):
    """It lies on a file system of 3 MiB, gone with the command; the image does not fit."""
    script = """set -e
mount -t tmpfs -o size=3m none "$1"; truncate -s 24M "$1/disk"
dd if="$2/disk.raw" of="$1/disk" bs=1M count=1 conv=notrunc 2>&1
disk=$(losetup --find --show "$1/disk")
trap 'losetup --detach "$disk"' EXIT
code=0; "$3" image flash "$disk" --image "$2" --yes || code=$?
if blkid -p "$disk"; then echo "a table is left"; exit 3; fi
exit "$code"
"""
    place = tmp_path / "small"
    place.mkdir()
    words = ["unshare", "--mount", "sh", "-c", script, "sh", place, image, OMAMORI]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "nothing starts from it" in done.stderr


@pytest.mark.root
def test_a_disk_that_does_not_give_back_what_was_written_has_no_table(image, tmp_path):
    backing = filled(tmp_path / "disk", 24 * MIB)
    layout = flash.layout(image / "disk.raw")
    done = 0

    def spoil(length):
        """A bit turns once all is written, before it is read back."""
        nonlocal done
        done += length
        if done == layout.length:
            with backing.open("r+b") as opened:
                opened.seek(6 * MIB)
                byte = opened.read(1)
                opened.seek(6 * MIB)
                opened.write(bytes([byte[0] ^ 4]))

    with loop(backing) as disk:
        target = examine(disk)
        with flash.lent(target, writing=True) as device, pytest.raises(FlashFailed, match="give back"):
            flash.write(layout, target, device, spoil, erase=False)
    written = backing.read_bytes()
    assert not any(written[:MIB])
    assert b"EFI PART" not in written[-MIB:]


@pytest.mark.root
def test_a_table_that_cannot_be_finished_is_taken_away_again(image, tmp_path):
    tool = tmp_path / "bin/sfdisk"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\n[ "$1" = --version ] || { echo no luck >&2; exit 1; }\n')
    tool.chmod(0o755)
    backing = filled(tmp_path / "disk", 24 * MIB)
    with loop(backing) as disk:
        done = run(image, disk, "--yes", prefix=["env", f"PATH={tool.parent}:{os.environ['PATH']}"])
    assert done.returncode == 1
    assert "no luck" in done.stderr
    assert not any(backing.read_bytes()[:MIB])


@pytest.mark.root
@pytest.mark.parametrize(
    ("place", "told"),
    [
        (7 * MIB, "does not hold"),
        (1024 + 56, "the partition table is not whole"),
        (24 * MIB - 512 + 16, "the second partition table"),
    ],
)
def test_a_changed_disk_is_told_from_a_fresh_one(image, tmp_path, place, told):
    backing = filled(tmp_path / "disk", 24 * MIB)
    with loop(backing) as disk:
        assert run(image, disk, "--yes").returncode == 0
    with backing.open("r+b") as opened:
        opened.seek(place)
        opened.write(b"\x01")
    with loop(backing) as disk:
        done = run(image, disk, "--check")
    assert done.returncode == 1
    assert told in done.stderr


@pytest.mark.root
def test_a_disk_with_other_partitions_is_told(image, tmp_path):
    backing = filled(tmp_path / "disk", 24 * MIB)
    subprocess.run(["sfdisk", "--quiet", backing], input=TABLE, text=True, check=True)
    with loop(backing) as disk:
        done = run(image, disk, "--check")
    assert done.returncode == 1
    assert "other partitions" in done.stderr


@pytest.mark.parametrize("content", [b"", b"\0" * MIB])
def test_an_image_without_a_table_is_refused(tmp_path, content):
    (tmp_path / "disk.raw").write_bytes(content)
    with pytest.raises(EvidenceError):
        flash.layout(tmp_path / "disk.raw")


def test_an_image_that_is_cut_off_is_refused(image):
    os.truncate(image / "disk.raw", 14 * MIB)
    with pytest.raises(FlashFailed, match="partitions from"):
        flash.layout(image / "disk.raw")


@settings(max_examples=100)
@given(
    st.binary(max_size=64),
    st.lists(st.tuples(st.integers(0, 2**16), st.binary(min_size=1, max_size=8)), max_size=6),
)
def test_any_table_is_read_or_refused(tmp_path_factory, start, changes):
    disk = tmp_path_factory.mktemp("any") / "disk"
    content = bytearray(b"\0" * 512 + b"EFI PART" + start + b"\0" * 2**16)
    for at, change in changes:
        content[at : at + len(change)] = change
    disk.write_bytes(content)
    for read in (partitions, lambda path: prove_both_tables(path, len(content) // 512 * 512)):
        with contextlib.suppress(EvidenceError):
            read(disk)


@pytest.mark.root
@settings(max_examples=100)
@given(st.text(alphabet=st.sampled_from("0123456789: -/\\x\n\0é"), max_size=200))
def test_any_table_of_mounts_is_read(tmp_path_factory, fuzz_disk, text):
    root = tmp_path_factory.mktemp("root")
    (root / "proc/self").mkdir(parents=True)
    (root / "sys").symlink_to("/sys")
    (root / "proc/self/mountinfo").write_text(text)
    assert list(refusals(examine(fuzz_disk, root), 4096)) == []


@pytest.fixture(scope="module")
def fuzz_disk(tmp_path_factory):
    with loop(filled(tmp_path_factory.mktemp("fuzz") / "disk", MIB)) as disk:
        yield disk
