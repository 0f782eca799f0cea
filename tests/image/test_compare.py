"""Two builds compared: the same is the same, and what differs is named."""

import os
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.image import bundle
from omamori.image.compare import compare
from omamori.image.errors import EvidenceError
from omamori.image.layers import Release
from omamori.image.parts import partitions, sections
from omamori.image.recipe import load
from omamori.image.stages import hash_of
from omamori.image.trees import differences
from omamori.protocol import bundle as contract
from omamori.protocol.version import Version


def kernel_image(parts, signature=b""):
    """A PE file with these sections, enough of it for a reader."""
    optional = bytearray(112 + 16 * 8)
    struct.pack_into("<H", optional, 0, 0x20B)
    struct.pack_into("<I", optional, 60, 1024)
    struct.pack_into("<I", optional, 108, 16)
    body = b"".join(parts.values())
    if signature:
        struct.pack_into("<II", optional, 112 + 32, 1024 + len(body), len(signature))
    header = b"MZ" + bytes(0x3A) + struct.pack("<I", 0x40) + b"PE\0\0"
    header += struct.pack("<HHIIIHH", 0x8664, len(parts), 0, 0, 0, len(optional), 0) + bytes(optional)
    place = 1024
    for name, data in parts.items():
        header += struct.pack("<8sIIII16x", name.encode(), len(data), place, len(data), place)
        place += len(data)
    return header.ljust(1024, b"\0") + body + signature


def planted(tmp_path, side, change=None, line=b"root=a ro"):
    """Finished files of one build: a small sealed root in a bundle, and a kernel image."""
    root = tmp_path / side / "root"
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/lib/module.py").write_text("print('same')\n")
    (root / "usr/lib/other").write_text("x")
    if change:
        change(root / "usr/lib/module.py")
    for path in (root, *root.rglob("*")):
        if not (change and path.name == "module.py"):
            os.utime(path, (1767225600, 1767225600))
    place = tmp_path / side / "made"
    place.mkdir()
    subprocess.run(
        ["mksquashfs", root, place / "root.squashfs", "-noappend", "-quiet", "-no-progress", "-all-root"],
        check=True,
        capture_output=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
    )
    (place / "root.verity").write_text(hash_of(place / "root.squashfs"))
    for slot in ("slot-a.efi", "slot-b.efi"):
        (place / slot).write_bytes(kernel_image({".cmdline": line, ".linux": b"kernel"}))
    (place / "loader.efi").write_bytes(kernel_image({".text": b"loader"}))
    files = {name: place / name for name in contract.MEMBERS}
    bundle.write(place / "test-1.0.0.bundle", files, Release(load("test"), Version.parse("1.0.0")))
    return {"test-1.0.0.bundle": place / "test-1.0.0.bundle", "slot-a.efi": place / "slot-a.efi"}


def touch_later(path):
    os.utime(path, (1767225600, 1700000000))


def rewrite(path):
    path.write_text("print('else')\n")
    os.utime(path, (1767225600, 1767225600))


def test_a_root_built_twice_is_the_same(tmp_path):
    assert compare(planted(tmp_path, "1"), planted(tmp_path, "2")) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (rewrite, "content"),
        (touch_later, "time stamp 2026-01-01 00:00:00 against 2023-11-14 22:13:20"),
        (lambda path: path.chmod(0o700) or os.utime(path, (1767225600, 1767225600)), "mode 644 against 700"),
        (lambda path: path.unlink(), "is in the first build only"),
    ],
)
def test_a_planted_difference_is_explained_first_and_what_follows_from_it_says_so(tmp_path, change, told):
    first, second = planted(tmp_path, "1"), planted(tmp_path, "2", change)
    found = compare(first, second)
    causes = [one for one in found if not one.follows]
    assert (causes[0].artifact, causes[0].part) == ("root.squashfs", "usr/lib/module.py")
    assert told in causes[0].what
    assert {one.artifact for one in found if one.follows} >= {"root.verity", "manifest.json"}


def test_another_command_line_is_told_in_words(tmp_path):
    first, second = planted(tmp_path, "1"), planted(tmp_path, "2", line=b"root=a rw")
    found = [str(one) for one in compare(first, second)]
    assert "slot-a.efi: .cmdline: 'ro' against 'rw'" in found


def test_a_missing_artifact_is_told(tmp_path):
    first = planted(tmp_path, "1")
    found = compare(first, {})
    assert {one.artifact for one in found} == set(first)


def test_a_signature_is_a_part_of_its_own():
    parts = {".text": b"1234"}
    plain, signed = sections(kernel_image(parts)), sections(kernel_image(parts, b"signed"))
    assert signed.pop("signature") == b"signed"
    assert signed == plain


def test_owner_links_and_kinds_are_seen(tmp_path):
    for side, target in (("1", "a"), ("2", "b")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "link").symlink_to(target)
        os.utime(tmp_path / side / "link", (1, 1), follow_symlinks=False)
    (tmp_path / "1/x").mkdir()
    (tmp_path / "2/x").write_text("")
    told = dict(differences(tmp_path / "1", tmp_path / "2"))
    assert told["link"] == "link to a against b"
    assert "kind 'd' against '-'" in told["x"]


@settings(max_examples=150)
@given(st.binary(max_size=600), st.integers(0, 1100))
def test_any_kernel_image_is_read_or_refused(noise, place):
    data = bytearray(kernel_image({".cmdline": b"ro", ".linux": b"kernel"}))
    data[place : place + len(noise)] = noise
    for image in (bytes(data), noise):
        try:
            sections(image)
        except EvidenceError:
            continue


@settings(max_examples=50)
@given(st.binary(max_size=3000))
def test_any_disk_is_read_or_refused(tmp_path_factory, noise):
    disk = tmp_path_factory.mktemp("disk") / "disk.raw"
    disk.write_bytes(bytes(512) + b"EFI PART" + noise)
    try:
        partitions(disk)
    except EvidenceError:
        return
