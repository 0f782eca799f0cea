"""Words and translations: every code has words, every text is in Japanese, the compiled catalogue is the present one."""

import gettext
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.utils import translation

from omamori.fleet import portal
from omamori.fleet.portal import reasons, words
from omamori.fleet.portal.status import Facts, Level, status
from omamori.protocol.reasons import Dropped, Unfollowed, Uninspected
from omamori.protocol.vocabulary import Action, Direction, Guard, Severity, Side, UpdatePhase, WiringCode

ROOM = Path(portal.__file__).parent
CATALOGUE = ROOM / "locale/ja/LC_MESSAGES/django.po"
TABLES = {
    "guards": (words.GUARDS, Guard),
    "actions": (words.ACTIONS, Action),
    "directions": (words.DIRECTIONS, Direction),
    "severities": (words.SEVERITIES, Severity),
    "sides": (words.SIDES, Side),
    "wiring": (words.WIRING, WiringCode),
    "phases": (words.PHASES, UpdatePhase),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_code_has_words(name):
    table, codes = TABLES[name]
    assert set(table) == set(codes)


def test_every_reason_has_words():
    told = {"dropped": {*Guard, *Dropped}, "uninspected": {*Uninspected}, "unfollowed": {*Unfollowed}}
    assert set(reasons.KINDS) == set(told)
    assert set(reasons.REASONS) == {(kind, word) for kind, words in told.items() for word in words}


def test_every_fault_of_the_wiring_has_steps():
    assert all(len(words.WIRING[code].steps) >= 3 for code in WiringCode if code is not WiringCode.OK)


def messages(path: Path) -> dict[str, str]:
    entries = path.read_text(encoding="utf-8").split("\n\n")[1:]
    found = (
        re.search(r'^msgid "(.+)"\n(?:msgid_plural ".*"\n)?msgstr(?:\[0\])? "(.*)"', e, re.MULTILINE)
        for e in entries
    )
    return {match[1]: match[2] for match in found if match}


def test_every_text_is_translated(tmp_path):
    for name in ("templates", "locale"):
        shutil.copytree(ROOM / name, tmp_path / name)
    for path in ROOM.glob("*.py"):
        shutil.copy(path, tmp_path)
    command = [
        sys.executable,
        "-m",
        "django",
        "makemessages",
        "-l",
        "ja",
        "--no-wrap",
        "--no-location",
        "--no-obsolete",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    wanted, have = messages(tmp_path / "locale/ja/LC_MESSAGES/django.po"), messages(CATALOGUE)
    assert len(wanted) > 150
    assert sorted(set(wanted) - set(have)) == []
    assert [text for text in wanted if not have[text]] == []


def test_the_compiled_catalogue_is_the_present_one(tmp_path):
    subprocess.run(["msgfmt", "-o", tmp_path / "ja.mo", CATALOGUE], check=True, capture_output=True)
    with (tmp_path / "ja.mo").open("rb") as fresh, CATALOGUE.with_suffix(".mo").open("rb") as shipped:
        assert gettext.GNUTranslations(shipped)._catalog == gettext.GNUTranslations(fresh)._catalog


@pytest.mark.parametrize(
    ("facts", "level", "page"),
    [
        (Facts(activated=False, online=False, inspecting=False), Level.WAITING, "unit"),
        (
            Facts(activated=True, online=True, inspecting=True, wiring=["OK"], urgent=1),
            Level.DANGER,
            "detections",
        ),
        (Facts(activated=True, online=False, inspecting=True, wiring=["OK"]), Level.WARNING, "unit"),
        (
            Facts(activated=True, online=True, inspecting=True, wiring=["PORTS_SWAPPED"]),
            Level.WARNING,
            "wiring",
        ),
        (Facts(activated=True, online=True, inspecting=False, wiring=["OK"]), Level.WARNING, "unit"),
        (Facts(activated=True, online=True, inspecting=True), Level.WAITING, "wiring"),
        (Facts(activated=True, online=True, inspecting=True, wiring=["OK"]), Level.GOOD, "unit"),
    ],
)
def test_the_most_pressing_thing_is_said(facts, level, page):
    found = status(facts)
    assert (found.level, found.page) == (level, page)
    with translation.override("en"):
        english = str(found.title)
    with translation.override("ja"):
        assert str(found.title) != english
