"""Evidence in Japanese: every form reads back what it was made from, and any sentence at all costs little."""

import re
from string import Formatter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.protocol.codes.facts import CAP, MARKS, PARTS, SENTENCES, in_japanese, reason, told

EXAMPLES = {
    "number": "12",
    "long": "75 s",
    "time": "10:20:30 UTC",
    "word": "192.168.1.7",
    "macs": " (00:16:3e:00:00:01)",
    "list": "10.0.0.1, 10.0.0.2",
    "text": "00:16:3e:00:00:02",
}


def names(form):
    return {name for _, name, *_ in Formatter().parse(form) if name}


@pytest.mark.parametrize("text", [*SENTENCES, *PARTS], ids=lambda text: text.en[:40])
def test_a_form_stands_for_the_same_in_both_languages(text):
    assert names(text.en) >= names(text.ja)
    assert names(text.en) - names(text.ja) <= {"word"}
    assert re.search(r"[ぁ-んァ-ン一-龥（、：]", text.ja)


@pytest.mark.parametrize("text", SENTENCES, ids=lambda text: text.en[:40])
def test_a_sentence_keeps_what_it_tells(text):
    told_of = {name: EXAMPLES[name.rsplit("_", 1)[-1]] for name in names(text.en)}
    japanese = in_japanese(text.en.format(**told_of))
    assert japanese
    for name, value in told_of.items():
        kind = name.rsplit("_", 1)[-1]
        assert {"long": "75秒", "macs": value.strip(" ()")}.get(kind, value) in japanese


def test_what_is_of_no_form_and_what_is_read_in_english_stays():
    fact = "lan0 has had no link for 75 s"
    assert told(fact, "ja-JP") == "lan0は75秒のあいだリンクしていません"
    assert told(fact, "en") == fact
    assert told("a fact of next year", "ja") == "a fact of next year"
    assert reason("TTLs start at 128, 64", "ja") == "TTLの初期値が複数： 128, 64"
    assert reason("TTLs start at 128, 64", "en") == "TTLs start at 128, 64"


@given(
    st.lists(
        st.sampled_from([text.en for text in SENTENCES] + list(EXAMPLES.values())) | st.text(max_size=20)
    )
)
@settings(max_examples=200)
def test_any_sentence_is_told(pieces):
    fact = " ".join(pieces)
    assert told(fact, "ja") or not fact
    assert len(told(fact, "ja")) < 10 * CAP or len(fact) > CAP
    assert set(MARKS) == set(EXAMPLES)
