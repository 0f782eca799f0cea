"""Feeds that fail in every way a server can: the build says so, stands on the last good copy, or stops."""

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.signing.packs.description import Feed, Kind
from omamori.signing.packs.errors import FeedError
from omamori.signing.packs.unpacking import unpack
from tests.signing.packs.conftest import RULES, SITES, tar_of


def only(bench, url="/phishing.txt", **more):
    """One list and nothing else."""
    bench.describe(bench.feed("phish", "list", url, category="phishing", **more))


def aged(bench, days: float) -> None:
    """As if the last good copy had been confirmed so long ago."""
    path = bench.desk.repository / "feeds/phish.json"
    facts = json.loads(path.read_bytes())
    facts["confirmed"] = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    path.write_text(json.dumps(facts))


def endless(handler):
    handler.answer(b"x.example\n" * 100, length=10**9)
    while not handler.server.over.is_set():
        handler.wfile.write(b"x.example\n" * 10_000)


def unannounced(handler):
    """Without a length, and without end."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.over.is_set():
        handler.wfile.write(b"x.example\n" * 10_000)


def trickle(handler):
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b"x")


def trickled_head(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b"X-Letter: x\r\n")


def silent(handler):
    handler.server.over.wait(60)


FAULTS = {
    "500": (lambda handler: handler.send_error(500), "the server answers 500"),
    "404": (lambda handler: handler.send_error(404), "the server answers 404"),
    "announced too large": (endless, "1,000,000,000 bytes announced, 1,048,576 are allowed"),
    "endless": (unannounced, "more than the 1,048,576 bytes that are allowed"),
    "truncated": (lambda handler: handler.answer(SITES, length=len(SITES) + 100), "the answer ends early"),
    "empty": (lambda handler: handler.answer(b""), "the answer is empty"),
    "a web page": (
        lambda handler: handler.answer(b"<html>log in", kind="text/html; charset=utf-8"),
        "a web page (text/html) and no feed",
    ),
    "a redirect loop": (lambda handler: handler.go_to(handler.path), "more than 5 redirects"),
    "a redirect to a file": (lambda handler: handler.go_to("file:///etc/passwd"), "a redirect to 'file:"),
    "hangs up": (lambda handler: handler.connection.close(), "http://127.0.0.1"),
    "only comments": (lambda handler: handler.answer(b"# nothing\n\n"), "nothing but comments in it"),
    "304 for nothing": (
        lambda handler: (handler.send_response(304), handler.end_headers()),
        "nothing changed, and nothing was had before",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_feed_that_fails_and_was_never_had_stops_the_build_and_is_named(bench, fault):
    misbehave, said = FAULTS[fault]
    bench.server.faults["/phishing.txt"] = misbehave
    only(bench, largest_mib=1)
    refusal = bench.unfetched()
    assert "feed phish: " in refusal
    assert said in refusal
    assert bench.packs() == []


@pytest.mark.parametrize("misbehave", [trickle, trickled_head, silent])
def test_a_slow_feed_is_cut_off(bench, misbehave):
    bench.server.faults["/phishing.txt"] = misbehave
    only(bench, seconds=1)
    refusal = bench.unfetched()
    assert "not received in the time allowed" in refusal or "silent for too long" in refusal


def test_a_redirect_is_followed(bench):
    bench.server.faults["/old.txt"] = lambda handler: handler.go_to("/phishing.txt")
    only(bench, "/old.txt")
    assert bench.fetch()["phish"]["state"] == "new"


def test_the_next_mirror_is_taken_and_the_first_ones_failure_is_told(bench):
    bench.server.faults["/first.txt"] = lambda handler: handler.send_error(503)
    bench.describe(bench.feed("phish", "list", "/first.txt", "/phishing.txt", category="phishing"))
    found = bench.fetch()["phish"]
    assert found["state"] == "new"
    assert "first.txt: the server answers 503" in found["problems"][0]


def test_the_last_good_copy_stands_in_loudly_until_it_is_too_old(bench):
    bench.fetch()
    bench.server.faults["/phishing.txt"] = lambda handler: handler.send_error(500)
    aged(bench, 3)
    told = bench.desk.sign("pack", "fetch", bench.description)
    assert told.exit_code == 0, told.output
    assert "WARNING phish: every mirror failed; the last good copy, 3.0 days old, is used" in told.output
    found = bench.fetch()["phish"]
    assert (found["state"], found["lines"], round(found["age_hours"])) == ("kept", 4, 72)
    aged(bench, 8)
    assert "the last good copy is 8.0 days old, 7.0 days are allowed (stale-days)" in bench.refused(
        "--anyway"
    )


def test_a_feed_that_is_not_required_is_left_out(bench):
    bench.describe(
        bench.feed("rules", "rules", "/rules.tar.gz"),
        bench.feed("phish", "list", "/gone.txt", category="phishing", required=False),
    )
    report = bench.build()
    assert (bench.feeds(report)["phish"]["state"], report["counts"]["domains"]) == ("missing", {})


def test_a_feed_that_lost_most_of_its_lines_is_not_believed(bench):
    bench.fetch()
    bench.server.content["/phishing.txt"] = b"one.example\n"
    found = bench.fetch()["phish"]
    assert (found["state"], found["lines"]) == ("kept", 4)
    assert "1 lines, and 4 in the last good copy" in found["problems"][0]


def test_a_feed_described_otherwise_is_fetched_anew(bench):
    """What was taken before was neither proven nor chosen as is wanted now."""
    bench.fetch()
    bench.server.asked.clear()
    bench.describe(bench.feed("rules", "rules", "/rules.tar.gz", members=["*/other.rules"]))
    assert "nothing in it is called */other.rules" in bench.unfetched()
    assert not any("If-None-Match" in headers for _, headers in bench.server.asked)


# --- archives


def zipped(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return whole.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        RULES,
        gzip.compress(RULES),
        bz2.compress(RULES),
        tar_of({"a/b.rules": RULES}, ""),
        tar_of({"a/b.rules": RULES, "../../c.rules": b"# none\n", "/etc/d.rules": b"# none\n"}),
        tar_of({"a/b.rules": RULES}, "bz2"),
        zipped({"b.rules": RULES, "notes.txt": b"none"}),
    ],
    ids=["plain", "gzip", "bzip2", "tar", "tar.gz with strange paths", "tar.bz2", "zip"],
)
def test_forms_of_a_rule_feed(bench, content):
    bench.server.content["/r"] = content
    bench.describe(bench.feed("rules", "rules", "/r"))
    bench.fetch()
    feeds = bench.desk.repository / "feeds"
    unpacked = [path.read_bytes() for path in feeds.glob("rules/*/*.rules")]
    assert RULES in unpacked
    assert len(unpacked) == len(list(bench.desk.place.rglob("*.rules"))), "nothing is put anywhere else"


def cvd(files: dict[str, bytes], *, whole: bool = True) -> bytes:
    """A ClamAV database: 512 bytes of header with the MD5 of the rest, then a tar.gz."""
    body = tar_of(files)
    digest = hashlib.md5(body if whole else b"other", usedforsecurity=False).hexdigest()
    return f"ClamAV-VDB:21 Nov 2026 09-00 +0000:1:1:90:{digest}:x:builder:1".encode().ljust(512) + body


def test_a_clamav_database(bench):
    known = b"44d88612fea8a8f36de82e1278abb02f:68:Test.Known\n"
    bench.server.content["/main.cvd"] = cvd({"COPYING": b"text", "main.hdb": known, "main.info": b"x"})
    bench.describe(bench.feed("clam", "antivirus", "/main.cvd"))
    assert bench.fetch()["clam"]["lines"] == 1
    bench.server.content["/main.cvd"] = cvd({"main.hdb": known * 2}, whole=False)
    found = bench.fetch()["clam"]
    assert (found["state"], "is not whole" in found["problems"][0]) == ("kept", True)


def test_xz_is_refused_by_name(bench):
    bench.server.content["/r"] = lzma.compress(RULES)
    bench.describe(bench.feed("rules", "rules", "/r"))
    assert "xz is not read" in bench.unfetched()


@settings(max_examples=80)
@given(st.binary(max_size=600), st.integers(0, 400), st.integers(0, 255))
def test_any_bytes_unpack_or_are_refused(tmp_path_factory, noise, place, value):
    folder = tmp_path_factory.mktemp("any")
    feed = Feed("any", Kind.RULES, (), unpacked=1 << 20)
    for number, form in enumerate(
        (tar_of({"a.rules": RULES}), zipped({"a.rules": RULES}), cvd({"a.rules": RULES}), noise)
    ):
        changed = form[: place + 1] + bytes([value]) + form[place + 2 :] + noise
        content = folder / f"{number}.bin"
        content.write_bytes(changed)
        with contextlib.suppress(FeedError):
            unpacked = unpack(content, feed, folder / str(number))
            assert sum(path.stat().st_size for path in unpacked) <= 1 << 20


def test_a_member_without_a_name_is_refused(tmp_path):
    whole = zipped({"a": RULES})
    entry, end = whole.rindex(b"PK\x01\x02"), whole.rindex(b"PK\x05\x06")
    nameless = bytearray(whole[: entry + 46] + whole[entry + 47 :])
    nameless[entry + 28 : entry + 30] = bytes(2)
    nameless[end + 11 : end + 15] = (end - 1 - entry).to_bytes(4, "little")
    (tmp_path / "x.zip").write_bytes(nameless)
    with pytest.raises(FeedError):
        unpack(tmp_path / "x.zip", Feed("any", Kind.RULES, (), unpacked=1 << 20), tmp_path / "out")


BOMB = bytes(20 << 20)


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(BOMB),
        bz2.compress(BOMB),
        tar_of({"a.rules": BOMB}),
        tar_of({"not-wanted.txt": BOMB, "a.rules": RULES}),
        zipped({"a.rules": BOMB}),
        tar_of({f"{number}.rules": b"" for number in range(5_010)}),
    ],
    ids=["gzip", "bzip2", "tar", "what is skipped", "zip", "many members"],
)
def test_bombs_are_bounded(bench, content):
    bench.server.content["/r"] = content
    bench.describe(bench.feed("rules", "rules", "/r", unpacked_mib=4))
    refusal = bench.unfetched()
    assert "unpacks to more than is allowed" in refusal or "more than 5,000 files" in refusal


@pytest.mark.parametrize("form", ["cut", "flipped"])
def test_a_damaged_archive_is_refused(bench, form):
    whole = tar_of({"a.rules": RULES * 50})
    flipped = whole[:40] + bytes([whole[40] ^ 0xFF]) + whole[41:]
    bench.server.content["/r"] = whole[: len(whole) // 2] if form == "cut" else flipped
    bench.describe(bench.feed("rules", "rules", "/r"))
    assert "the archive is damaged" in bench.unfetched()


def test_links_and_devices_in_an_archive_are_left_alone(bench):
    import tarfile

    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        link = tarfile.TarInfo("evil.rules")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        device = tarfile.TarInfo("device.rules")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)
    bench.server.content["/r"] = whole.getvalue()
    bench.describe(bench.feed("rules", "rules", "/r"))
    assert "nothing in it is called *.rules" in bench.unfetched()
