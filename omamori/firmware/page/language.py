"""Which of our two languages a browser asks for (RFC 9110 12.5.4). Pure; a long or odd header costs nothing."""

from typing import Final

LANGUAGES: Final = ("ja", "en")
_CAP: Final = 256
"""Characters looked at; browsers send some dozens."""


def chosen(accept: str, asked: str = "") -> str:
    """The language asked for on the page itself, else the browser's, else Japanese."""
    if asked in LANGUAGES:
        return asked
    weighed = [_weighed(part) for part in accept[:_CAP].split(",")]
    known = [(weight, language) for weight, language in weighed if language in LANGUAGES and weight > 0]
    return max(known, key=lambda one: one[0])[1] if known else "ja" if not accept else "en"


def _weighed(part: str) -> tuple[float, str]:
    name, _, parameter = part.partition(";")
    key, _, value = parameter.strip().partition("=")
    try:
        weight = float(value) if key.strip() == "q" else 1.0
    except ValueError:
        weight = 0.0
    return weight, name.strip().lower().split("-", maxsplit=1)[0]
