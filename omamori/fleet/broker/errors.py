"""What can go wrong in this room; the tree is drawn in the package docstring."""


class BrokerRoomError(Exception):
    """Anything this room raises."""


class AuthorityError(BrokerRoomError):
    """The authority's files are missing, unreadable or do not belong together."""


class RequestRefused(BrokerRoomError):  # noqa: N818 - the words of the answer
    """A certificate request that this authority does not sign; the text says why."""


class BrokerError(BrokerRoomError):
    """The broker does not start, or stopped; the text has its last words."""
