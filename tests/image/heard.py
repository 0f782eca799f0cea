"""Progress that remembers."""


class Heard:
    """What ended, and whether it was there already."""

    def __init__(self):
        self.ends = []

    def started(self, name):
        pass

    def ended(self, name, seconds, *, reused):
        assert seconds >= 0
        self.ends.append((name, reused))

    @property
    def made(self):
        return [name for name, reused in self.ends if not reused]
