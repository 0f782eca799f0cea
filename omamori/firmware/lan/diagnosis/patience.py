"""How long the diagnosis waits before silence, or one sign, means something. Only durations."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Patience:
    """The defaults are those of the product."""

    carrier: timedelta = timedelta(seconds=4)
    """Two ports that agree on a speed take up to three seconds."""
    quiet: timedelta = timedelta(seconds=20)
    """After link up, where no host was ever known: a hub with anything on it speaks sooner."""
    returning: timedelta = timedelta(seconds=90)
    """After link up, where hosts are known: after a power cut they take longer than the unit."""
    asleep: timedelta = timedelta(hours=72)
    """Without a touched cable: known hosts may be off over a long weekend."""
    sure: timedelta = timedelta(minutes=10)
    """Silence for this long is as sure as silence gets."""
    moved: timedelta = timedelta(seconds=10)
    """A station heard on both ports within this time has not moved: the ports meet somewhere outside."""
    tagged: timedelta = timedelta(seconds=15)
    """A network that has untagged frames at all shows one within this time."""
    second: timedelta = timedelta(seconds=4)
    """After link up: whoever gives out addresses, too, has answered by then."""
    lease: timedelta = timedelta(seconds=25)
    """After link up: an address is there, or nobody gives one."""
    astray: timedelta = timedelta(minutes=10)
    """A host heard on the router's side this long ago is still there."""
    looping: timedelta = timedelta(seconds=5)
    """A probe that returned this long ago still counts."""
    crossing: timedelta = timedelta(seconds=75)
    """Hosts that are awake for so long open a connection."""
    answered: timedelta = timedelta(seconds=90)
    """An answer from the internet this long ago is proof that it is there."""
    session: timedelta = timedelta(seconds=60)
    """The agent's session comes back within this time if it can."""
    clock: timedelta = timedelta(minutes=5)
    """A clock that is wrong by less does no harm."""


PATIENCE: Final = Patience()
