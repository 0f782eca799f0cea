"""Activation as a table of transitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omamori.firmware.agent.activation import (
    Active,
    Answered,
    Asking,
    Event,
    Phase,
    Pressed,
    Unreachable,
    Waiting,
    after,
    describe,
)

NOW = 1000.0


@pytest.mark.parametrize(
    ("phase", "event", "expected"),
    [
        (Waiting(), Pressed(), Asking(NOW)),
        (Waiting("refused"), Pressed(), Asking(NOW)),
        (Waiting(), Answered(200, b"{}"), Waiting()),
        (Waiting(), Unreachable("late"), Waiting()),
        (Asking(NOW), Pressed(), Asking(NOW)),
        (Asking(NOW), Answered(200, b"{}"), Active(b"{}")),
        (Asking(NOW), Unreachable("no route"), Asking(NOW + 3, 1, "no route")),
        (Asking(NOW, 1), Unreachable("no route"), Asking(NOW + 5, 2, "no route")),
        (Asking(NOW, 99), Unreachable("no route"), Asking(NOW + 61, 100, "no route")),
        (Asking(NOW), Answered(503, b""), Asking(NOW + 3, 1, "the fleet is busy (503)")),
        (Asking(NOW), Answered(429, b""), Asking(NOW + 3, 1, "the fleet is busy (429)")),
        (Asking(NOW), Answered(403, b""), Waiting("the fleet does not know this unit or its claim (403)")),
        (Asking(NOW), Answered(409, b""), Waiting("this unit was activated before, with another key (409)")),
        (Asking(NOW), Answered(418, b""), Waiting("the fleet refuses (418)")),
        (Active(b"{}"), Pressed(), Active(b"{}")),
        (Active(b"{}"), Answered(403, b""), Active(b"{}")),
    ],
)
def test_transitions(phase: Phase, event: Event, expected: Phase) -> None:
    assert after(phase, event, now=NOW, chance=0.5) == expected


PHASES = st.one_of(
    st.builds(Waiting, st.text(max_size=5)),
    st.builds(Asking, st.floats(0, 1e6), st.integers(0, 50)),
    st.builds(Active, st.binary(max_size=3)),
)
EVENTS = st.one_of(
    st.builds(Pressed),
    st.builds(Answered, st.integers(100, 599), st.binary(max_size=3)),
    st.builds(Unreachable, st.text(max_size=5)),
)


@given(PHASES, EVENTS, st.floats(0, 0.999))
def test_only_the_button_starts_and_only_a_yes_ends(phase: Phase, event: Event, chance: float) -> None:
    result = after(phase, event, now=NOW, chance=chance)
    if isinstance(phase, Waiting) and not isinstance(event, Pressed):
        assert isinstance(result, Waiting)
    if isinstance(result, Active) and not isinstance(phase, Active):
        assert isinstance(event, Answered)
        assert event.status == 200
    assert describe(result)[0]
