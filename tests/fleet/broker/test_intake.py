"""Every message from the broker is one of three things, whatever its bytes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.fleet.broker.intake import Garbage, Presence, Taken, read
from omamori.protocol import messages as m
from omamori.protocol.ids import boot_id, unit_id
from omamori.protocol.topics import Up, up
from omamori.protocol.vocabulary import WiringCode

UNIT, BOOT = unit_id("om-0001"), boot_id("0" * 32)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
TOPIC = up(UNIT, Up.LOG)


def sent(body: m.UpBody, sequence: int = 1, unit: str = UNIT) -> bytes:
    return m.encode_up(m.Upward(unit_id(unit), BOOT, sequence, body))


def log(process: str = "agent", text: str = "hello") -> m.Log:
    return m.Log(NOW, process, "info", text)


def test_a_message_is_taken() -> None:
    assert read(TOPIC, sent(log())) == Taken(m.Upward(UNIT, BOOT, 1, log()))


@pytest.mark.parametrize(("text", "online"), [("online", True), ("offline", False), ("", False)])
def test_birth_and_will(text: str, online: bool) -> None:  # noqa: FBT001 - a table
    assert read(TOPIC, sent(log("presence", text), sequence=0)) == Presence(UNIT, online)


def test_presence_is_only_sequence_zero() -> None:
    assert isinstance(read(TOPIC, sent(log("presence", "online"), sequence=1)), Taken)


def test_the_body_must_name_the_unit_of_the_topic() -> None:
    assert read(TOPIC, sent(log(), unit="om-0002")) == Garbage("unit om-0001 sent a message of om-0002")


def test_a_word_of_tomorrow_is_kept_unread() -> None:
    wiring = m.Wiring(NOW, (m.Finding(WiringCode.OK, 1.0, NOW),))
    match read(up(UNIT, Up.STATE), sent(wiring).replace(b'"OK"', b'"ON_FIRE"')):
        case Taken(message=m.Upward(sequence=1, body=m.Unrecognised(kind="wiring", body=body))):
            assert "ON_FIRE" in str(body)
        case other:
            pytest.fail(str(other))


@settings(max_examples=200)
@given(
    st.sampled_from([TOPIC, "", "omamori/v1", "omamori/v1/00/om-0001/up/log", "$SYS/x"]),
    st.binary(max_size=200),
)
def test_any_bytes_are_garbage_with_a_reason(topic: str, payload: bytes) -> None:
    match read(topic, payload):
        case Garbage(reason=reason):
            assert reason
        case other:
            pytest.fail(str(other))


@settings(max_examples=200)
@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_one_damaged_place_never_raises(at: int, junk: bytes) -> None:
    raw = sent(log())
    assert read(TOPIC, raw[:at] + junk + raw[at + len(junk) :])
