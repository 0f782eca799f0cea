"""A small root goes through the real stages twice, in caches of their own: the same bytes come out."""

import os
from dataclasses import replace

import pytest

from lab.appliance import omamori
from omamori.image.build import locks
from omamori.image.bundle import bundle_stage, name_of
from omamori.image.compare import compare
from omamori.image.disk import disk_stage
from omamori.image.errors import UnsafeRoot
from omamori.image.layers import Release
from omamori.image.packages import Store
from omamori.image.recipe import load
from omamori.image.rootfs import Sources, installed, tools_stage
from omamori.image.seal import root_stage, slots_stage
from omamori.image.secureboot import development_keys
from omamori.image.stages import Cache
from omamori.image.state import State
from omamori.protocol.version import Version

SMALL = replace(load("test"), required=[], disk={"size": "200M", "esp": "96M", "root": "32M", "hash": "8M"})
FILES = {"etc/shadow": "root:*:1::::::\n", "usr/lib/a.py": "print('a')\n", "usr/bin/tool": "#!/bin/sh\n"}


class Quiet:
    """Nobody watches."""

    def started(self, name):
        pass

    def ended(self, name, seconds, *, reused):
        pass


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return development_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def built(image, tmp_path, keys):
    """Builds all sealed artifacts of a small root; the folders' own names and times differ from build to build."""

    def build(side, files=FILES, order=sorted):
        place = tmp_path / side
        tools = Cache(State.of().cache, Quiet()).get(
            tools_stage(load("test"), Sources(Store(State.of().packages)))
        )
        base, layer, initrd = (place / name / "key" for name in ("base", "firmware", "initrd"))
        for name in order(files):
            target = base / "root" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(files[name])
            target.chmod(0o4755 if "bin" in name else 0o644)
            os.utime(target, (1767225600, 1767225600))
        (base / "root/boot").mkdir()
        (base / "root/boot/vmlinuz-6.12.0-small").write_bytes(image.kernel.read_bytes())
        for folder in (layer / "layer", initrd):
            folder.mkdir(parents=True)
        (layer / "layer/later").write_text("a time stamp after the recipe's")
        (initrd / "initrd").write_bytes(image.initrd.read_bytes())
        cache, release = (
            Cache(place / "cache", Quiet()),
            Release(SMALL, Version.parse("7.0.0"), secure_boot=keys),
        )
        root = cache.get(root_stage(base, (layer,), release.recipe, tools))
        slots = cache.get(slots_stage(base, root, initrd, release, tools))
        disk = cache.get(disk_stage(root, slots, release, tools)) / "disk.raw"
        bundle = cache.get(bundle_stage(root, slots, release)) / name_of(release)
        sealed = {name: root / name for name in ("root.squashfs", "root.verity", "roothash")}
        return {**sealed, "slot-a.efi": slots / "slot-a.efi", "disk.raw": disk, bundle.name: bundle}

    return build


def test_two_builds_are_the_same_bit_for_bit(built):
    first = built("first")
    assert compare(first, built("second", order=lambda files: sorted(files, reverse=True))) == []


def test_one_other_character_is_found_and_all_else_follows_from_it(built):
    found = compare(built("first"), built("second", {**FILES, "usr/lib/a.py": "print('b')\n"}))
    causes = {(one.artifact, one.part) for one in found if not one.follows}
    assert ("root.squashfs", "usr/lib/a.py") in causes
    assert {one.artifact for one in found} >= {"root.verity", "slot-a.efi", "disk.raw"}


def test_a_compiler_in_the_root_ends_the_build(built):
    with pytest.raises(UnsafeRoot, match="usr/bin/gcc-14"):
        built("first", {**FILES, "usr/bin/gcc-14": "x"})


def test_the_tools_are_installed_again_from_their_lock_without_a_mirror(image, tmp_path, monkeypatch):
    monkeypatch.setenv("OMAMORI_DEBIAN_MIRROR", f"file:{tmp_path}/none")
    monkeypatch.setenv("OMAMORI_DEBIAN_SECURITY_MIRROR", f"file:{tmp_path}/none")
    _, lock = locks(image.directory)
    sources = Sources(Store(State.of().packages), tools=lock)
    again = Cache(tmp_path / "cache", Quiet()).get(tools_stage(load("test"), sources))
    assert (again / "packages.lock").read_bytes() == (image.directory / "inputs/tools.lock").read_bytes()
    assert sorted(installed(again / "root")) == sorted(
        f"{one.name} {one.version} {one.architecture}" for one in lock.packages
    )


@pytest.mark.timeout(900)
def test_the_image_that_all_these_tests_look_at_is_built_again_bit_for_bit(image):
    """The whole of it, by the command; omamori() raises where anything differs."""
    said = omamori("image", "verify", "--against", image.directory)
    assert said.rstrip().endswith("the same, bit for bit")
    assert image.bundle.name in said
