"""A file in which malware is being overwritten, while packets of it and acknowledgements are lost or pass unseen: it arrives, and nothing bad in it."""

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.packet import parse
from tests.firmware.engine.test_holes import Fetched

WINDOW, SIZE, GIVEN_UP = 40_000, 1460, 15
UNSEEN, LOST = "unseen", "lost"


class Line:
    """A sender, the unit and a client that acknowledges every so many packets; `chance` says what becomes of each packet."""

    def __init__(self, fetched, delay, chance):
        self.fetched, self.delay, self.chance = fetched, delay, chance
        self.base = (fetched.talk.sequences[False] - 31_000) % 2**32
        self.got = {}
        self.seen = []
        self.whole = self.acknowledged = 31_000
        self.waiting = 0

    def run(self):
        """Whether the client gets all before the sender has sent the same so often in vain."""
        vain = 0
        while self.acknowledged < len(self.fetched.sent) and vain < GIVEN_UP:
            before = self.acknowledged
            window = SIZE if vain > 2 else WINDOW
            for at in range(before, min(before + window, len(self.fetched.sent)), SIZE):
                self._send(at)
            self._acknowledge()
            self.fetched.guard.now += 1
            vain = vain + 1 if self.acknowledged == before else 0
        return self.acknowledged == len(self.fetched.sent)

    def _send(self, at):
        packet = self.fetched.talk.packet(
            to_server=False, payload=self.fetched.sent[at : at + SIZE], sequence=self.base + at
        )
        fate = self._fate()
        for out in [packet] if fate == UNSEEN else [] if fate == LOST else self.fetched.guard.feed([packet]):
            arrived = parse(out)
            begin = (arrived.sequence - self.base) % 2**32
            for index, byte in enumerate(arrived.payload, begin):
                if index not in self.got:
                    self.got[index] = byte
                    self.seen += [index] * (fate != UNSEEN)
        while self.whole in self.got:
            self.whole += 1
        self.waiting += 1
        if self.waiting >= self.delay:
            self._acknowledge()

    def _acknowledge(self):
        self.waiting = 0
        self.fetched.talk.sequences[False] = self.base + self.whole
        fate = self._fate()
        if not fate:
            self.fetched.acknowledge()
        if fate != LOST:
            self.acknowledged = self.whole

    def _fate(self):
        fate = self.chance()
        if fate == UNSEEN:
            self.fetched.guard.engine.missed(self.fetched.guard.now)
        return fate


@given(
    st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([0.0, 0.02, 0.3]), st.sampled_from([0.0, 0.03])
)
@example(1, 5, 0.3, 0.0)
@settings(max_examples=60, deadline=None)
def test_it_arrives_whole_and_nothing_bad_that_the_unit_saw(seed, delay, unseen, lost):
    """It is of zeros, in base64 `A`s, from the malware to its end."""
    fetched, draw = Fetched.mail(), random.Random(seed)

    def chance():
        number = draw.random()
        return UNSEEN if number < unseen else LOST if number < unseen + lost else ""

    line = Line(fetched, delay, chance)
    assert line.run()
    assert [at for at in line.seen if 32_000 < at < 120_000 and line.got[at] == ord("A")] == []
