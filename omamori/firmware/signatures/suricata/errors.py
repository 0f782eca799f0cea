"""What can be wrong with a rule. Columns count from 1, within the rule's own text."""


class RuleError(Exception):
    """A rule that is not used. `column` is where in the text; `line` is filled in by who knows the file."""

    def __init__(self, reason: str, column: int = 1, line: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.reason}"


class RuleSyntaxError(RuleError):
    """The text is not a rule as the manual defines it."""


class Unsupported(RuleError):  # noqa: N818 - it is a statement about us, not about the rule
    """A correct rule that asks for something this engine does not have; `what` is the keyword."""

    def __init__(self, what: str, reason: str, column: int = 1, line: int = 1) -> None:
        super().__init__(f"{what}: {reason}", column, line)
        self.what = what
