"""Which messages are on their way: bounded, repeated, and never stuck."""

from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.agent.window import ASIDE, FIRST_WAIT, LONGEST_WAIT, SIZE, Window


def test_it_is_bounded_and_empties() -> None:
    window = Window()
    for id_ in range(SIZE):
        window.sent(id_, 0)
    assert window.room() == 0
    window.gone([3, 4, 999])
    assert window.room() == 2


def test_what_is_not_confirmed_is_sent_again_and_waits_longer_each_time() -> None:
    window, now, times = Window(), 0.0, []
    window.sent(1, now)
    while len(times) < 8:
        now += 1
        for id_ in window.due(now):
            window.sent(id_, now)
            times.append(now)
    gaps = [later - earlier for earlier, later in zip([0.0, *times], times, strict=False)]
    assert gaps == [FIRST_WAIT, *(min(FIRST_WAIT * 2**n, LONGEST_WAIT) for n in range(1, 8))]


def test_a_sign_of_life_makes_all_due_at_once() -> None:
    window = Window(wait=LONGEST_WAIT)
    window.sent(1, 0)
    assert window.due(FIRST_WAIT + 1) == []
    window.alive()
    assert window.due(FIRST_WAIT + 1) == [1]


def test_a_message_that_others_pass_steps_aside_and_comes_back() -> None:
    window, now = Window(), 0.0
    window.sent(1, now)
    for other in range(2, 6):
        window.sent(other, now)
        window.gone([other])
        now += FIRST_WAIT
        for id_ in window.due(now):
            window.sent(id_, now)
    assert window.room() == SIZE, "it no longer takes a place"
    assert window.due(now + 1) == []
    assert window.due(now + ASIDE) == [1]


STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "confirm", "wait", "alive"]), st.integers(0, 30)), max_size=80
)


@settings(max_examples=100)
@given(STEPS)
def test_nothing_is_forgotten(steps: list[tuple[str, int]]) -> None:
    window, now, unconfirmed, next_id = Window(), 0.0, set(), 0
    for act, number in steps:
        if act == "send" and window.room():
            window.sent(next_id, now)
            unconfirmed.add(next_id)
            next_id += 1
        elif act == "confirm":
            window.gone([number])
            unconfirmed.discard(number)
        elif act == "wait":
            now += number
            for id_ in window.due(now):
                window.sent(id_, now)
        else:
            window.alive()
        assert 0 <= window.room() <= SIZE
    window.alive()
    again = set()
    for _ in range(2):
        now += ASIDE + LONGEST_WAIT
        again |= set(window.due(now))
    assert again == unconfirmed
