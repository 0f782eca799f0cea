"""The pure parts of a build: mirrors, budgets, templates, command lines, bundles."""

import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from omamori.image import budgets, bundle, mirror
from omamori.image.build import Image
from omamori.image.errors import BudgetExceeded, BuildHostError, RecipeError, ToolFailed
from omamori.image.layers import Release, render
from omamori.image.programs import Chroot, Overlay
from omamori.image.recipe import TEMPLATES, load, variants
from omamori.image.seal import command_line
from omamori.image.state import State
from omamori.protocol import bundle as contract
from omamori.protocol.version import Version


@pytest.fixture
def release():
    return Release(load("test"), Version.parse("1.2.3"))


def test_the_mirror_is_the_machines_own(tmp_path):
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "debian.sources").write_text(
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: x\n\nURIs: http://mirror.example/debian-security\n"
    )
    (folder / "other.list").write_text("deb [signed-by=/k] https://elsewhere.example/tool stable main\n")
    assert mirror.mirrors({}, tmp_path) == (
        "http://mirror.example/debian",
        "http://mirror.example/debian-security",
    )
    assert (
        mirror.mirrors({"OMAMORI_DEBIAN_MIRROR": "http://near/debian"}, tmp_path)[0] == "http://near/debian"
    )


def test_without_a_mirror_the_error_says_what_to_set(tmp_path):
    with pytest.raises(BuildHostError, match="OMAMORI_DEBIAN_MIRROR"):
        mirror.mirrors({}, tmp_path)


@settings(max_examples=50)
@given(st.text())
def test_any_sources_file_is_read_without_a_crash(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("apt") / "sources.list.d"
    folder.mkdir()
    (folder / "x.sources").write_text(text, "utf-8", "replace")
    (folder / "y.list").write_text(text, "utf-8", "replace")
    found = mirror.mirrors({"OMAMORI_DEBIAN_MIRROR": "http://near/debian"}, folder.parent)
    assert found[0] == "http://near/debian"


def test_a_figure_over_its_budget_is_named():
    budgets.check("test", {"squashfs_mib": 1})
    with pytest.raises(BudgetExceeded, match="squashfs_mib 9999"):
        budgets.check("test", {"squashfs_mib": 9999})


@pytest.mark.parametrize("variant", variants())
def test_each_variant_has_a_budget(variant):
    with pytest.raises(BudgetExceeded, match="bundle_mib 9999"):
        budgets.check(variant, {"bundle_mib": 9999})


def test_one_without_a_budget_is_refused():
    with pytest.raises(RecipeError, match=r"budgets.toml has no section 'odd'"):
        budgets.check("odd", {})


def test_what_tests_boot_in_the_products_place_costs_no_more_than_it():
    assert budgets.limits("emulated") == budgets.limits("product")


@pytest.mark.parametrize("name", budgets.limits("running"))
def test_a_figure_of_a_running_unit_is_missed_over_its_budget_and_not_at_it(name):
    allowed = budgets.limits("running")
    assert budgets.exceeded(allowed, {name: allowed[name]}) == []
    assert budgets.exceeded(allowed, {name: allowed[name] + 0.01}) == [name]
    assert budgets.exceeded(allowed, {}) == [], "what was not measured is not judged"


def test_an_undefined_name_in_a_template_is_an_error(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.j2").write_text("{{ nothing }}")
    with pytest.raises(UndefinedError):
        render(tmp_path / "in", tmp_path / "out", {})


def test_the_shipped_templates_render(tmp_path, release):
    values = {
        "version": "1.2.3",
        "variant": "test",
        "ports": release.recipe.ports,
        "patience": 60,
        "ssh_public_key": "ssh-ed25519 AAAA",
    }
    for folder in release.recipe.templates:
        render(TEMPLATES / folder, tmp_path, values)
    assert "IMAGE_VERSION=1.2.3\n" in (tmp_path / "usr/lib/os-release").read_text()
    assert "Path=pci-0000:00:04.0" in (tmp_path / "etc/systemd/network/10-wan0.link").read_text()
    assert (tmp_path / "usr/lib/omamori/ports-ready").stat().st_mode & 0o100


def test_each_slot_starts_from_its_own_partitions(release):
    lines = {slot: command_line(release, "f" * 64, slot) for slot in ("a", "b")}
    for slot, line in lines.items():
        assert f"systemd.verity_root_data=PARTLABEL=root-{slot} " in line
        assert f"systemd.verity_root_hash=PARTLABEL=hash-{slot} " in line
        assert line.startswith("roothash=" + "f" * 64)


def test_broken_firmware_differs_from_whole_in_its_damage_only(release):
    panic = Release(release.recipe, release.version, "panic")
    whole, broken = (set(command_line(each, "f" * 64, "a").split()) for each in (release, panic))
    assert broken - whole == {"init=/usr/bin/false"}
    assert whole < broken


def test_a_bundle_is_the_same_twice_and_a_unit_can_read_it(tmp_path, release):
    files = {}
    for name in contract.MEMBERS:
        files[name] = tmp_path / name
        files[name].write_bytes(name.encode() * 100)
    for target in ("one", "two"):
        bundle.write(tmp_path / target, files, release)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with tarfile.open(tmp_path / "one") as tar:
        assert tar.getnames() == [contract.MANIFEST, *contract.MEMBERS]
        first = tar.extractfile(contract.MANIFEST)
        assert first
        manifest = contract.decode(first.read())
    assert (manifest.variant, str(manifest.version), manifest.tries) == ("test", "1.2.3", 1)
    assert manifest.file(contract.ROOT).size == (tmp_path / contract.ROOT).stat().st_size


def test_broken_images_have_a_place_of_their_own(tmp_path):
    state = State.of({"OMAMORI_STATE": str(tmp_path)})
    version = Version.parse("1.0.1")
    assert state.image("test", version) != state.image("test", version, broken="panic")


@pytest.mark.root
def test_a_chroot_writes_into_its_upper_layer_only(tmp_path):
    base, upper = tmp_path / "base", tmp_path / "upper"
    for folder in (base / "usr", base / "dev", base / "proc", base / "tmp", upper):
        folder.mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (base / name).symlink_to(f"usr/{name}")
    inside = Chroot(Overlay(base, upper=upper), binds={"/usr": Path("/usr")})
    assert inside.run(["sh", "-c", "echo new > /file; echo done"]) == "done\n"
    assert (upper / "file").read_text() == "new\n"
    assert not (base / "file").exists()
    assert not Path("/file").exists()
    with pytest.raises(ToolFailed, match="exit 3"):
        inside.run(["sh", "-c", "exit 3"])


def test_the_manifest_of_a_finished_image_can_be_asked_for(tmp_path):
    (tmp_path / "x").mkdir()
    report = {"files": {k: k for k in ("disk", "bundle", "kernel", "initrd")}, "command_line": "ro"}
    (tmp_path / "x/manifest.json").write_text(json.dumps(report))
    assert Image.open(tmp_path / "x").disk == tmp_path / "x/disk"
    with pytest.raises(BuildHostError, match="image build"):
        Image.open(tmp_path / "none")
