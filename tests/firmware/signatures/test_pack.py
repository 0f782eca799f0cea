"""Packs: what goes in comes out, and nothing that was touched is used."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.inspection import FlowFacts, Inspection, Moment
from omamori.firmware.engine.ips import prefilter
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures import antivirus_pack, container, pack
from omamori.firmware.signatures.antivirus_lists import eicar, parse_malware
from omamori.firmware.signatures.lists import DomainList
from omamori.firmware.signatures.suricata import parse_rules
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Guard

RULES = b"""
alert http any any -> any any (msg:"one"; http.uri; content:"/evil"; sid:1;)
drop dns any any -> any any (msg:"two"; dns.query; dotprefix; content:".evil.example"; endswith; sid:2;)
alert tcp any any -> any 80 (msg:"three"; content:"needle"; sid:3;)
alert icmp any any -> any any (msg:"four"; itype:8; sid:4;)
"""
CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def content():
    return pack.Content(
        parse_rules(RULES),
        [DomainList("phishing", ["bad.example"]), DomainList("games", ["play.example"])],
        [eicar()],
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "1.pack"
    pack.build(path, Version.parse("1.2.3"), CREATED, content())
    return path


def test_a_pack_detects_what_went_in(built):
    signatures = pack.load(built)
    assert signatures.version == "1.2.3"
    assert signatures.domains[Guard.WG].lookup("www.bad.example").category == "phishing"
    assert signatures.domains[Guard.APG].lookup("play.example").category == "games"
    scan = signatures.antivirus.scan()
    assert scan.feed(bytes.fromhex(eicar().body)) is not None
    scan.close()
    flow = FlowFacts("tcp", b"\xc0\xa8\1\1", b"\1\2\3\4", 4000, 80, client_inside=True, application="http")
    ask = Inspection(Moment.TRANSACTION, 1.0, flow, True, None, {"http.uri": [b"/evil/x"]})
    assert [hit.sid for hit in signatures.rules.evaluate(ask)] == [1]
    ask = Inspection(Moment.STREAM, 1.0, flow, True, None, {"stream": [b"a needle"]})
    assert [hit.sid for hit in signatures.rules.evaluate(ask)] == [3]
    assert {"http.uri", "stream", "dns.query"} <= signatures.rules.needs


def test_the_same_input_gives_the_same_bytes(built, tmp_path):
    again = tmp_path / "again.pack"
    pack.build(again, Version.parse("1.2.3"), CREATED, content())
    assert again.read_bytes() == built.read_bytes()


def test_databases_are_for_one_kind_of_processor_and_old_packs_name_none():
    names = [pack.matcher(machine) for machine in ("x86_64", "aarch64")]
    assert names == [prefilter.MATCHER, f"{prefilter.MATCHER} aarch64"]


def test_another_matcher_compiles_from_the_sources(built, tmp_path):
    manifest, members = container.read(built)
    other = {key: value for key, value in manifest.items() if key not in ("members", "kind", "format")} | {
        "matcher": "hyperscan 99"
    }
    members = {
        name: b"of another version" if name.startswith("databases/") else data
        for name, data in members.items()
    }
    container.write(tmp_path / "other.pack", other, members)
    assert len(pack.load(tmp_path / "other.pack").rules) == 4


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_truncated(built, tmp_path, share):
    whole = built.read_bytes()
    path = tmp_path / "cut.pack"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(container.Truncated):
        pack.load(path)


def rewritten(built: Path, path: Path, change) -> Path:
    """The same zip with members changed but the manifest's checksums kept."""
    with zipfile.ZipFile(built) as old, zipfile.ZipFile(path, "w") as new:
        members = {name: old.read(name) for name in old.namelist()}
        for name, data in change(members).items():
            new.writestr(name, data)
    return path


def test_an_altered_member(built, tmp_path):
    path = rewritten(
        built,
        tmp_path / "x.pack",
        lambda members: members | {"rules.bin": members["rules.bin"][:-1] + b"?"},
    )
    with pytest.raises(container.Altered, match=r"rules\.bin was altered"):
        pack.load(path)


def test_a_member_too_many_and_one_too_few(built, tmp_path):
    more = rewritten(built, tmp_path / "more.pack", lambda members: members | {"extra": b"x"})
    fewer = rewritten(
        built,
        tmp_path / "fewer.pack",
        lambda members: {k: v for k, v in members.items() if k != "index.json"},
    )
    for path in (more, fewer):
        with pytest.raises(container.Altered, match="differ from the manifest"):
            pack.load(path)


