"""Stages: made once, made again when an input changes, never half."""

import contextlib
import subprocess

import pytest

from omamori.image.errors import BuildHostError
from omamori.image.stages import Cache, Stage, hash_of_tree
from tests.image.heard import Heard


def stage(text, made):
    def make(place):
        made.append(text)
        (place / "out").write_text(text)

    return Stage("thing", {"text": text}, make)


def test_the_same_inputs_are_made_once(tmp_path):
    heard, made = Heard(), []
    cache = Cache(tmp_path, heard)
    first = cache.get(stage("one", made))
    assert cache.get(stage("one", made)) == first
    assert (first / "out").read_text() == "one"
    assert made == ["one"]
    assert heard.ends == [("thing", False), ("thing", True)]


def test_another_input_is_another_output_and_the_old_one_stays(tmp_path):
    made = []
    cache = Cache(tmp_path, Heard())
    first, second = cache.get(stage("one", made)), cache.get(stage("two", made))
    assert first != second
    assert (first / "out").read_text() == "one"
    assert made == ["one", "two"]


def test_a_stage_that_fails_leaves_nothing_and_runs_again(tmp_path):
    def fail(place):
        (place / "half").write_text("")
        raise RuntimeError("power cut")

    cache, made = Cache(tmp_path, Heard()), []
    with pytest.raises(RuntimeError):
        cache.get(Stage("thing", {"text": "one"}, fail))
    assert not list(tmp_path.glob("thing/*/half"))
    assert cache.would_build(stage("one", made))
    cache.get(stage("one", made))
    assert made == ["one"]


def test_old_outputs_are_pruned_but_not_all(tmp_path):
    cache = Cache(tmp_path, Heard())
    places = [cache.get(stage(str(number), [])) for number in range(12)]
    assert places[-1].is_dir()
    assert 1 < sum(place.is_dir() for place in places) < 12


def test_the_hash_of_a_tree_sees_content_names_and_the_executable_bit(tmp_path):
    file = tmp_path / "a"

    def now():
        return hash_of_tree(tmp_path, tmp_path.rglob("*"))

    seen = []
    for change in (
        lambda: file.write_text("1"),
        lambda: file.write_text("2"),
        lambda: file.chmod(0o755),
        lambda: file.rename(tmp_path / "b"),
    ):
        change()
        seen.append(now())
    assert len(set(seen)) == 4
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/x.pyc").write_text("")
    assert now() == seen[-1]


def test_interrupting_a_stage_leaves_it_to_be_made(tmp_path):
    def interrupt(_place):
        raise KeyboardInterrupt

    cache = Cache(tmp_path, Heard())
    with contextlib.suppress(KeyboardInterrupt):
        cache.get(Stage("thing", {"text": "one"}, interrupt))
    assert cache.would_build(stage("one", []))


def test_what_a_killed_build_left_is_removed(tmp_path):
    wanted, made = stage("one", []), []
    (tmp_path / f"thing/{wanted.key}.new/half").mkdir(parents=True)
    place = Cache(tmp_path, Heard()).get(stage("one", made))
    assert [path.name for path in place.iterdir()] == ["out"]
    assert made == ["one"]


@pytest.mark.root
def test_what_a_killed_build_left_mounted_is_named(tmp_path):
    wanted = stage("one", [])
    left = tmp_path / f"thing/{wanted.key}.new/root/dev"
    left.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", left], check=True)
    (left / "of the machine").touch()
    try:
        with pytest.raises(
            BuildHostError, match=f"{wanted.key}.new cannot be removed: .*/dev is mounted in it"
        ):
            Cache(tmp_path, Heard()).get(wanted)
        assert (left / "of the machine").exists(), "it may be this machine's own /dev"
    finally:
        subprocess.run(["umount", left], check=True)
    assert Cache(tmp_path, Heard()).get(wanted).is_dir()
