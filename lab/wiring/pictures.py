"""The pictures of the guides: for each wiring code the one that the unit's page shows, as a file of its own in both languages."""

import re
from typing import Final

from omamori.firmware.page.drawing import drawing
from omamori.firmware.page.frame import STYLE
from omamori.firmware.page.scenes import SCENES
from omamori.firmware.page.words import WORDS
from omamori.protocol.codes import CODES
from omamori.protocol.vocabulary import WiringCode

FOLDER: Final = "docs/guides/wiring"
"""Below the project's root."""
_FONT: Final = "svg{background:#fff;font-family:system-ui,'Noto Sans JP','Hiragino Sans',sans-serif}"
_RULE: Final = re.compile(r"svg [^{}]+\{[^{}]*\}")


def name(code: WiringCode, language: str) -> str:
    """Of the file, below the folder."""
    return f"{code.lower()}.{language}.svg"


def pictures() -> dict[str, str]:
    """By path below the project's root."""
    return {
        f"{FOLDER}/{name(code, language)}": picture(code, language) for code in CODES for language in WORDS
    }


def picture(code: WiringCode, language: str) -> str:
    """One of them, with the part of the page's style that is about pictures."""
    words = WORDS[language]
    drawn = str(drawing(SCENES[code], words, caption=words.of(CODES[code].name)))
    style = f"<style>{_FONT}{''.join(_RULE.findall(STYLE))}</style>"
    head, rest = drawn.split(">", 1)
    return f'{head} width="364" xmlns="http://www.w3.org/2000/svg" lang="{language}">{style}{rest}\n'
