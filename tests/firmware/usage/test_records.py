"""The naming child's word is believed only as far as it parses."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.naming.namer import FlowKey
from omamori.firmware.usage.records import Beat, Fell, Learned, Ready, decode, encode

KEY = FlowKey(6, bytes([10, 0, 0, 1]), 40000, bytes([203, 0, 113, 9]), 443)


def test_every_record_comes_back_as_it_was_sent():
    for record in (
        Ready("4.2.0", ("files",)),
        Beat(1, 2, 3, 4),
        Fell("MemoryError()"),
        Learned(KEY, bytes([10, 0, 0, 1]), "YouTube", "video", "www.youtube.com"),
        Learned(KEY._replace(low=bytes(16), high=bytes(range(16))), b"", lookup=True, guessed=True),
    ):
        assert decode(encode(record)) == record


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["flow", "beat", "0a000001"]),
    lambda inner: st.lists(inner, max_size=12),
    max_leaves=14,
)


@settings(max_examples=300)
@given(st.binary(max_size=80) | json_values.map(lambda value: json.dumps(value).encode()))
def test_nothing_else_is_a_record_and_nothing_fails(raw):
    record = decode(raw)
    assert record is None or decode(encode(record)) == record


def test_a_flow_that_cannot_be_is_none():
    said = json.loads(encode(Learned(KEY, b"")))
    for place, value in ((1, 300), (3, 70_000), (2, "0a0000"), (2, "zz"), (10, "yes")):
        assert decode(json.dumps([*said[:place], value, *said[place + 1 :]]).encode()) is None
