"""What can go wrong while an image is built or booted, each with what to do about it.

ImageError
├── RecipeError      a recipe cannot be read or contradicts itself
├── BuildHostError   this machine cannot build: not root, no space, a program is missing
├── ToolFailed       a program we ran failed; its last output lines are in the message
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


class BudgetExceeded(ImageError):  # noqa: N818 - says what happened
    """A figure is over its budget."""
