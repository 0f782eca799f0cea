"""Why there is no pack; the tree is drawn in the package docstring. Each text says what to do next."""

from collections.abc import Iterable

from omamori.signing.errors import SigningError


class PackError(SigningError):
    """Nothing was built, signed or published."""


class DescriptionError(PackError):
    """The TOML file does not describe a pack."""


class FeedError(PackError):
    """A feed could not be had, or not as it must be."""


class WorkshopError(PackError):
    """The engine could not make or judge a pack of it."""


class GateError(PackError):
    """A pack that is not good enough."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("the pack is refused:\n" + "\n".join(f"- {reason}" for reason in self.reasons))


class ChannelError(PackError):
    """A pack that may not go to the next channel."""
