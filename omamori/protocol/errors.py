"""Everything that can be wrong with outside values; the tree is drawn in the package docstring."""


class ProtocolError(Exception):
    """A value from outside is not in the vocabulary."""


class IdError(ProtocolError):
    """An id does not have its grammar."""


class VersionError(ProtocolError):
    """A version does not have its grammar."""


class WindowError(ProtocolError):
    """A reboot window cannot be: no weekday, an unknown time zone, no length."""


class PolicyError(ProtocolError):
    """A rule, destination, category or response that no policy can name."""


class FetchingError(ProtocolError):
    """A rate or a mirror that cannot be."""


class BootImageError(ProtocolError):
    """A file that no machine could start, or not one of ours."""


class WireError(ProtocolError):
    """Bytes that are no message of ours."""


class TooLarge(WireError):  # noqa: N818 - the field's words for it
    """A message over the size cap."""


class Malformed(WireError):  # noqa: N818 - the field's words for it
    """Not JSON, or a field is missing or has the wrong type; the text names the field."""
