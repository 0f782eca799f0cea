"""Processors that images are made for: what is named differently, that it is named in one place, and programs of another one."""

import re
import subprocess

import pytest

from omamori.image import architecture, foreign
from omamori.image.errors import BuildHostError, RecipeError
from omamori.image.layers import PROJECT
from omamori.image.recipe import RECIPES, files, load, variants

PLACE = "omamori/image/architecture.py"
NAMES = re.compile(
    r"amd64|arm64|x86[_-]64|aarch64|aa64|BOOTX64|bootx64|linuxx64|ttyS0|ttyAMA0|q35|OVMF_|AAVMF_|ssse3|linux-gnu"
)
OF_ONE_VARIANT = {"omamori/image/recipes/arm64.toml"}
CHOSEN = re.compile(r'architecture = "\w+"|\[arm64\]')
"""A recipe says which, and its budgets go by its name."""


def test_arm64_is_the_test_variant_with_other_names():
    arm, test = load("arm64"), load("test")
    assert arm.kernel == "linux-image-cloud-arm64"
    assert test.kernel == "linux-image-cloud-amd64"
    assert set(arm.packages) ^ set(test.packages) == {arm.kernel, test.kernel}
    assert "console=ttyAMA0" in arm.command_line
    assert "modules_load=sha2_ce" in arm.command_line
    assert "sha2_ce" in arm.initrd["drivers"]
    assert "serial-getty@ttyAMA0.service" in arm.mask
    assert [
        name for name in arm.initrd["drivers"] + arm.command_line + arm.mask if re.search("ssse3|ttyS0", name)
    ] == []


def test_what_amd64_images_are_made_from_is_as_it_was():
    test, product = load("test"), load("product")
    assert {"console=ttyS0", "modules_load=sha256_ssse3"} <= set(test.command_line)
    assert "sha256_ssse3" in test.initrd["drivers"]
    assert product.kernel == "linux-image-amd64"
    assert {"usr/lib/x86_64-linux-gnu/perl*", "usr/lib/x86_64-linux-gnu/libapt-pkg*"} <= set(
        product.squash_exclude
    )
    assert {load(name).architecture for name in variants() if name != "arm64"} == {"amd64"}


@pytest.mark.parametrize(
    ("name", "stub", "loader", "first", "root"),
    [
        ("amd64", "linuxx64.efi.stub", "systemd-bootx64.efi", "/EFI/BOOT/BOOTX64.EFI", "root-x86-64"),
        ("arm64", "linuxaa64.efi.stub", "systemd-bootaa64.efi", "/EFI/BOOT/BOOTAA64.EFI", "root-arm64"),
    ],
)
def test_boot_files_and_partitions_are_named_as_firmware_and_systemd_name_them(
    name, stub, loader, first, root
):
    known = architecture.of(name)
    assert known.stub.rpartition("/")[2] == stub
    assert known.boot_loader.rpartition("/")[2] == loader
    assert known.loader_copies == (f"/EFI/systemd/{loader}", first)
    assert known.partition_types == {"root": root, "hash": f"{root}-verity"}
    assert known.platforms[0] == f"manylinux_2_34_{known.machine}"
    assert known.platforms[-1] == f"manylinux2014_{known.machine}"


def test_a_recipe_is_read_from_all_that_it_extends():
    assert [path.stem for path in files("arm64")] == ["common", "test", "arm64"]
    assert [path.stem for path in files("product")] == ["common", "product"]


def test_an_architecture_that_nobody_described_is_refused_with_those_there_are():
    with pytest.raises(RecipeError, match="no architecture 'riscv64'; there are: amd64, arm64"):
        architecture.of("riscv64")


@pytest.mark.parametrize("name", ["colour", "", "debian.upper", "__class__"])
def test_a_name_that_says_nothing_is_refused(tmp_path, name):
    for path in RECIPES.glob("*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "odd.toml").write_text(f'extends = "test"\ndescription = "of {{{name}}}"\n')
    with pytest.raises(
        RecipeError, match="differs between architectures: debian, multiarch, console, sha256"
    ):
        load("odd", tmp_path)


def test_a_recipe_names_its_architecture_as_debian_does(tmp_path):
    for path in RECIPES.glob("*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "odd.toml").write_text('extends = "test"\narchitecture = "aarch64"\n')
    with pytest.raises(RecipeError, match="no architecture 'aarch64'"):
        load("odd", tmp_path)


def test_only_one_place_names_processors():
    listed = subprocess.run(
        ["git", "ls-files", "omamori/image", "lab"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert PLACE in listed
    others = [name for name in listed if name != PLACE and name not in OF_ONE_VARIANT]
    found = {
        f"{name}: {line.strip()[:100]}"
        for name in others
        for line in (PROJECT / name).read_text(errors="replace").splitlines()
        if NAMES.search(line) and "Mozilla/" not in line and not CHOSEN.fullmatch(line)
    }
    assert found == set()


def test_the_kernel_is_told_what_debian_tells_it(tmp_path):
    """The bytes are those of Debian's own entry for QEMU (qemu-user-static 7.2, /usr/lib/binfmt.d/qemu-aarch64.conf)."""
    said = foreign.registration(architecture.of("arm64"), tmp_path / "qemu").decode()
    assert said == (
        r":qemu-aarch64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
        r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
        f":{tmp_path}/qemu:FP"
    )


def test_a_machines_own_programs_need_nothing(tmp_path):
    foreign.ready(architecture.here(), tmp_path, binfmt=tmp_path / "nothing")
    assert architecture.here().tools == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.root
@pytest.mark.parametrize("refuses", [True, False])
def test_a_kernel_that_runs_no_foreign_programs_is_told_with_what_it_needs(tmp_path, refuses):
    other = next(each for each in (architecture.of("amd64"), architecture.of("arm64")) if each.foreign)
    register = tmp_path / "binfmt/register"
    register.mkdir(parents=True) if refuses else register.parent.mkdir() or register.write_bytes(b"")
    (tmp_path / "tools/root").mkdir(parents=True)
    told = "the kernel takes no interpreter.*binfmt_misc" if refuses else "do not run here"
    with pytest.raises(BuildHostError, match=told):
        foreign.ready(other, tmp_path / "tools", binfmt=register.parent)


def test_another_kind_of_machine_makes_no_images():
    with pytest.raises(BuildHostError, match="not made on riscv64; on: x86_64, aarch64"):
        architecture.here("riscv64")


def test_only_foreign_packages_are_unpacked_by_a_program_brought_along(tmp_path):
    other = next(each for each in (architecture.of("amd64"), architecture.of("arm64")) if each.foreign)
    assert foreign.quicker(architecture.here(), tmp_path) == []
    brought, gone, _ = foreign.quicker(other, tmp_path)
    for hook in (brought, gone):
        subprocess.run(["sh", "-n", "-c", hook.partition("=")[2]], check=True)
    assert str(tmp_path / "root/usr/bin/dpkg-deb") in brought