def test_wrong_formats(built, tmp_path):
    def later(members):
        manifest = json.loads(members["manifest.json"]) | {"format": 99}
        return members | {"manifest.json": json.dumps(manifest).encode()}

    with pytest.raises(container.WrongFormat, match="format 99"):
        pack.load(rewritten(built, tmp_path / "later.pack", later))
    with zipfile.ZipFile(tmp_path / "zip.pack", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(container.WrongFormat, match="no manifest"):
        pack.load(tmp_path / "zip.pack")


def test_a_file_that_claims_to_be_huge(tmp_path):
    path = tmp_path / "huge.pack"
    with path.open("wb") as file:
        file.truncate(container.MAX_FILE + 1)
    with pytest.raises(container.TooLarge):
        pack.load(path)


@pytest.mark.parametrize("name", ["manifest.json", "rules.bin"])
def test_a_member_that_claims_to_be_longer_than_the_file(built, tmp_path, name):
    """Of the directory at the end of the file (APPNOTE 4.3.12): the compressed size lies 20 bytes into an entry."""
    raw = bytearray(built.read_bytes())
    entry = raw.rindex(name.encode()) - 46
    assert raw[entry : entry + 4] == b"PK\1\2"
    raw[entry + 20 : entry + 24] = (0xF000_0000).to_bytes(4, "little")
    (tmp_path / "long.pack").write_bytes(raw)
    with pytest.raises(container.Truncated, match="larger than the whole file"):
        pack.load(tmp_path / "long.pack")


def test_a_bomb(tmp_path):
    path = tmp_path / "bomb.pack"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            with archive.open(f"m{number}", "w", force_zip64=True) as member:
                for _ in range(260):
                    member.write(bytes(1 << 20))
    with pytest.raises(container.TooLarge):
        pack.load(path)


def test_a_pack_that_does_not_detect_is_refused(built, tmp_path):
    manifest, members = container.read(built)
    kept = {key: value for key, value in manifest.items() if key not in ("members", "kind", "format")}
    samples = [
        *json.loads(members["selftest.json"]),
        {"kind": "domain", "value": "good.example", "matches": True, "guard": "wg"},
    ]
    container.write(tmp_path / "x.pack", kept, members | {"selftest.json": json.dumps(samples).encode()})
    with pytest.raises(container.SelfTestFailed, match=r"good\.example"):
        pack.load(tmp_path / "x.pack")


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("antivirus.json", [["Eicar-Test-Signature", ":4142434445", 0, "*"]]),
        ("antivirus.json", []),
        ("reputation.json", [1]),
        ("reputation.json", {"x": [[4, 1, 2]]}),
        ("datasets.json", ["x"]),
        ("captures.json", 7),
        ("selftest.json", [{"kind": "domain", "value": 7, "matches": False, "guard": "wg"}]),
        ("antivirus database", "databases/0.hs"),
        ("manifest.json", {"version": "one"}),
        ("manifest.json", {"databases": {"stream": 7}}),
    ],
)
def test_members_that_do_not_fit_together_are_refused_though_their_hashes_hold(
    built, tmp_path, member, content
):
    with zipfile.ZipFile(built) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    kept = {key: value for key, value in manifest.items() if key not in ("members", "kind", "format")}
    if member == "manifest.json":
        kept |= content
    elif member == "antivirus database":
        members[antivirus_pack.DATABASE] = members[content]
    else:
        named = {"antivirus.json": antivirus_pack.BODIES, "reputation.json": pack.REPUTATION}
        members[named.get(member, member)] = json.dumps(content).encode()
    container.write(tmp_path / "x.pack", kept, members)
    with pytest.raises(pack.PackError):
        pack.load(tmp_path / "x.pack")


@settings(max_examples=40)
@given(data=st.data())
def test_flipped_bytes_are_never_used_in_silence(built, tmp_path, data):
    whole = bytearray(built.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "flipped.pack"
    path.write_bytes(whole)
    try:
        signatures = pack.load(path)
    except pack.PackError:
        return
    # Only what carries no meaning (a time stamp inside the zip) may have changed.
    assert len(signatures.rules) == 4
    assert signatures.version == "1.2.3"


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(tmp_path, raw):
    path = tmp_path / "any.pack"
    path.write_bytes(raw)
    with pytest.raises(pack.PackError):
        pack.load(path)


@pytest.mark.parametrize(
    ("line", "for_mails"),
    [
        ("Phish:4:*:" + b"verify your account".hex(), True),
        ("Phish;Target:4;0&1;" + b"verify".hex() + ";" + b"account".hex(), True),
        ("Plain:0:*:" + b"verify your account".hex(), False),
        ("Plain:7:*:" + b"verify your account".hex(), False),
    ],
)
def test_whether_signatures_are_meant_for_mails_is_known_when_a_pack_is_loaded(line, for_mails):
    members = antivirus_pack.dump(parse_malware(line).signatures)
    antivirus = antivirus_pack.load(members, same_matcher=True)
    assert antivirus.for_mails is for_mails
    assert Signatures(antivirus=antivirus).needs == (frozenset(("mail.text",)) if for_mails else frozenset())
