"""Captures that a pack carries, and a pack judged against traffic and against the pack before."""

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.signatures import carried, container, everyday, pack
from omamori.firmware.signatures.antivirus_lists import eicar
from omamori.firmware.signatures.capture import frames
from omamori.firmware.signatures.carried import Capture
from omamori.firmware.signatures.cli import group
from omamori.firmware.signatures.container import Altered, SelfTestFailed, TooLarge
from omamori.firmware.signatures.suricata import parse_rules
from omamori.protocol.version import Version

NEEDLE = b'alert tcp any any -> any any (msg:"%s"; content:"%s"; sid:%d; rev:%d;)\n'
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def made(*, matching: bool) -> bytes:
    """Of the generated captures, the web page (which says "Opening hours") or the test file."""
    wanted = "test-file-by-http" if matching else "everyday-web"
    return next(each.content for each in everyday.captures(with_test_file=True) if each.name == wanted)


def build(path: Path, rules: bytes, *captures: Capture, version: str = "1.0.0") -> Path:
    content = pack.Content(parse_rules(rules), malware=[eicar()], captures=list(captures))
    pack.build(path, Version.parse(version), CREATED, content)
    return path


def test_generated_captures_are_whole_and_always_the_same():
    first, again = everyday.captures(with_test_file=True), everyday.captures(with_test_file=True)
    assert first == again
    assert [each.matches for each in first] == [False, False, False, False, True]
    for each in first:
        assert all(frame.packet for frame in frames(io.BytesIO(each.content), each.name))


def test_a_pack_that_misses_what_it_must_find_is_not_used(tmp_path):
    must = Capture("page", made(matching=False), matches=True, signatures=("1:7",))
    good = build(tmp_path / "good.pack", NEEDLE % (b"hours", b"Opening hours", 7, 1), must)
    assert pack.load(good).version == "1.0.0"
    with pytest.raises(SelfTestFailed, match="capture page: 1:7 is not found"):
        build(tmp_path / "bad.pack", NEEDLE % (b"hours", b"other words", 7, 1), must)
    with pytest.raises(SelfTestFailed, match="1:7 is not found"):
        build(tmp_path / "bad.pack", NEEDLE % (b"hours", b"Opening hours", 8, 1), must)


def test_a_pack_that_finds_what_it_must_not_is_not_used(tmp_path):
    must_not = Capture("page", made(matching=False), matches=False)
    with pytest.raises(SelfTestFailed, match=r"capture page: 1:7 \(hours\) is found in it"):
        build(tmp_path / "bad.pack", NEEDLE % (b"hours", b"Opening hours", 7, 1), must_not)
    assert pack.load(tmp_path / "bad.pack", replayed=False).version == "1.0.0"


def test_the_test_file_is_found_on_its_way(tmp_path):
    build(tmp_path / "a.pack", b"", Capture("file", made(matching=True), matches=True))
    with pytest.raises(SelfTestFailed):
        build(tmp_path / "a.pack", b"", Capture("file", made(matching=True), matches=False))


def test_what_a_pack_carries_is_bounded(tmp_path):
    large = Capture("large", bytes(carried.MOST_BYTES + 1), matches=False)
    with pytest.raises(TooLarge, match="262144 bytes at most"):
        build(tmp_path / "a.pack", b"", large)
    with pytest.raises(TooLarge):
        build(tmp_path / "a.pack", b"", *[Capture("one", made(matching=False), matches=False)] * 25)


def test_a_capture_that_is_none_is_altered(tmp_path):
    with pytest.raises(Altered, match="no capture file"):
        build(tmp_path / "a.pack", b"", Capture("none", b"nothing of the kind", matches=False))


def test_captures_that_were_taken_out_are_noticed(tmp_path):
    """The manifest names them, and TUF signs the manifest."""
    path = build(tmp_path / "a.pack", b"", Capture("page", made(matching=False), matches=False))
    other = tmp_path / "b.pack"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for info in old.infolist():
            if not info.filename.startswith("captures"):
                new.writestr(info, old.read(info))
    with pytest.raises(Altered):
        pack.load(other)


@settings(max_examples=150)
@given(
    listed=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["name", "matches", "signatures", "member"]), inner, max_size=4)
        ),
        max_leaves=12,
    ),
    content=st.binary(max_size=60),
)
def test_any_list_of_captures_is_read_or_refused(listed, content):
    members = {carried.MEMBER: json.dumps(listed).encode(), "captures/0.pcap": content}
    try:
        for each in carried.load(members):
            carried.matches(pack.Signatures(), each.content)
    except container.PackError:
        pass


def run(*words: object) -> dict:
    result = CliRunner().invoke(group, ["pack", *map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def two(tmp_path) -> tuple[Path, Path]:
    """The second matches an everyday page."""
    first = build(tmp_path / "1.pack", NEEDLE % (b"a", b"no such words", 1, 1), version="1.0.0")
    rules = NEEDLE % (b"a", b"no such words", 1, 2) + NEEDLE % (b"b", b"Opening hours", 2, 1)
    return first, build(tmp_path / "2.pack", rules, version="1.0.1")


def test_judge_tells_what_is_found_where_and_compares_the_speed(two, tmp_path):
    page = tmp_path / "page.pcap"
    page.write_bytes(made(matching=False))
    told = run(
        "judge", two[1], "--against", two[0], "--clean", page, "--must", f"{page}=1:2,1:9", "--everyday"
    )
    assert told["clean"][0]["found"] == [
        {"signature_id": "1:2", "signature": "b", "guard": "ips", "count": 1}
    ]
    assert len(told["clean"]) == 5
    assert told["must"][0]["missing"] == ["1:9"]
    assert (told["against"], told["slowdown"] > 0) == ("1.0.0", True)
    assert run("judge", two[0], "--everyday")["slowdown"] is None


def test_compare_names_rules_and_sizes(two):
    told = run("compare", *two)
    assert [each["rule"] for each in told["added"]] == ["1:2"]
    assert told["changed"] == [{"rule": "1:1", "message": "a"}]
    assert told["removed"] == []
    assert told["sizes"] == {"rules": [1, 2]}
    text = CliRunner().invoke(group, ["pack", "compare", *map(str, two)]).output
    assert "rules: 1 added, 0 removed, 1 changed" in text


def test_pack_build_carries_captures_from_files(tmp_path):
    page, rules = tmp_path / "page.pcap", tmp_path / "a.rules"
    page.write_bytes(made(matching=False))
    rules.write_bytes(NEEDLE % (b"hours", b"Opening hours", 7, 1))
    words = ("build", "--version", "1.0.0", "--rules", rules, "-o", tmp_path / "a.pack")
    told = run(*words, "--must", f"{page}=1:7")
    assert (told["counts"]["captures"], told["loading"]["rules"]["loaded"]) == (1, 1)
    refused = CliRunner().invoke(group, ["pack", *map(str, words), "--everyday"])
    assert (refused.exit_code, "1:7 (hours) is found in it" in refused.output) == (1, True)
