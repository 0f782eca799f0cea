"""What can go wrong while an image is built or booted, each with what to do about it.

ImageError
├── RecipeError      a recipe cannot be read or contradicts itself
├── BuildHostError   this machine cannot build: not root, no space, a program is missing
├── ToolFailed       a program we ran failed; its last output lines are in the message
├── LockError        a package lock cannot be read, or does not describe what was installed
│   └── PackageGone  a pinned package is nowhere to be had any more
├── EvidenceError    what is asked about an image cannot be answered: no list of contents, unreadable vulnerability data
├── TargetRefused    an image must not be written there: in use, too small, no disk
├── FlashFailed      an image could not be written, or the disk does not give back what was written
├── UnsafeRoot       the sealed root holds what must not be there
└── BudgetExceeded   the image is larger than budgets.toml allows
"""


class ImageError(Exception):
    """Anything this room refuses or fails at."""


class RecipeError(ImageError):
    """The recipe is wrong."""


class BuildHostError(ImageError):
    """The build machine lacks something."""


class ToolFailed(ImageError):  # noqa: N818 - says what happened
    """A program ended with an error."""


class UnsafeRoot(ImageError):  # noqa: N818 - says what happened
    """Something forbidden is in the root."""


class BudgetExceeded(ImageError):  # noqa: N818 - says what happened
    """A figure is over its budget."""


class LockError(ImageError):
    """A package lock is wrong."""


class PackageGone(LockError):  # noqa: N818 - says what happened
    """A pinned package is not on the mirror any more."""


class EvidenceError(ImageError):
    """Nothing can be said about the contents of an image."""


class TargetRefused(ImageError):  # noqa: N818 - says what happened
    """An image must not be written there."""


class FlashFailed(ImageError):  # noqa: N818 - says what happened
    """A disk did not take an image."""
