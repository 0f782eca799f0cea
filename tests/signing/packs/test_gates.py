"""What stops a pack: each gate with its reason, all of them told at once, and nothing signed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.signatures import everyday
from omamori.signing.packs import description, gates
from omamori.signing.packs.errors import DescriptionError
from tests.signing.packs.conftest import RULES

CLEAN = b'alert tcp any any -> any any (msg:"false"; content:"Opening hours"; sid:90; rev:1;)\n'


@pytest.fixture
def page(bench):
    """A capture of an ordinary web page, beside the description."""
    made = next(each for each in everyday.captures(with_test_file=False) if each.name == "everyday-web")
    path = bench.desk.place / "page.pcap"
    path.write_bytes(made.content)
    return path


def test_too_few_rules_that_load(bench):
    bench.rules(RULES + b'alert tcp any any -> any any (msg:"x"; lua:x; sid:99;)\n')
    bench.describe(gates="load-share = 0.9")
    refusal = bench.refused()
    assert "4 of 5 rules load, 80.00 %; 90.00 % must (load-share)" in refusal
    assert "not loaded: lua 1" in refusal
    assert bench.packs() == []
    bench.describe(gates="load-share = 0.8")
    assert bench.build()["outcome"] == "signed"


def test_a_false_match_on_clean_traffic(bench, page):
    bench.rules(RULES + CLEAN)
    bench.describe(gates=f'everyday = false\nclean = ["{page.name}"]')
    refusal = bench.refused("--version", "1.0.0")
    assert "1 signatures match clean traffic, 0 are allowed (false-matches, allowed): 1:90 (false)" in refusal
    report = json.loads((bench.desk.repository / "reports/1.0.0-refused.json").read_bytes())
    assert report["reasons"]
    bench.describe(gates=f'everyday = false\nclean = ["{page.name}"]\nallowed = ["1:90"]')
    assert bench.build()["outcome"] == "signed"


def test_generated_traffic_stands_in_where_no_captures_are(bench):
    """The pack carries it, so that its own self-test stops it even before the gates."""
    bench.rules(RULES + CLEAN)
    assert "1:90 (false) is found in it" in bench.refused()


def test_a_corpus_is_used_where_its_variable_is_set(bench, page, monkeypatch):
    bench.rules(RULES + CLEAN)
    bench.describe(gates='everyday = false\nclean = ["${TEST_CORPUS_OF_CAPTURES}/page.pcap"]')
    monkeypatch.delenv("TEST_CORPUS_OF_CAPTURES", raising=False)
    assert bench.build("--dry-run")["judgement"]["clean"] == []
    monkeypatch.setenv("TEST_CORPUS_OF_CAPTURES", str(page.parent))
    assert "match clean traffic" in bench.refused()


def test_what_must_be_found_and_is_not(bench, page):
    bench.describe(gates=f'[[gates.must]]\ncapture = "{page.name}"\nsignatures = ["1:90"]\n')
    assert "1:90 is not found in" in bench.refused()
    bench.rules(RULES + CLEAN)
    wanted = f'[[gates.must]]\ncapture = "{page.name}"\nsignatures = ["1:90"]\ncarried = true\n'
    bench.describe(gates=f"everyday = false\n{wanted}")
    assert bench.build()["counts"]["captures"] == 1


def facts(size=1, compared=None, share=1.0, **changes):
    judged = {"clean": [], "must": [], "slowdown": None, "against": "1.0.0"} | changes
    rules = {"share": share, "rules": 4, "loaded": 4, "reasons": {}}
    return gates.Facts({"loading": {"rules": rules}, "size": size}, judged, compared)


def test_a_pack_that_is_too_large_or_lost_most_of_its_rules_is_told_both():
    """By facts, as the engine would tell them."""
    lost = {"sizes": {"rules": [4, 1], "domains wg": [10, 5], "urls wg": [0, 3]}}
    assert gates.reasons(facts(size=2 << 20, compared=lost), description.Gates(largest=1 << 20)) == (
        "2,097,152 bytes; 1,048,576 are allowed (largest-mib)",
        "rules: 4 became 1; 0.5 of it must stay (shrink)",
    )
    assert gates.reasons(facts(), description.Gates()) == ()


@pytest.mark.parametrize(("slowdown", "refused"), [(None, False), (1.0, False), (1.5, False), (1.51, True)])
def test_a_pack_much_slower_than_the_one_before(slowdown, refused):
    """By facts: the machine that runs the tests is no measure."""
    found = gates.reasons(facts(slowdown=slowdown), description.Gates())
    assert bool(found) is refused
    assert not refused or found[0].startswith("replays take 1.51 times as long as with 1.0.0")


TEXT = st.text(max_size=12)
VALUES = st.recursive(
    st.booleans() | st.integers(-5, 10**12) | st.floats(allow_nan=True) | TEXT,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
KEYS = st.sampled_from(
    [
        "name",
        "kind",
        "urls",
        "category",
        "members",
        "largest-mib",
        "seconds",
        "shrink",
        "required",
        "clean",
        "x",
    ]
)


@settings(max_examples=200)
@given(
    st.dictionaries(KEYS, VALUES, max_size=6),
    st.dictionaries(KEYS, VALUES, max_size=3),
    st.binary(max_size=20),
)
def test_any_toml_is_a_description_or_refused(tmp_path_factory, feed, more, noise):
    folder = tmp_path_factory.getbasetemp()

    def table(name: str, values: dict) -> str:
        return f"{name}\n" + "".join(f"{key} = {toml(value)}\n" for key, value in values.items())

    usual = {"name": "a", "kind": "rules", "urls": ["http://x/"]}
    for text in (table("[[feed]]", usual | feed) + table("[gates]", more), table("[[feed]]", feed)):
        for raw in (text.encode("utf-8", "surrogatepass"), text.encode("utf-8", "replace") + noise):
            try:
                made = description.parse(raw, folder)
            except DescriptionError:
                continue
            assert made.feeds
            assert made.gates.largest > 0


def toml(value: object) -> str:
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)
