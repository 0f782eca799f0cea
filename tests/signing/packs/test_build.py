"""`omamori sign pack build` as a release engineer runs it: a pack signed from feeds, or nothing and the reasons."""

import json

from omamori.protocol.version import Version
from tests.signing.packs.conftest import RULES, tar_of


def test_feeds_become_a_signed_canary_whose_report_says_what_is_in_it(bench):
    report = bench.build("--version", "2026.11.1")
    assert report["outcome"] == "signed"
    assert report["loading"]["rules"]["loaded"] == 4
    assert report["counts"]["domains"] == {"wg": 2}
    assert {name: each["state"] for name, each in bench.feeds(report).items()} == {
        "rules": "new",
        "phish": "new",
    }
    assert bench.feeds(report)["phish"]["lines"] == 4
    (found,) = bench.packs()
    assert (found["version"], found["channel"]) == ("2026.11.1", "canary")
    written = bench.desk.repository / "reports/2026.11.1-signed.json"
    assert json.loads(written.read_bytes())["sha256"] == report["sha256"]


def test_a_dry_run_fetches_and_judges_and_signs_nothing(bench):
    report = bench.build("--dry-run")
    assert (report["outcome"], bool(report["sha256"])) == ("dry run", True)
    assert bench.packs() == []
    assert not (bench.desk.repository / "reports").exists()


def test_the_same_feeds_give_the_same_bytes(bench, tmp_path):
    first = bench.build("--dry-run", "--version", "1.0.0", "-o", tmp_path / "a.pack")
    again = bench.build("--dry-run", "--version", "1.0.0", "-o", tmp_path / "b.pack")
    assert first["sha256"] == again["sha256"]
    assert (tmp_path / "a.pack").read_bytes() == (tmp_path / "b.pack").read_bytes()


def test_a_second_build_says_what_changed(bench):
    first = bench.build()
    changed = RULES.replace(
        b'"two"; content:"an unusual needle"; sid:2; rev:1', b'"two"; content:"another one"; sid:2; rev:2'
    )
    bench.rules(changed.replace(b"sid:4", b"sid:5"))
    bench.server.content["/phishing.txt"] += b"fourth.example\n"
    report = bench.build()
    difference = report["difference"]
    assert [each["rule"] for each in difference["added"]] == ["1:5"]
    assert [each["rule"] for each in difference["removed"]] == ["1:4"]
    assert difference["changed"] == [{"rule": "1:2", "message": "two"}]
    assert difference["sizes"]["domains wg"] == [2, 3]
    assert report["before"] == first["version"] < report["version"]
    assert report["judgement"]["against"] == first["version"]


def test_feeds_that_did_not_change_make_no_pack_and_are_asked_with_their_etag(bench):
    first = bench.build()
    bench.server.asked.clear()
    report = bench.build()
    assert report["outcome"] == "unchanged"
    assert all("If-None-Match" in headers for _, headers in bench.server.asked)
    assert [each["version"] for each in bench.packs()] == [first["version"]]
    assert bench.build("--anyway")["outcome"] == "signed"


def test_a_withdrawn_pack_does_not_come_back_by_itself(bench):
    """Neither under its version nor under the next one, as long as the feeds are what they were."""
    first = bench.build("-o", bench.desk.place / "bad.pack")
    bench.desk.signed("pack", "withdraw", first["version"], "--reason", "blocks a bank")
    for words in ([], ["--dry-run"], ["--version", "2099.1.1"]):
        refusal = bench.refused(*words)
        assert f"the same feeds made {first['version']}, which was withdrawn (blocks a bank)" in refusal
    stays = f"{first['version']}.pack was withdrawn and stays so: raise the version"
    assert stays in bench.refused("--anyway", "--version", first["version"])
    for words in ([], ["--replace"]):
        assert stays in bench.desk.refused(
            "add-pack", bench.desk.place / "bad.pack", "--version", first["version"], *words
        )
    assert [(each["version"], each["channel"]) for each in bench.packs()] == [(first["version"], "withdrawn")]


def test_the_next_pack_after_a_withdrawn_one_has_another_version(bench):
    first = bench.build()
    bench.desk.signed("pack", "withdraw", first["version"], "--reason", "blocks a bank")
    again = bench.build("--anyway")
    assert (again["outcome"], again["before"]) == ("signed", "")
    bench.rules(RULES.replace(b"sid:4", b"sid:5"))
    third = bench.build()
    assert Version.parse(first["version"]) < Version.parse(again["version"]) < Version.parse(third["version"])


def test_feeds_of_a_pack_that_stands_are_unchanged_though_an_earlier_pack_of_them_was_withdrawn(bench):
    first = bench.build()
    second = bench.build("--anyway")
    bench.desk.signed("pack", "withdraw", first["version"], "--reason", "a drill")
    report = bench.build()
    assert (report["outcome"], report["version"]) == ("unchanged", second["version"])


def test_every_kind_of_feed_goes_in(bench):
    server = bench.server
    server.content["/games.tar.gz"] = tar_of(
        {"lists/games/domains": b"play.example\n", "lists/games/usage": b"x"}
    )
    server.content["/main.hdb"] = b"44d88612fea8a8f36de82e1278abb02f:68:Test.Known\n"
    server.content["/weak.txt"] = b"admin:changeme\n"
    server.content["/scores.csv"] = b"198.51.100.0/24,80\n"
    bench.describe(
        bench.feed("rules", "rules", "/rules.tar.gz"),
        bench.feed("ut1", "categories", "/games.tar.gz"),
        bench.feed("clam", "antivirus", "/main.hdb"),
        bench.feed("weak", "credentials", "/weak.txt"),
        bench.feed("scores", "reputation", "/scores.csv", category="bad"),
    )
    report = bench.build()
    assert report["counts"]["domains"] == {"apg": 1}
    assert report["counts"]["antivirus"] == 2
    assert bench.feeds(report)["ut1"]["lines"] == 1


def test_an_unknown_key_and_a_bad_value_are_named(bench):
    bench.description.write_text('[[feed]]\nname = "a"\nkind = "rules"\nurls = ["ftp://x/"]\n')
    assert "feed[0].urls: expected one or more http or https addresses" in bench.refused()
    bench.describe(gates="load_share = 1")
    assert "gates.load_share: no such key" in bench.refused()
    bench.describe(gates="load-share = 3")
    assert "gates.load-share: expected a number from 0 to 1" in bench.refused()
    bench.describe(gates='clean = ["nowhere/*.pcap"]')
    assert "nowhere/*.pcap: no such file" in bench.refused()


def test_text_for_people(bench):
    bench.build()
    bench.rules(RULES.replace(b"sid:4", b"sid:5"))
    told = bench.tried()
    assert told.exit_code == 0, told.output
    assert "+ 1:5 four" in told.output
    assert "signed as canary, sha256" in told.output
