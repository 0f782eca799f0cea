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


MALWARE = {
    "One:0:*:4d5a9000": "",
    "Two=41424344": "",
    "Three:1:EP+4,8:4d5a9000": "",
    "Four:0:EOF-100:4d5a??00deadbeef": "",
    "Five:10:0,512:255044462d{2-8}2f4a": "",
    "Six:0:*:!(41|42)43444546(??44|4544){-20}4?": "",
    "d41d8cd98f00b204e9800998ecf8427e:0:Seven": "",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709:*:Eight:73": "",
    "Nine;Engine:51-255,Target:1,FileSize:1-9000;(0&1)|(2>3);4d5a;EP+0:60e8????0000;68656c6c6f::iwa": "",
    "Ten;Target:0;0&1=0;41424344;45464748": "",
    "A:0:*:zz": "cannot read the pattern",
    "B:99:*:41424344": "file type",
    "C:0:VI:41424344": "offset",
    "D:0:EP+0:4142434445*46": "fixed width",
    "E:0:*:41??42": "4 fixed bytes",
    "F;Target:0;0&1;41424344;0/abc/i": "PCRE",
    "G;Target:0;0&7;41424344": "pattern 7",
    "H;Target:0,Container:CL_TYPE_ZIP;0;41424344": "Container is not supported",
    "I;Target:0;(0&1;41424344;45464748": "bracket",
    "J;Target:0;0;41424344::f": "whole words",
    "K;Target:0;0&1;41424344;0(>>5#hb2#=123)": "not supported",
    "rubbish": "not a signature",
}


def test_malware_lines_and_their_refusals():
    found = parse_malware("# x\n" + "\n".join(MALWARE))
    taken = [number for number, why in enumerate(MALWARE.values(), 2) if not why]
    assert len(found.signatures) == len(taken)
    refused = dict(found.refused)
    assert sorted(refused) == [number for number, why in enumerate(MALWARE.values(), 2) if why]
    for number, why in enumerate(MALWARE.values(), 2):
        assert why in refused.get(number, "")


def test_the_test_file_is_the_known_one():
    assert len(bytes.fromhex(eicar().body)) == 68


@settings(max_examples=150)
@given(st.text(max_size=120))
def test_any_text_is_read(text):
    parse_malware(text)
    parse_list(text.splitlines(), "x")
