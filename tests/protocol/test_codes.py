"""The table of codes: complete, in both languages, every lamp pattern one's own, and its pages name everything."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lab.wiring.pages import PAGES, page
from lab.wiring.pictures import FOLDER, pictures
from omamori.firmware.lan.diagnosis import SURE
from omamori.protocol.codes import CODES
from omamori.protocol.vocabulary import WiringCode

KANA = re.compile(r"[ぁ-んァ-ン一-龥]")


def texts(entry):
    return [entry.name, entry.meaning, entry.desk, entry.clears, *entry.steps]


def test_every_code_has_its_entry_and_ok_is_last():
    assert set(CODES) == set(WiringCode)
    assert list(CODES)[-1] is WiringCode.OK
    assert all(code is entry.code for code, entry in CODES.items())


@pytest.mark.parametrize("code", WiringCode)
def test_every_text_is_there_in_both_languages(code):
    for text in texts(CODES[code]):
        assert KANA.search(text.ja)
        assert text.en
        assert not KANA.search(text.en)
    assert code is WiringCode.OK or len(CODES[code].steps) >= 3


def test_every_lamp_pattern_can_be_counted_and_told_apart():
    patterns = [(entry.lamp.long, entry.lamp.short) for entry in CODES.values()]
    assert len(set(patterns)) == len(patterns)
    assert max(max(pattern) for pattern in patterns) <= 5


def test_the_help_desk_is_told_from_when_on_ports_are_exchanged():
    told = CODES[WiringCode.PORTS_SWAPPED].desk
    assert (f"{SURE:.0%}" in told.ja, f"{SURE * 100:.0f} %" in told.en) == (True, True)


def test_a_language_we_do_not_have_is_english():
    name = CODES[WiringCode.OK].name
    assert [name.of(tag) for tag in ("ja", "ja-JP", "en", "fr", "")] == [name.ja, name.ja, *[name.en] * 3]


@pytest.mark.parametrize("name", PAGES)
def test_each_page_has_every_code_with_all_its_steps(name):
    written, language = page(name), PAGES[name][1]
    for entry in CODES.values():
        assert f"`{entry.code}`" in written
        assert all(step.of(language) in written for step in entry.steps)


def test_each_code_has_its_picture_in_both_languages_as_the_units_page_shows_it():
    root, made = Path(__file__).parents[2], pictures()
    written = {f"{FOLDER}/{path.name}": path.read_text() for path in (root / FOLDER).iterdir()}
    assert written == made, "python -m lab.reference"
    assert len(set(made.values())) == len(made) == 2 * len(CODES)
    for picture in made.values():
        assert ET.fromstring(picture).attrib["role"] == "img"  # noqa: S314 - made here
    for name in PAGES:
        named = re.findall(r"\]\((wiring/[^)]+)\)", page(name))
        assert {f"docs/guides/{each}" for each in named} <= set(made)
        assert len(named) == len(CODES) - 1
