"""HTML from values: every text is escaped unless it is HTML already, so a host's name can never become markup. Pure."""

from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias

_VOID: Final = frozenset({"meta", "input", "br", "link"})


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is well-formed by construction; only `tag`, `raw` and `joined` make it."""

    text: str

    def __str__(self) -> str:
        return self.text


Child: TypeAlias = Html | str | None
"""None is nothing: it lets a caller leave a part out in place."""


def tag(name: str, /, *children: Child, **attributes: str | int | None) -> Html:
    """One element. `class_` and `for_` lose their underscore, others' become hyphens; False and None leave an attribute out."""
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    opening = f"<{name}{shown}>"
    return Html(opening if name in _VOID else f"{opening}{joined(*children)}</{name}>")


def joined(*children: Child) -> Html:
    """One after the other."""
    return Html("".join(_shown(child) for child in children))


def raw(text: str) -> Html:
    """Markup of our own, never of anybody else's words."""
    return Html(text)


def _shown(child: Child) -> str:
    if child is None:
        return ""
    return child.text if isinstance(child, Html) else escape(child)


def _attribute(key: str, value: str | int | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
