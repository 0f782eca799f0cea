"""What the fleet's operations and queries refuse, with a text for the person or program that asked.

FleetError
├── NotFound      there is no such thing, or the actor may not know of it
├── NotAllowed    the actor sees it but may not do that
├── Invalid       a value cannot be; the text names it
├── Conflict      it was done already, or something newer stands in the way
└── Limited       too many attempts; try again later
"""


class FleetError(Exception):
    """An operation or query was refused."""


class NotFound(FleetError):  # noqa: N818 - reads as the answer it becomes
    """There is no such thing, or the actor may not know of it: the two are not told apart."""


class NotAllowed(FleetError):  # noqa: N818 - reads as the answer it becomes
    """The actor may not do that."""


class Invalid(FleetError):  # noqa: N818 - reads as the answer it becomes
    """A value cannot be; the text names it."""


class Conflict(FleetError):  # noqa: N818 - reads as the answer it becomes
    """Done already, or something newer stands in the way."""


class Limited(FleetError):  # noqa: N818 - reads as the answer it becomes
    """Too many attempts; try again later."""
