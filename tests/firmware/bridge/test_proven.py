"""A pack's captures are replayed once on a unit: when it is new here, and again under other software."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from omamori.firmware.bridge import inspection
from omamori.firmware.host.paths import Paths
from omamori.firmware.signatures import carried, everyday, pack
from omamori.firmware.signatures.carried import Capture
from omamori.firmware.signatures.container import SelfTestFailed
from omamori.firmware.signatures.suricata import parse_rules
from omamori.firmware.signatures.texts import dump_lines
from omamori.protocol.version import Version

RULES = b'alert tcp any any -> any any (msg:"hours"; content:"Opening hours"; sid:7;)\n'


@pytest.fixture
def paths(tmp_path) -> Paths:
    made = Paths(tmp_path)
    made.os_release.parent.mkdir(parents=True)
    made.os_release.write_text('IMAGE_VERSION="1.0.0"\n')
    made.packs.mkdir(parents=True)
    return made


@pytest.fixture
def replays(monkeypatch) -> list[str]:
    """Names of the captures that were replayed."""
    names: list[str] = []
    real = carried.run

    def run(signatures, captures):
        found = list(captures)
        names.extend(each.name for each in found)
        real(signatures, found)

    monkeypatch.setattr(carried, "run", run)
    return names


def build(path: Path, version: str, *, matches: bool = True) -> Path:
    page = next(each for each in everyday.captures(with_test_file=False) if each.name == "everyday-web")
    path.parent.mkdir(parents=True, exist_ok=True)
    content = pack.Content(parse_rules(RULES), captures=[Capture("page", page.content, matches=True)])
    pack.build(path, Version.parse(version), datetime(2026, 1, 2, tzinfo=UTC), content)
    if not matches:  # what a careless or hostile signer would publish: rules that do not find it any more
        members = {
            **pack.container.read(path)[1],
            pack.RULES: dump_lines([RULES.strip().replace(b"sid:7", b"sid:8")]),
        }
        members[carried.MEMBER] = bytes(members[carried.MEMBER]).replace(
            b'"signatures": []', b'"signatures": ["1:7"]'
        )
        manifest = {key: value for key, value in pack.read_manifest(path).items() if key != "members"}
        pack.container.write(path, manifest, {name: bytes(data) for name, data in members.items()})
    return path


def test_captures_are_replayed_once(paths, replays):
    path = build(paths.packs / "1.0.0.pack", "1.0.0")
    replays.clear()
    for _ in range(3):
        assert inspection.load(path, paths, 100).version == "1.0.0"
    assert replays == ["page"]


def test_another_pack_and_other_software_are_proven_anew(paths, replays):
    path = build(paths.packs / "1.0.0.pack", "1.0.0")
    inspection.load(path, paths, 100)
    replays.clear()
    inspection.load(build(paths.packs / "1.0.1.pack", "1.0.1"), paths, 100)
    assert replays == ["page", "page"], "once when it was built, once here"
    paths.os_release.write_text('IMAGE_VERSION="1.0.1"\n')
    inspection.load(paths.packs / "1.0.1.pack", paths, 100)
    assert replays == ["page"] * 3


def test_a_pack_that_does_not_find_what_it_must_is_refused_every_time(paths):
    path = build(paths.packs / "1.0.2.pack", "1.0.2", matches=False)
    for _ in range(2):
        with pytest.raises(SelfTestFailed, match="capture page: 1:7 is not found"):
            inspection.load(path, paths, 100)


def test_the_factorys_pack_was_proven_where_the_image_was_built(paths, replays):
    path = build(paths.factory_pack, "0.9.0")
    replays.clear()
    inspection.load(path, paths, 100)
    assert replays == []
    assert not paths.proven_pack.exists()


def test_a_memory_that_cannot_be_written_costs_only_another_replay(paths, replays):
    path = build(paths.packs / "1.0.0.pack", "1.0.0")
    paths.proven_pack.mkdir(parents=True)
    replays.clear()
    inspection.load(path, paths, 100)
    inspection.load(path, paths, 100)
    assert replays == ["page", "page"]
