"""The audit file: what a third party reads from a published directory, and what it notices."""

import hashlib
import json
import shutil
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.signing import audit
from omamori.signing.errors import RepositoryError


@pytest.fixture
def published(desk):
    """A short history: a pack, a firmware, new keys, another pack; published."""
    desk.signed("add-pack", desk.pack())
    desk.signed(*desk.firmware())
    desk.signed("rotate", "signatures", "root")
    desk.signed("add-pack", desk.pack("1.2.4"))
    desk.www = desk.place / "www"
    desk.signed("publish", "--to", desk.www)
    return desk


def audited(desk, *words) -> dict:
    result = desk.sign("audit", desk.www, *words, "--json")
    found = json.loads(result.output)
    assert result.exit_code == (3 if found["problems"] else 0)
    return found


def test_a_history_is_followed_from_the_first_root(published):
    found = audited(published)
    assert (found["problems"], found["states"], found["abandoned"]) == ([], 5, [])
    files = {signature["file"]: signature for signature in found["signatures"]}
    assert len(files["2.firmware.json"]["signed_by"]) == 2
    assert len(files["2.root.json"]["signed_by"]) == 1
    for number, version in ((2, "1.2.3"), (4, "1.2.4")):
        named = {name.split()[0] for name in files[f"{number}.signatures.json"]["names"]}
        assert named == {f"signatures/{version}.pack", f"signatures/{version}.pack.chunks"}
    assert files["4.signatures.json"]["signed_by"] != files["2.signatures.json"]["signed_by"]
    text = published.sign("audit", published.www).output
    assert "2.firmware.json signed by" in text
    assert "5 states under the root with sha256" in text


def test_it_needs_neither_keys_nor_the_repository(published):
    shutil.rmtree(published.repository)
    assert audited(published)["problems"] == []


def test_the_root_of_an_image_is_the_one_believed(published, tmp_path_factory):
    newer = published.www / "metadata/2.root.json"
    assert audited(published, "--root", newer)["problems"] == []
    other = type(published)(tmp_path_factory.mktemp("other"))
    other.signed("init")
    found = audited(published, "--root", other.repository / "metadata/1.root.json")
    assert found["problems"] == [
        "the root to trust is not the 1.root.json of this history: nothing here is proven"
    ]


def test_a_root_put_before_the_trusted_one_is_noticed(published, tmp_path_factory):
    """Another first root, signed by its own keys, does not lead to the root of the image."""
    other = type(published)(tmp_path_factory.mktemp("other"))
    other.signed("init")
    forged = (other.repository / "metadata/1.root.json").read_bytes()
    (published.www / "metadata/1.root.json").write_bytes(forged)
    path = published.www / audit.NAME
    first = json.loads(path.read_bytes().splitlines()[0])
    first["files"]["1.root.json"] = hashlib.sha256(forged).hexdigest()
    path.write_bytes(json.dumps(first).encode() + b"\n" + path.read_bytes().split(b"\n", 1)[1])
    trusted = published.repository / "metadata/2.root.json"
    problems = audited(published, "--root", trusted)["problems"]
    assert any("2.root.json is not signed by enough" in problem for problem in problems)
    assert any("nothing here is proven" in problem for problem in problems)


@pytest.mark.parametrize("line", range(5))
def test_a_line_that_is_changed_or_gone_is_noticed(published, line):
    path = published.www / audit.NAME
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:line] + lines[line + 1 :]))
    assert audited(published)["problems"]
    changed = lines[line].replace(b'"time":"2', b'"time":"1')
    path.write_bytes(b"".join([*lines[:line], changed, *lines[line + 1 :]]))
    if line < 4:
        assert f"line {line + 2}: does not follow the line before" in audited(published)["problems"]


def test_files_that_were_signed_aside_or_altered_are_noticed(published):
    metadata = published.www / "metadata"
    shutil.copyfile(metadata / "4.signatures.json", metadata / "9.signatures.json")
    path = metadata / "2.firmware.json"
    path.write_bytes(path.read_bytes() + b" ")
    problems = audited(published)["problems"]
    assert "9.signatures.json: served, and in no line of the audit" in problems
    assert "line 3: 2.firmware.json is missing or not what was signed" in problems


def test_a_timestamp_of_another_state_is_noticed(published):
    old = (published.www / "metadata/timestamp.json").read_bytes()
    published.signed("refresh")
    published.signed("publish", "--to", published.www)
    (published.www / "metadata/timestamp.json").write_bytes(old)
    assert audited(published)["problems"] == ["timestamp.json: not that of the last line"]


@pytest.mark.parametrize("served", [b'{"not":"metadata at all"}', "unsigned", "another role"], ids=str)
def test_a_timestamp_that_is_not_signed_is_noticed_though_the_last_line_names_it(published, served):
    metadata = published.www / "metadata"
    if served == "unsigned":
        value = json.loads((metadata / "timestamp.json").read_bytes())
        served = json.dumps(value | {"signatures": []}).encode()
    elif served == "another role":
        served = (metadata / "5.snapshot.json").read_bytes()
    (metadata / "timestamp.json").write_bytes(served)
    path = published.www / audit.NAME
    *before, last = path.read_bytes().splitlines(keepends=True)
    entry = json.loads(last)
    entry["files"]["timestamp.json"] = hashlib.sha256(served).hexdigest()
    path.write_bytes(b"".join([*before, json.dumps(entry).encode() + b"\n"]))
    assert audited(published)["problems"] == ["timestamp.json: not signed by enough of the keys it needs"]


