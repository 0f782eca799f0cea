"""Domain lists and malware signatures as they are published."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.signatures.antivirus_lists import eicar, parse_malware
from omamori.firmware.signatures.lists import ListError, guard_of, parse_list, read_list
from omamori.protocol.vocabulary import Guard


def test_every_form_of_list():
    found = parse_list(
        [
            "# comment",
            "evil.example",
            "0.0.0.0 ads.example tracker.example # note",
            "127.0.0.1 localhost",
            "||blocked.example^",
            "*.wild.example",
            ".dotted.example",
            "UPPER.Example.",
            "192.0.2.1",
            "not a domain!",
            "日本.example",
        ],
        "phishing",
    )
    assert found.domains == [
        "evil.example",
        "ads.example",
        "tracker.example",
        "blocked.example",
        "wild.example",
        "dotted.example",
        "upper.example",
        "xn--wgv71a.example",
    ]
    assert found.addresses == ["192.0.2.1"]
    assert found.skipped == 3


def test_a_file_of_something_else_is_no_list(tmp_path):
    path = tmp_path / "program"
    path.write_bytes(bytes(range(256)) * 40)
    path.write_text("int main(void) { return 0; }\n" * 50, encoding="utf-8")
    with pytest.raises(ListError, match="no domains"):
        read_list(path, "phishing")


@pytest.mark.parametrize(
    ("category", "guard"),
    [("phishing", Guard.WG), ("malware", Guard.WG), ("gambling", Guard.UF), ("games", Guard.APG)],
)
def test_categories_belong_to_guards(category, guard):
    assert guard_of(category) is guard


def test_malware_lines_and_their_refusals():
    found = parse_malware(
        "# x\nOne:0:*:4d5a9000\nTwo=41424344\nThree:1:*:4d5a9000\nFour:0:EP+0:4d5a9000\nFive:0:*:zz\nrubbish"
    )
    assert [each.name for each in found.signatures] == ["One", "Two"]
    assert [line for line, _ in found.refused] == [4, 5, 6, 7]


def test_the_test_file_is_the_known_one():
    assert len(bytes.fromhex(eicar().body)) == 68


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_read(text):
    parse_malware(text)
    parse_list(text.splitlines(), "x")
