"""What can go wrong in the agent; the tree is drawn in the package docstring."""


class AgentError(Exception):
    """Anything the agent raises."""


class FleetUnreachable(AgentError):  # noqa: N818 - the words of the status
    """No answer over HTTPS, or none that is one; try again later."""


class IdentityError(AgentError):
    """The claim, the key or the certificate cannot be used."""


class OutboxFull(AgentError):  # noqa: N818 - the words of the status
    """The disk takes nothing more; messages stay where they are."""
