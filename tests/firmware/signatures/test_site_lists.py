"""Lists of sites from their published form into a pack, and from its mapped file into look-ups."""

import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from omamori.firmware.signatures import container, pack
from omamori.firmware.signatures.cli import group
from omamori.firmware.signatures.lists import DomainList, ListError, parse_list, read_ut1
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Guard

CREATED = datetime(2026, 1, 2, tzinfo=UTC)


def build(*words):
    return CliRunner().invoke(group, ["pack", "build", "--version", "1.0.0", *map(str, words)])


@pytest.fixture
def ut1(tmp_path):
    """A tree as UT1 publishes it."""
    tree = {
        "gambling/domains": "casino.example\nbet.example\n",
        "gambling/urls": "sports.example/casino/\n",
        "malware/urls": "0001.pages.example/ar/about/privacy\n0001.pages.example/awards/\n192.0.2.9/x.exe\n",
        "vpn/domains": "vpn.example\n192.0.2.77\n",
        "README/text": "no list\n",
    }
    for name, text in tree.items():
        path = tmp_path / "ut1" / name
        path.parent.mkdir(parents=True) if not path.parent.exists() else None
        path.write_text(text, encoding="utf-8")
    return tmp_path / "ut1"


def test_every_kind_of_entry_goes_where_it_belongs():
    lines = [
        "bad.example",
        "cafe.de",
        "http://page.example:8080/login.php?x=1#top",
        "https://user@page.example/a/",
        "198.51.100.0/24",
        "198.51.100.9/32",
        "2001:DB8::1",
        "10.0.0.1/path",
        "||ads.example^",
        "0.0.0.0 hosts.example",
        "::1",
        "! comment",
        "; comment",
        "name.example # note",
    ]
    found = parse_list(lines, "x")
    assert found.domains == ["bad.example", "cafe.de", "ads.example", "hosts.example", "name.example"]
    assert found.urls == ["page.example/login.php?x=1", "page.example/a", "10.0.0.1/path"]
    assert found.addresses == ["198.51.100.0/24", "198.51.100.9", "2001:db8::1"]
    assert found.skipped == 0


@pytest.mark.parametrize(
    "word",
    [
        "0.0.0.0/0",
        "10.0.0.0/4",
        "::/0",
        "127.0.0.5",
        "224.0.0.1",
        "1.2.3",
        "1.2.3.4.5",
        "999.1.1.1",
        "a/b",
        "ftp://x.example/",
        "2001::/3",
    ],
)
def test_what_nobody_would_list_is_skipped(word):
    found = parse_list([word], "x")
    assert (len(found), found.skipped) == (0, 1)


def test_a_ut1_tree_by_the_command_line(ut1, tmp_path):
    more, credentials, out = tmp_path / "more", tmp_path / "credentials", tmp_path / "1.pack"
    more.write_text("203.0.113.66\nhttp://more.example/x\nmore-names.example\n", encoding="ascii")
    credentials.write_text("kiosk:sakura\n", encoding="ascii")
    done = build("--ut1", ut1, "--domains", f"c2={more}", "--credentials", credentials, "-o", out, "--json")
    assert done.exit_code == 0, done.output
    counts = json.loads(done.stdout)["counts"]
    assert counts["domains"] == {"uf": 3, "wg": 1}
    assert counts["urls"] == {"uf": 1, "wg": 4}
    assert counts["addresses"] == {"uf": 1, "wg": 1}
    loaded = pack.load(out)
    assert loaded.domains[Guard.UF].lookup("www.bet.example").category == "gambling"
    assert loaded.urls[Guard.WG].lookup("0001.pages.example", b"/awards/2?x").category == "malware"
    assert loaded.urls[Guard.WG].lookup("more.example", b"/x").category == "c2"
    assert loaded.addresses[Guard.WG].lookup(bytes((203, 0, 113, 66))).category == "c2"
    assert loaded.addresses[Guard.UF].lookup(bytes((192, 0, 2, 77))).category == "vpn"


