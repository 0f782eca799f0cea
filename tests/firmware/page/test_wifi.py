"""The access point's part of the settings: where it is shown, what is refused, what reaches hostapd, and who may read the passphrase."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.host import accesspoint
from omamori.firmware.host.accesspoint import AccessPoint, Protection, configuration, fields, load, parse
from omamori.firmware.host.sealing import Kept, Tpm, Unopenable
from omamori.firmware.host.settings import BadSettings
from tests.chips import chip
from tests.firmware.page.browsing import FIXED, Visitor

SECRET = "correct horse # battery"
WIFI = {
    "wifi": "on",
    "ssid": "事務所 Wi-Fi",
    "passphrase": SECRET,
    "protection": "wpa2-wpa3",
    "channel": "6",
}
FORM = {**FIXED, "mode": "automatic", **WIFI}


def with_radio(unit, *, on_air=False):
    unit.paths.radio.mkdir(parents=True)
    unit.paths.radio.with_name("carrier").write_text("1\n" if on_air else "0\n")


@pytest.fixture
def visitor(unit, page):
    with_radio(unit)
    made = Visitor(page)
    made.get()
    return made


def order(unit):
    return json.loads(unit.paths.order.read_bytes()) if unit.paths.order.exists() else None


def kept(unit, **changed):
    unit.write(unit.paths.outcome, {"state": "kept", "settings": {**fields(parse(WIFI)), **changed}})


# --- the page ---------------------------------------------------------------------------------------------------------


def test_a_unit_without_a_radio_shows_no_word_of_it_and_takes_none(unit, page):
    visitor = Visitor(page)
    assert "Wi-Fi" not in visitor.get().replace("Hub / access point", "")
    visitor.send(FORM)
    assert "wifi" not in order(unit)["settings"]


@pytest.mark.parametrize(
    ("language", "word"), [("en", "Run the access point"), ("ja", "Wi-Fi親機として使う")]
)
def test_where_there_is_one_it_is_off_until_somebody_wants_it(unit, page, language, word):
    with_radio(unit)
    shown = Visitor(page, language=language).get()
    assert word in shown
    assert 'name="wifi" value="off" checked' in shown
    assert len(shown.encode()) < 100_000


def test_the_order_has_all_of_it_for_root_alone_and_the_page_does_not_show_the_passphrase_again(
    unit, visitor
):
    visitor.send(FORM)
    assert visitor.status == 200
    left = order(unit)["settings"]
    assert {name: left[name] for name in WIFI} == WIFI
    assert unit.paths.order.stat().st_mode & 0o777 == 0o600
    assert SECRET not in visitor.document
    assert SECRET not in visitor.send({**FORM, "ssid": ""}, token="")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("ssid", "", "A name is needed"),
        ("ssid", "あ" * 11, "A name is needed"),
        ("ssid", "office\nwpa=0", "A name is needed"),
        ("passphrase", "", "8 to 63"),
        ("passphrase", "1234567", "8 to 63"),
        ("passphrase", "x" * 64, "8 to 63"),
        ("passphrase", "ひみつのことば" * 2, "8 to 63"),
        ("passphrase", "12345678\nwpa=0", "8 to 63"),
        ("passphrase", "12345678 ", "without a blank"),
        ("protection", "open", "choose one"),
        ("channel", "13", "choose one"),
        ("wifi", "maybe", "choose one"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_ordered(unit, visitor, field, value, told):
    shown = visitor.send({**FORM, field: value})
    assert visitor.status == 422
    assert f'class="wrong" id="{field}-wrong">' in shown
    assert told in shown
    assert SECRET not in shown
    assert order(unit) is None


def test_what_is_wrong_is_told_in_japanese(unit, page):
    with_radio(unit)
    visitor = Visitor(page, language="ja")
    visitor.get()
    assert "半角英数字と記号で8～63文字を入力してください" in visitor.send({**FORM, "passphrase": "short"})


def test_the_passphrase_need_not_be_typed_again(unit, visitor):
    kept(unit)
    visitor.get()
    assert (visitor.value("ssid"), visitor.value("passphrase")) == (WIFI["ssid"], "")
    visitor.send({**FORM, "passphrase": "", "channel": "11"})
    assert order(unit)["settings"]["passphrase"] == ""


@pytest.mark.parametrize(("on_air", "told"), [(True, "access point is on"), (False, "is not running")])
def test_an_access_point_that_does_not_run_is_told(unit, page, on_air, told):
    with_radio(unit, on_air=on_air)
    kept(unit)
    assert told in Visitor(page).get()


def test_a_radio_that_failed_is_told(unit, visitor):
    unit.write(unit.paths.outcome, {"state": "radio failed", "settings": {"wifi": "off"}})
    assert "could not be started" in visitor.get()


# --- what may be set --------------------------------------------------------------------------------------------------


def test_full_width_letters_of_a_passphrase_are_read_and_a_japanese_name_stays_as_it_is():
    read = parse({**WIFI, "passphrase": "ｐａｓｓ１２３４", "ssid": "ｵﾌｨｽ２階"})
    assert read == AccessPoint("ｵﾌｨｽ２階", "pass1234")


def test_the_kept_passphrase_is_used_where_none_is_typed():
    assert parse({**WIFI, "passphrase": ""}, kept=SECRET).passphrase == SECRET


def test_the_stored_file_is_the_owners_alone_and_goes_when_it_is_off(tmp_path):
    path = tmp_path / "settings/access-point.json"
    wanted = parse(WIFI)
    kept = Kept(path, None)
    assert load(kept) is None
    accesspoint.store(kept, wanted)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(kept) == wanted
    accesspoint.store(kept, None)
    assert not path.exists()


def test_with_a_tpm_it_lies_there_sealed_and_one_that_lay_there_plain_counts_until_the_next(tmp_path):
    kept = Kept(tmp_path / "access-point.json", chip(tmp_path / "chip"))
    older, wanted = parse({**WIFI, "ssid": "of before the TPM"}), parse(WIFI)
    accesspoint.store(Kept(kept.plain, None), older)
    assert load(kept) == older
    accesspoint.store(kept, wanted)
    assert load(kept) == wanted
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["access-point.json.sealed"]
    assert SECRET.encode() not in kept.sealed.read_bytes()
    with pytest.raises(Unopenable):
        load(Kept(kept.plain, chip(tmp_path / "another")))
    accesspoint.store(kept, None)
    assert not kept.sealed.exists()


def test_a_tpm_that_does_not_seal_leaves_it_plain(tmp_path):
    kept = Kept(tmp_path / "access-point.json", chip(tmp_path / "chip"))
    accesspoint.store(kept, parse(WIFI))
    broken = Kept(kept.plain, Tpm(f"swtpm:path={tmp_path / 'nobody'}"))
    wanted = parse({**WIFI, "ssid": "newer"})
    accesspoint.store(broken, wanted)
    assert load(kept) == wanted
    assert not kept.sealed.exists()


def test_neither_what_is_shown_nor_its_repr_has_the_passphrase():
    wanted = parse(WIFI)
    assert SECRET not in repr(wanted)
    assert SECRET not in repr(fields(wanted))


@pytest.mark.parametrize(
    ("protection", "channel", "expected"),
    [
        ("wpa2-wpa3", "6", {"wpa_key_mgmt": "WPA-PSK SAE", "ieee80211w": "1", "hw_mode": "g"}),
        ("wpa3", "6", {"wpa_key_mgmt": "SAE", "ieee80211w": "2", "hw_mode": "g"}),
        ("wpa3", "36", {"wpa_key_mgmt": "SAE", "ieee80211w": "2", "hw_mode": "a", "channel": "36"}),
    ],
)
def test_hostapd_is_told_the_protection_and_the_band(protection, channel, expected):
    told = read_back(configuration(parse({**WIFI, "protection": protection, "channel": channel})))
    assert told.items() >= expected.items()
    assert told.items() >= {"country_code": "JP", "ap_isolate": "0", "wpa": "2", "bridge": "br0"}.items()
    assert bytes.fromhex(told["ssid2"]).decode() == WIFI["ssid"]
    assert told["wpa_passphrase"] == SECRET


def read_back(text):
    """As hostapd reads it: each line a name, an equals sign, and the rest."""
    return dict(line.split("=", 1) for line in text.decode().splitlines())


NAMES = set(read_back(configuration(AccessPoint("x", "12345678"))))


@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "wifi": st.sampled_from(["on", "on", "on", "off", "", "x"]),
            "ssid": st.one_of(st.text(max_size=40), st.just("office")),
            "passphrase": st.one_of(
                st.text(max_size=70), st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8)
            ),
            "protection": st.sampled_from([*map(str, Protection), "", "none"]),
            "channel": st.one_of(st.just(""), st.integers(0, 50).map(str)),
        },
    )
)
def test_anything_typed_is_an_access_point_or_problems_and_adds_no_line_to_the_configuration(values):
    try:
        read = parse(values)
    except BadSettings:
        return
    if read is None:
        return
    told = configuration(read)
    assert len(told.decode().splitlines()) == told.count(b"\n") == len(NAMES)
    assert set(read_back(told)) == NAMES
    assert parse({**fields(read), "passphrase": read.passphrase}) == read


@settings(max_examples=200)
@given(content=st.binary(max_size=60) | st.sampled_from([b"[1]", b"{" * 5000, b'{"wifi": "on"}']))
def test_a_stored_file_is_an_access_point_or_an_error(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "access-point.json"
    path.write_bytes(content)
    with contextlib.suppress(ValueError):
        assert isinstance(load(Kept(path, None)), AccessPoint | None)
