"""What a release says to customers: signed with the bundle, told again, and refused where a customer would be misled."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.signing import notes
from omamori.signing.errors import TargetError
from tests.signing.conftest import NOTES


def test_notes_are_signed_with_the_bundle_and_told_in_both_languages(desk):
    desk.signed("add-firmware", desk.bundle(), "--notes", desk.notes())
    desk.signed("publish", "--to", desk.place / "www")
    raw = (desk.place / "www/metadata/2.firmware.json").read_bytes()
    custom = json.loads(raw)["signed"]["targets"]["firmware/test-2.0.0.bundle"]["custom"]
    assert custom == {"version": "2.0.0", "release": NOTES}
    assert desk.sign("notes", "2.0.0").output.splitlines() == [
        "メール添付の検査が速くなりました。",
        "重要度: 重要",
        "再起動: 必要（通信の停止は最大45秒）",
        "修正した脆弱性: CVE-2026-12345",
    ]
    assert (
        "Restart: needed (traffic stops for at most 45 s)"
        in desk.sign("notes", "2.0.0", "--language", "en").output
    )


def test_notes_are_mended_without_another_version(desk):
    desk.signed("add-firmware", desk.bundle(), "--replace")
    assert "no firmware 2.0.0 with notes" in desk.refused("notes", "2.0.0")
    assert desk.signed("add-firmware", desk.bundle(), "--notes", desk.notes())["roles"]["firmware"] == 3
    assert desk.signed("add-firmware", desk.bundle(), "--notes", desk.notes())["what"] == "already there"
    assert desk.signed("add-firmware", desk.bundle(), "--replace")["what"] == "already there"
    desk.signed("add-firmware", desk.bundle(), "--notes", desk.notes(en="Faster."))
    assert desk.sign("notes", "2.0.0", "--language", "en").output.startswith("Faster.\n")


def test_a_release_without_notes_is_none(desk):
    assert "add --notes FILE" in desk.refused("add-firmware", desk.bundle())
    assert desk.signed("status")["targets"] == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ja": "English only"}, "ja must be Japanese"),
        ({"en": "日本語"}, "en English"),
        ({"en": " "}, "en needs 1 to 1,000 characters"),
        ({"ja": "あ" * 1001}, "ja needs 1 to 1,000 characters"),
        ({"en": "a\u202eb"}, "control characters"),
        ({"severity": "huge"}, "severity"),
        ({"cves": ["CVE-26-1"]}, "'CVE-26-1' is no CVE number"),
        ({"cves": ["CVE-2026-12345"] * 2}, "each once"),
        ({"cve": []}, "cve is unknown"),
        ({"restart": {"needed": True, "seconds": 0}}, "for how long"),
        ({"restart": {"needed": False, "seconds": 9}}, "must be 0"),
        ({"restart": {"needed": True, "second": 9}}, "restart.second is unknown"),
        ({"restart": None}, "restart"),
    ],
)
def test_what_would_mislead_a_customer_is_not_signed(desk, changes, says):
    assert says in desk.refused("add-firmware", desk.bundle(), "--notes", desk.notes(**changes))
    assert desk.signed("status")["targets"] == []


@given(
    st.binary(max_size=300)
    | st.fixed_dictionaries(
        {}, optional={key: st.none() | st.text(max_size=5) | st.lists(st.text(max_size=3)) for key in NOTES}
    ).map(lambda value: json.dumps(NOTES | value).encode())
)
@settings(max_examples=200)
def test_any_bytes_are_notes_or_refused(raw):
    try:
        found = notes.parse(wire.load(raw))
    except (TargetError, ProtocolError):
        return
    assert notes.parse(notes.to_custom(found)) == found
    assert all(notes.lines(found, "ja"))