def test_a_state_that_has_expired_is_said_to_be_old(published):
    root = (published.www / "metadata/1.root.json").read_bytes()
    later = datetime.now(UTC) + timedelta(days=8)
    assert audit.check(published.www, root, datetime.now(UTC)).problems == ()
    (problem,) = audit.check(published.www, root, later).problems
    assert problem.startswith("timestamp.json: expired on 20")
    assert problem.endswith("an old copy, or nobody publishes")


def test_a_history_that_was_cut_off_is_noticed_by_whoever_kept_a_line(published):
    """All that is left is whole and signed: nothing but the line that was kept shows what is gone."""
    old = published.place / "old"
    shutil.copytree(published.www, old)
    first = audited(published)["head"]
    published.signed("add-pack", published.pack("1.2.5"))
    published.signed("publish", "--to", published.www)
    assert audited(published, "--after", first)["problems"] == []
    kept = audited(published)["head"]
    assert audited(published, "--after", kept.upper())["problems"] == []
    published.www = old
    assert audited(published)["problems"] == []
    assert audited(published, "--after", kept)["problems"] == [
        "the line that was kept is not in this history: it was cut off or rewritten"
    ]
    assert published.sign("audit", old, "--after", kept[:-1]).exit_code == 2


@pytest.mark.parametrize("left", [b"", b'{"number":6,"ti'], ids=["whole-line", "half-a-line"])
def test_a_publish_after_an_interrupted_signing_raises_no_alarm(published, left):
    """The line that names a timestamp that never came is followed by one that names what is published."""
    timestamp, history = published.repository / "metadata/timestamp.json", published.repository / audit.NAME
    old, before = timestamp.read_bytes(), history.read_bytes()
    published.signed("add-pack", published.pack("1.2.5"))
    timestamp.write_bytes(old)
    if left:
        history.write_bytes(before + left)
    published.signed("publish", "--to", published.www, "--dry-run")
    published.signed("publish", "--to", published.www)
    found = audited(published)
    assert (found["problems"], found["abandoned"]) == ([], [] if left else [6])
    states = found["states"]
    published.signed("publish", "--to", published.www)
    assert audited(published)["states"] == states


def test_a_long_history_takes_no_longer_a_line_than_a_short_one(published):
    """Quadratic, these were minutes."""
    lines: list[bytes] = []
    for number in range(1, 20_001):
        previous = hashlib.sha256(lines[-1]).hexdigest() if lines else ""
        entry = {"number": number, "time": "2026-11-23T00:00:00Z", "previous": previous, "timestamp": number}
        lines.append(json.dumps(entry | {"files": {"timestamp.json": "0" * 64}}).encode() + b"\n")
    (published.www / audit.NAME).write_bytes(b"".join(lines))
    root = (published.www / "metadata/1.root.json").read_bytes()
    began = time.process_time()
    assert audit.check(published.www, root, datetime.now(UTC)).states == 20_000
    assert time.process_time() - began < 20


def test_an_interrupted_signing_is_told_as_never_in_force(published):
    """The line came, the timestamp did not; the next signing takes the same versions."""
    timestamp = published.repository / "metadata/timestamp.json"
    old = timestamp.read_bytes()
    published.signed("add-pack", published.pack("1.2.5"))
    timestamp.write_bytes(old)
    with (published.repository / audit.NAME).open("ab") as file:
        file.write(b'{"number":7,"ti')
    published.signed("add-pack", published.pack("1.2.6"))
    published.signed("publish", "--to", published.www)
    found = audited(published)
    assert (found["problems"], found["abandoned"], found["states"]) == ([], [6], 7)


def test_a_directory_without_history_is_refused(desk):
    (desk.place / "empty/metadata").mkdir(parents=True)
    shutil.copyfile(desk.repository / "metadata/1.root.json", desk.place / "empty/metadata/1.root.json")
    assert "give a published directory" in desk.refused("audit", desk.place / "empty")


@given(
    st.binary(max_size=400)
    | st.dictionaries(st.text(max_size=9), st.integers() | st.text(max_size=9))
    .map(json.dumps)
    .map(str.encode)
)
@settings(max_examples=100)
def test_any_bytes_are_told_as_problems_or_refused(tmp_path_factory, raw):
    place = tmp_path_factory.mktemp("fuzz")
    (place / "metadata").mkdir()
    (place / audit.NAME).write_bytes(raw)
    with pytest.raises(RepositoryError):
        audit.check(place, raw, datetime.now(UTC))
    problems: list[str] = []
    assert list(audit._chained([raw], problems)) == []
    assert problems
