"""Everything that can go wrong in this room; the tree is drawn in the package docstring."""


class LanError(Exception):
    """Something about the LAN side could not be observed."""


class BadFrame(LanError):  # noqa: N818 - the field's words for it
    """Bytes that are not the frame they claim to be."""


class BadInventory(LanError):  # noqa: N818 - the field's words for it
    """A stored inventory that cannot be read."""


class PortMissing(LanError):  # noqa: N818 - the field's words for it
    """A port or bridge that the kernel does not have."""
