"""What the settings process reads from the page's directory, whatever lies there; and how often a code may be guessed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.settings.gatekeeper import CLOSED, TRIES, Attempts
from omamori.firmware.settings.orders import BadOrder, Order, take

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "code", "settings", "mode"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("orders")


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=200), JSON.map(lambda value: json.dumps(value).encode())))
def test_any_file_is_an_order_of_texts_or_none_and_is_gone_afterwards(folder, content):
    path = folder / "order.json"
    path.write_bytes(content)
    try:
        order = take(path)
    except BadOrder:
        order = None
    assert not path.exists()
    if order is not None:
        assert isinstance(order, Order)
        assert all(
            isinstance(text, str)
            for text in (order.id, order.code, *order.settings, *order.settings.values())
        )


def test_no_order_is_none(folder):
    assert take(folder / "nothing.json") is None


def test_the_gate_closes_after_five_wrong_codes_and_opens_again():
    attempts = Attempts()
    for number in range(TRIES):
        assert not attempts.is_closed(100.0 + number)
        attempts = attempts.after(right=False, now=100.0 + number)
    end = 100.0 + TRIES - 1 + CLOSED
    assert attempts.is_closed(end - 1)
    assert not attempts.is_closed(end)
    assert attempts.after(right=False, now=end) == Attempts(1, attempts.closed_until)
    assert attempts.after(right=True, now=end) == Attempts()
