"""The settings form: who may send it, what is wrong with it, what it is checked against, and the order that it leaves."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.host.settings import BadSettings, Settings, fields, parse
from omamori.protocol.label import is_label_code, label_code
from omamori.protocol.vocabulary import Side, WiringCode
from tests.firmware.page.browsing import FIXED, Visitor
from tests.firmware.page.conftest import host, served


@pytest.fixture
def visitor(page):
    made = Visitor(page)
    made.get()
    return made


def order(unit):
    return json.loads(unit.paths.order.read_bytes()) if unit.paths.order.exists() else None


def test_a_sound_form_leaves_an_order_that_only_root_and_the_page_read(unit, visitor):
    shown = visitor.send(FIXED)
    assert visitor.status == 200
    assert "checking the code" in shown
    assert '<meta http-equiv="refresh" content="5">' in shown
    left = order(unit)
    assert left["code"] == "AAAA-AAAA"
    assert left["settings"] == {
        name: FIXED[name] for name in ("mode", "address", "mask", "gateway", "servers", "proxy")
    }
    assert unit.paths.order.stat().st_mode & 0o777 == 0o600
    visitor.send(FIXED, token="")
    assert visitor.status == 403


def test_a_second_change_waits_for_the_first(unit, visitor):
    token = visitor.token
    visitor.send(FIXED)
    first = order(unit)
    visitor.send({**FIXED, "address": "192.168.10.99"}, token=token)
    assert visitor.status == 409
    assert order(unit) == first


@pytest.mark.parametrize(
    "forgery",
    [
        {"token": ""},
        {"token": "0" * 64},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec_Fetch_Site": "cross-site"},
        {"Cookie": "omamori=00000000000000000000000000000000"},
        {"Cookie": ""},
        {"Cookie": "omamori=;;==\"'"},
    ],
)
def test_a_form_of_another_site_changes_nothing(unit, visitor, forgery):
    visitor.send(FIXED, **forgery)
    assert visitor.status == 403
    assert order(unit) is None
    assert visitor.value("address") == FIXED["address"]


def test_a_form_from_before_a_restart_is_shown_again_with_what_was_typed(unit, visitor):
    token, cookie = visitor.token, visitor.cookie
    with served(unit) as later:
        again = Visitor(later)
        again.cookie = cookie
        assert "open for too long" in again.send(FIXED, token=token)
        assert again.value("gateway") == "192.168.10.1"
        again.send(
            {name: again.value(name) for name in FIXED if name != "mode"} | {"mode": "fixed", "code": "A"}
        )
        assert order(unit)["settings"]["address"] == "192.168.10.250"


def test_the_cookie_stays_with_us(page):
    visitor = Visitor(page)
    visitor.get()
    first = visitor.cookie
    visitor.get()
    assert visitor.cookie == first


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("address", "192.168.10", "no IP address"),
        ("address", "", "no IP address"),
        ("address", "<b>", "no IP address"),
        ("address", "192.168.10.255", "cannot have this address"),
        ("address", "127.0.0.1", "cannot have this address"),
        ("mask", "255.255.0.255", "no subnet mask"),
        ("mask", "255.255.255.255", "no subnet mask"),
        ("gateway", "router", "no IP address of a router"),
        ("gateway", "192.168.11.1", "not in the same network"),
        ("gateway", "192.168.10.0", "not in the same network"),
        ("gateway", "192.168.10.250", "address of its own"),
        ("servers", "8.8.8.8, dns.example", "Up to three"),
        ("servers", "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4", "Up to three"),
        ("proxy", "proxy.example.jp:99999", "no proxy"),
        ("proxy", "user@proxy.example.jp:8080", "no proxy"),
        ("proxy", "https://proxy.example.jp", "no proxy"),
        ("code", "  ", "enter the code"),
        ("mode", "wrong", "choose one"),
    ],
)
def test_what_is_wrong_is_told_beside_the_field_and_nothing_is_ordered(unit, visitor, field, value, told):
    shown = visitor.send({**FIXED, field: value})
    assert visitor.status == 422
    assert f'class="wrong" id="{field}-wrong">' in shown
    assert told in shown
    assert order(unit) is None


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        (host(250, name="古いNAS"), "Another device uses this address: 古いNAS"),
        (host(10, address="10.1.2.3"), "one that was heard is: 10.1.2.3"),
        (host(1, name="wrong side"), "belongs to a device behind the unit: wrong side"),
    ],
)
def test_what_was_overheard_speaks_against_it_until_somebody_insists(unit, visitor, heard, told):
    unit.hosts(heard)
    shown = visitor.send(FIXED)
    assert visitor.status == 422
    assert told in shown
    assert order(unit) is None
    visitor.send({**FIXED, "sure": "yes"})
    assert order(unit)["settings"]["address"] == "192.168.10.250"


def test_a_router_in_front_does_not_speak_against_it(unit, visitor):
    unit.hosts(host(1, side=Side.ROUTER), host(10))
    visitor.send(FIXED)
    assert order(unit)


def test_the_diagnosis_proposes_what_stands_in_the_form(unit, visitor):
    unit.wired(WiringCode.NO_ADDRESS)
    assert "Proposed from what the unit overheard" in visitor.get()
    assert [visitor.value(name) for name in ("address", "mask", "gateway")] == [
        "192.168.10.250",
        "255.255.255.0",
        "192.168.10.1",
    ]
    assert 'value="fixed" checked' in visitor.document


def test_what_is_in_force_stands_in_the_form(unit, visitor):
    unit.write(unit.paths.outcome, {"state": "kept", "settings": {**FIXED, "proxy": "proxy.example.jp:8080"}})
    assert "new settings are in force" in visitor.get()
    assert visitor.value("proxy") == "proxy.example.jp:8080"


@pytest.mark.parametrize(
    "broken", [b"[1]", b'{"state": 7, "settings": [[]], "until": {}}', b"{" * 5000, b"\xff"]
)
def test_an_odd_outcome_shows_the_form(unit, visitor, broken):
    unit.paths.outcome.parent.mkdir(parents=True)
    unit.paths.outcome.write_bytes(broken)
    visitor.get()
    assert visitor.status == 200
    assert visitor.token


def test_full_width_digits_and_a_prefix_are_read():
    read = parse({**FIXED, "address": "１９２．１６８．１０．２５０／２４", "gateway": "１９２.168.10.1"})
    assert read == parse(FIXED)
    assert parse({"proxy": "http://Proxy.Example.JP/"}).proxy.port == 8080


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(list(FIXED)),
        st.one_of(st.text(max_size=40), st.sampled_from([*FIXED.values(), "10.0.0.1/8"])),
    )
)
def test_anything_typed_is_settings_or_problems_and_what_is_read_is_stable(values):
    try:
        read = parse(values)
    except BadSettings:
        return
    assert isinstance(read, Settings)
    assert parse(fields(read)) == read


def test_the_label_code_is_read_as_people_type_it():
    code = label_code("om-0001", "secret")
    assert code == label_code("om-0001", "secret")
    assert code not in {label_code("om-0001", "other"), label_code("om-0002", "secret")}
    for typed in (
        code,
        code.lower(),
        code.replace("-", ""),
        f" {code} ",
        code.replace("0", "O").replace("1", "l"),
    ):
        assert is_label_code(typed, code)
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in code)
    assert is_label_code(wide, code)
    for typed in ("", code[:-1], code + "0", "é" * 9, "\udc80"):
        assert not is_label_code(typed, code)
