"""Why an update did not happen; the tree is drawn in the package docstring. `reason` is what fleet and help desk see."""

import contextlib
import errno
from collections.abc import Iterator
from typing import ClassVar


class UpdateError(Exception):
    """The update stops here; the unit goes on as it is and tries again later."""

    reason: ClassVar[str] = "error"

    def __str__(self) -> str:
        return f"{self.reason}: {super().__str__()}"


class ClockWrong(UpdateError):  # noqa: N818 - the names say what is wrong
    """The clock is before the newest time known to be past."""

    reason = "clock"


class Unreachable(UpdateError):  # noqa: N818
    """The fleet's server cannot be reached, or answered with an error."""

    reason = "network"


class Slow(UpdateError):  # noqa: N818
    """The server sends less than the least rate."""

    reason = "slow"


class Endless(UpdateError):  # noqa: N818
    """The server sends more than was announced."""

    reason = "endless"


class Expired(UpdateError):  # noqa: N818
    """The metadata's validity is over."""

    reason = "expired"


class BadSignature(UpdateError):  # noqa: N818
    """Metadata not signed as the root of trust demands, or no metadata at all."""

    reason = "signature"


class Rollback(UpdateError):  # noqa: N818
    """Metadata older than what was seen before."""

    reason = "rollback"


class BadHash(UpdateError):  # noqa: N818
    """Content that is not what was signed."""

    reason = "hash"


class Unpublished(UpdateError):  # noqa: N818
    """What is wanted is not in the repository."""

    reason = "unpublished"


class DiskFull(UpdateError):  # noqa: N818
    """No room for the download, the pack or the boot entry."""

    reason = "disk"


class SlotProblem(UpdateError):  # noqa: N818
    """The slots or the boot partition are not as they should be."""

    reason = "slot"


class PackRefused(UpdateError):  # noqa: N818
    """The bridge did not take the pack; the one before is in force again."""

    reason = "pack"


class PackWithdrawn(UpdateError):  # noqa: N818
    """The release engineers took it back; what is in force stays."""

    reason = "withdrawn"


class PackUnconfirmed(UpdateError):  # noqa: N818
    """The new pack is linked; the bridge has not said yet whether it takes it."""

    reason = "pack"


class Busy(UpdateError):  # noqa: N818
    """Another run of the updater holds the lock."""

    reason = "busy"


class Refused(UpdateError):  # noqa: N818
    """Lasting: trying this version again cannot help."""


class BadBundle(Refused):
    """A signed bundle whose content does not add up."""

    reason = "bundle"


class Unsuitable(Refused):
    """For another product or variant, or older than what runs."""

    reason = "unsuitable"


class GiveWay(Exception):  # noqa: N818 - nothing went wrong
    """A long download stops where it is, because something more urgent is wanted; it is resumed afterwards."""


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """What the system says while files are moved, by its name here."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(f"{what}: no room on the data partition") from error
        raise Unreachable(f"{what}: {error}") from error