def test_what_is_no_tree_is_said(tmp_path):
    with pytest.raises(ListError, match="no folder with a file"):
        list(read_ut1(tmp_path))
    done = build("--ut1", tmp_path, "-o", tmp_path / "x.pack")
    assert done.exit_code == 1
    assert "no folder" in done.output


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "1.pack"
    lists = [DomainList("phishing", ["bad.example"], ["a.example/b"], ["192.0.2.0/24", "2001:db8::1"])]
    pack.build(path, Version.parse("1.0.0"), CREATED, pack.Content(lists=lists))
    return path


def test_tables_are_views_of_the_file(mapped):
    _, members = container.read(mapped)
    tables = {name for name, data in members.items() if isinstance(data, memoryview)}
    assert {
        "domains/wg.bin",
        "urls/wg.bin",
        "addresses/wg.4.bin",
        "addresses/wg.16.bin",
        "passwords.bin",
    } <= tables
    assert bytes(members["domains/wg.bin"]) == zipfile.ZipFile(mapped).read("domains/wg.bin")


def test_a_pack_that_was_replaced_is_still_whole_for_who_uses_it(mapped, tmp_path):
    path = tmp_path / "used.pack"
    path.write_bytes(mapped.read_bytes())
    loaded = pack.load(path)
    (tmp_path / "new").write_bytes(b"x")
    (tmp_path / "new").replace(path)
    assert loaded.domains[Guard.WG].lookup("bad.example").category == "phishing"


@pytest.mark.parametrize("name", ["domains/wg.bin", "addresses/wg.4.bin", "passwords.bin"])
def test_a_table_that_was_touched_is_not_used(mapped, tmp_path, name):
    path = tmp_path / "touched.pack"
    raw = bytearray(mapped.read_bytes())
    info = zipfile.ZipFile(mapped).getinfo(name)
    raw[info.header_offset + 30 + len(name)] ^= 1
    path.write_bytes(raw)
    with pytest.raises(container.Altered, match=name):
        pack.load(path)


SIZES = """
import sys, time
from pathlib import Path
from omamori.firmware.signatures import pack
def anonymous():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1])
before = anonymous()
loaded = pack.load(Path(sys.argv[1]))
print(anonymous() - before, sum(map(len, loaded.domains.values())))
"""


@pytest.mark.slow
def test_names_by_the_hundred_thousand_take_no_memory_of_the_process(tmp_path):
    path = tmp_path / "many.pack"
    names = [f"host{number:06d}.listed.example" for number in range(100_000)]
    pack.build(path, Version.parse("1.0.0"), CREATED, pack.Content(lists=[DomainList("phishing", names)]))
    done = subprocess.run([sys.executable, "-c", SIZES, path], check=True, capture_output=True, text=True)
    grown, count = map(int, done.stdout.split())
    assert count == len(names)
    assert grown < 1500, "kB; as Python's own objects they would be 10,000"


@pytest.mark.corpus
def test_the_published_lists_go_into_a_pack(tmp_path):
    corpus = os.environ.get("OMAMORI_CORPUS")
    if not corpus:
        pytest.skip("OMAMORI_CORPUS is not set: the public lists are not there")
    feeds = Path(corpus) / "feeds"
    database = feeds / "phishing-database"
    out = tmp_path / "feeds.pack"
    words = [f"phishing={database / name}" for name in ("domains-active-2.txt", "ips-active.txt")]
    done = build("--ut1", feeds / "ut1", "--domains", words[0], "--domains", words[1], "-o", out, "--json")
    assert done.exit_code == 0, done.output
    counts = json.loads(done.stdout)["counts"]
    assert sum(counts["domains"].values()) > 150_000
    assert sum(counts["urls"].values()) > 20_000
    assert counts["addresses"]["wg"] > 5_000
    loaded = pack.load(out)
    listed = (database / "domains-active-2.txt").read_text("utf-8").split()
    assert all(loaded.domains[Guard.WG].lookup(name.lower()) for name in listed[::500] if name.isascii())
    for name in ("example.com", "www.debian.org", "omamori.example"):
        assert not any(table.lookup(name) for guard, table in loaded.domains.items() if guard is Guard.WG)
