"""What a network's sign-in page answers in the fleet's place is told, and no answer ends the thread that asks."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omamori.firmware.lan.outreach import redirected

HOST = "fleet.example"


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("http://login.hotel.example/", "sent to http://login.hotel.example/"),
        ("http://[::1", "sent to http://[::1"),
        ("http://[login", "sent to http://[login"),
        ("/elsewhere", ""),
        (f"https://{HOST}/", ""),
    ],
)
def test_where_an_answer_leads_to_is_told(location, told):
    found = redirected(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n", HOST)
    assert found.endswith(told) if told else not found


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=80), st.sampled_from(["302", "511", ""]))
@settings(max_examples=200)
@example("http://[", "302")
def test_any_answer_is_a_sentence_or_none(location, status):
    for head in (location, f"HTTP/1.1 {status} x\r\nlocation: {location}"):
        assert len(redirected(head, HOST)) < 300
