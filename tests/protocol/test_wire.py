"""The wire form against friend and foe: what is written reads back, and garbage is refused by name and cheaply."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omamori.protocol import Malformed, ProtocolError, TooLarge, wire
from omamori.protocol import messages as m
from omamori.protocol.ids import BootId, DetectionId, Mac, UnitId
from omamori.protocol.version import Version
from omamori.protocol.window import RebootWindow

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
WHOLE = st.integers(-(2**63), 2**63 - 1)
st.register_type_strategy(str, TEXT)
st.register_type_strategy(int, WHOLE)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given below
st.register_type_strategy(datetime, MOMENTS)
st.register_type_strategy(
    Version,
    st.builds(
        Version,
        *[st.integers(0, 999_999_999)] * 3,
        st.none() | st.integers(0, 999_999),
    ),
)
UNITS = st.from_regex(r"[a-z0-9][a-z0-9-]{2,38}[a-z0-9]", fullmatch=True).map(UnitId)
BOOTS = st.from_regex(r"[0-9a-f]{32}", fullmatch=True).map(BootId)
st.register_type_strategy(
    RebootWindow,
    st.builds(
        RebootWindow,
        st.sampled_from(["Asia/Tokyo", "Europe/Berlin", "UTC"]),
        st.lists(st.integers(1, 7), min_size=1, max_size=7).map(tuple),
        st.just("22:15"),
        st.sampled_from(["02:00", "23:59"]),
    ),
)
_IDS = {
    UnitId: UNITS,
    BootId: BOOTS,
    Mac: st.from_regex(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", fullmatch=True).map(Mac),
    DetectionId: st.from_regex(r"[0-9]{1,11}-[0-9]{1,10}", fullmatch=True).map(DetectionId),
}
for _new_type, _strategy in _IDS.items():
    st.register_type_strategy(_new_type, _strategy)

JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.one_of(*[st.from_type(shape) for shape in (m.State, m.Detection, m.Hosts, m.Wiring, m.Log)])
STRANGE = st.builds(m.Unrecognised, TEXT.map("x-".__add__), st.dictionaries(TEXT, JSON, max_size=4))
UPWARD = st.builds(m.Upward, UNITS, BOOTS, st.integers(0, 2**63 - 1), BODIES | STRANGE, st.integers(1, 99))


@settings(max_examples=150)
@given(UPWARD)
def test_upward_messages_come_back_as_they_were(message: m.Upward) -> None:
    assert m.decode_up(m.encode_up(message)) == message


@settings(max_examples=60)
@given(BODIES | STRANGE)
def test_bodies_come_back_as_they_were(body: m.UpBody) -> None:
    assert m.decode_body(m.encode_body(body)) == body


@settings(max_examples=60)
@given(
    st.from_type(m.WantHint)
    | st.builds(m.Acknowledge, BOOTS, st.lists(WHOLE, max_size=50).map(tuple))
    | STRANGE
)
def test_downward_messages_come_back_as_they_were(body: m.DownBody) -> None:
    assert m.decode_down(m.encode_down(body)) == body


@settings(max_examples=60)
@given(st.one_of(*[st.from_type(shape) for shape in (m.Want, m.Claim, m.Activation, m.Activated)]))
def test_documents_come_back_as_they_were(document: m.Want) -> None:
    assert m.decode(type(document), m.encode(document)) == document


DETECTION_SHAPE = {"kind": "detection", "unit": "om-0001", "boot": "0" * 32, "sequence": 1, "body": {}}
GARBAGE = st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode())


@settings(max_examples=300)
@given(GARBAGE)
@example(b'{"sequence":' + b"9" * 5000 + b"}")
@example(b'{"a":' * 60 + b"1" + b"}" * 60)
@example(b"[" * 60_000)
@example(b'"' + b'\\"' * 30_000 + b"[" * 20)
@example(b'{"kind":"state","unit":"om-0001"}')
@example(b"\xff\xfe{}")
def test_garbage_is_refused_by_our_own_error(raw: bytes) -> None:
    for decode in (m.decode_up, m.decode_down, m.decode_body, m.salvage_up):
        assert len(refusal(decode, raw)) < 400


def refusal(decode: Callable[[bytes], object], raw: bytes) -> str:
    """What was wrong, or nothing; an error that is not ours fails the test."""
    try:
        decode(raw)
    except ProtocolError as error:
        return str(error)
    return ""


@settings(max_examples=200)
@given(BODIES, st.data())
def test_one_wrong_field_is_refused_or_means_something_else(body: m.UpBody, data: st.DataObject) -> None:
    whole = json.loads(m.encode_body(body))
    field = data.draw(st.sampled_from(sorted(whole["body"])))
    whole["body"][field] = data.draw(JSON | st.just(float("1e308")) | st.just(10**400))
    raw = json.dumps(whole).encode()
    if complaint := refusal(m.decode_body, raw):
        assert complaint.startswith(whole["kind"])
        assert field in complaint
    else:
        read = m.decode_body(raw)
        assert m.decode_body(m.encode_body(read)) == read


def test_ten_megabytes_are_refused_before_they_are_parsed() -> None:
    payload = b'{"kind":"log","body":{"text":"' + b"x" * 10_000_000 + b'"}}'
    for refused in (
        payload,
        b"\xff" * len(payload),
    ):  # what a parser would call malformed is called too large
        with pytest.raises(TooLarge, match="10,000,033 bytes where at most 65,536 are allowed"):
            m.decode_up(refused)


@pytest.mark.parametrize(
    "hostile",
    [
        b"[" * 65_000,
        b'"' * 65_000,
        b'"' + b'\\"' * 32_000,
        b'"' + b"\\" * 65_000,
        b'{"' * 32_000,
        b"\\u0000" * 10_000,
    ],
    ids=["brackets", "quotes", "escaped quotes", "backslashes", "objects", "escapes"],
)
def test_hostile_bytes_cost_little(hostile: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(Malformed):
        wire.load(hostile)
    assert time.process_time() - begun < 0.25


def test_brackets_in_a_url_do_not_hide_a_detection() -> None:
    log = m.Log(datetime.now(UTC), "bridge", "info", 'http://example/?q="' + "[{" * 500)
    assert m.decode_body(m.encode_body(log)) == log


def test_nesting_is_bounded() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * levels + b'"[[["' + b"}" * levels

    assert wire.load(nested(wire.DEPTH_CAP))
    with pytest.raises(Malformed, match="nested deeper"):
        wire.load(nested(wire.DEPTH_CAP + 1))


def test_text_is_made_storable() -> None:
    raw = rb'{"kind":"x-\u0000","body":{"\ud800":["\udc00 \ud83d\ude00 \\u0000"]}}'
    assert m.decode_body(raw) == m.Unrecognised("x-\ufffd", {"\ufffd": ["\ufffd 😀 \\u0000"]})
    odd = m.Log(datetime(2026, 1, 1, tzinfo=UTC), "bridge", "info", "a\ud800b\0c")
    assert m.decode_body(m.encode_body(odd)).text == "a?b\ufffdc"


def test_an_unknown_kind_is_kept_as_it_came() -> None:
    raw = json.dumps(
        {**DETECTION_SHAPE, "kind": "quantum", "body": {"spin": True, "of": None}, "capability": 99}
    )
    read = m.decode_up(raw.encode())
    assert read.body == m.Unrecognised("quantum", {"spin": True, "of": None})
    assert json.loads(m.encode_up(read)) == json.loads(raw)


def test_a_known_kind_with_a_newer_word_can_be_salvaged() -> None:
    log = m.Upward(
        UnitId("om-0001"),
        BootId("0" * 32),
        5,
        m.Wiring(datetime.now(UTC), (m.Finding("OK", 1.0, datetime.now(UTC)),)),  # type: ignore[arg-type]
    )
    raw = m.encode_up(log).replace(b'"OK"', b'"ROUTER_ON_FIRE"')
    with pytest.raises(Malformed, match=r"wiring\.findings\[0\]\.code: 'ROUTER_ON_FIRE' is none of"):
        m.decode_up(raw)
    saved = m.salvage_up(raw)
    assert (saved.unit, saved.boot, saved.sequence) == (log.unit, log.boot, log.sequence)
    assert isinstance(saved.body, m.Unrecognised)
    assert saved.body.kind == "wiring"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"unit": "Om.0001"}, "unit: not a unit id"),
        ({"unit": None}, "unit: expected str, not NoneType"),
        ({"boot": "0" * 31}, "boot: not a boot id"),
        ({"sequence": -1}, "sequence: -1 is negative"),
        ({"sequence": True}, "sequence: expected int, not bool"),
        ({"sequence": 2**63}, "sequence: an integer beyond 64 bits"),
        ({"sequence": 1.0}, "sequence: expected int, not float"),
        ({"kind": 5}, "kind: expected str, not int"),
        ({"body": []}, "body: expected dict, not list"),
        ({"kind": "state"}, "state.time: missing"),
    ],
)
def test_a_wrong_envelope_is_named(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(Malformed) as refused:
        m.decode_up(json.dumps({**DETECTION_SHAPE, **change}).encode())
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("uptime", 10**400, "state.uptime: not a finite number"),
        ("uptime", True, "state.uptime: expected int or float, not bool"),
        ("time", "2026-01-01T00:00:00", "state.time: a time without a zone"),
        ("time", "9999-12-31T23:59:59-14:00", "state.time: not an ISO 8601 time"),
        ("firmware", "1.2", "state.firmware: not a version"),
        ("generation", 2**64, "state.generation: an integer beyond 64 bits"),
        ("update", {"phase": "melting"}, "state.update.phase: 'melting' is none of"),
        ("update", {"phase": ["idle"]}, "state.update.phase: expected str, not list"),
        ("bridge", 5, "state.bridge: expected an object"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object, complaint: str) -> None:
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    state = m.State(moment, Version(1, 0, 0), "a", None, 1, m.UpdateState("idle"), m.BridgeState(), 5.0)  # type: ignore[arg-type]
    whole = json.loads(m.encode_body(state))
    whole["body"][field] = value
    with pytest.raises(Malformed) as refused:
        m.decode_body(json.dumps(whole).encode())
    assert complaint in str(refused.value)


def test_a_window_that_cannot_be_is_refused_with_its_place() -> None:
    with pytest.raises(Malformed, match=r"window.*not an IANA time zone: 'Mars/Base'"):
        m.decode(
            m.Want,
            b'{"generation":1,"window":{"timezone":"Mars/Base","weekdays":[1],"start":"01:00","end":"02:00"}}',
        )


def test_times_travel_in_utc_and_what_is_written_is_capped() -> None:
    tokyo = datetime.fromisoformat("2026-05-01T09:00:00+09:00")
    assert b'"2026-05-01T00:00:00Z"' in m.encode_body(m.Log(tokyo, "agent", "info", ""))
    with pytest.raises(TooLarge):
        m.encode_body(m.Log(tokyo + timedelta(1), "agent", "info", "長" * 30_000))


def test_secrets_stay_out_of_logs() -> None:
    claim = m.Claim(UnitId("om-0001"), "hush", "https://fleet.example", "PEM")
    assert "hush" not in repr(claim)
    assert "hush" not in repr(m.Activation(UnitId("om-0001"), "hush", "PEM"))
