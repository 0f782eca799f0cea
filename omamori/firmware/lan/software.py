"""Which system runs a program, told by what the program calls itself and by how it opens TLS. Tables; pure.

A User-Agent (RFC 9110 10.1.5) is free text; only what systems and browsers put there by themselves is read. Of a JA4 (FoxIO, 2023) only the
middle part is: the cipher suites, which belong to the TLS library. Browsers bring their own, so theirs say nothing of the system.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from typing import Final


class Software(StrEnum):
    """What was recognised; the values are stored."""

    IPHONE = "iphone"
    IPAD = "ipad"
    MACINTOSH = "macintosh"
    APPLE = "apple"
    """Apple's own library, on any of its devices."""
    ANDROID_PHONE = "android phone"
    ANDROID = "android"
    CHROME_OS = "chrome os"
    DESKTOP = "linux desktop"
    LINUX = "linux"
    WINDOWS = "windows"
    MEDIA = "media"
    APPLE_TLS = "apple tls"
    WINDOWS_TLS = "windows tls"


_NAMES: Final = (
    (
        Software.MEDIA,
        r"smart-?tv|tizen|web0s|bravia|appletv|roku/|crkey|\baft[a-z]+ build|playstation|nintendo|xbox",
    ),
    (Software.IPHONE, r"\((iphone|ipod)|\biphone os\b"),
    (Software.IPAD, r"\(ipad"),
    (Software.ANDROID_PHONE, r"\bandroid\b.*\bmobile\b"),
    (Software.ANDROID, r"\bandroid\b"),
    (Software.CHROME_OS, r"\bcros\b"),
    (Software.WINDOWS, r"\bwindows nt\b|^microsoft (ncsi|bits)\b|^microsoft-(cryptoapi|delivery)\b"),
    (Software.WINDOWS, r"^windows-update-agent\b"),
    (Software.MACINTOSH, r"\(macintosh\b"),
    (Software.APPLE, r"^captivenetworksupport\b|\bcfnetwork/.*\bdarwin/"),
    (Software.DESKTOP, r"\(x11;.*\blinux\b"),
    (Software.LINUX, r"\blinux\b|^debian apt-http\b"),
)
"""The first that is found counts: televisions, consoles and Android call themselves Linux or Windows as well."""

_SUITES: Final = {
    "a09f3c656075": Software.APPLE_TLS,
    "2b729b4bf6f3": Software.WINDOWS_TLS,
    "231e334592e8": Software.WINDOWS_TLS,
    "d83cc789557e": Software.WINDOWS_TLS,
    "76e208dd3e22": Software.WINDOWS_TLS,
}
"""The hash of the suites that Apple's Network framework (iOS 14 to 26) and Windows' Schannel (10 and 11, each with DHE and without) offer."""

_FAMILIES: Final[Mapping[Software, str]] = {
    Software.IPHONE: "Apple",
    Software.IPAD: "Apple",
    Software.MACINTOSH: "Apple",
    Software.APPLE: "Apple",
    Software.APPLE_TLS: "Apple",
    Software.ANDROID_PHONE: "Linux",
    Software.ANDROID: "Linux",
    Software.CHROME_OS: "Linux",
    Software.DESKTOP: "Linux",
    Software.LINUX: "Linux",
    Software.WINDOWS: "Windows",
    Software.WINDOWS_TLS: "Windows",
}
"""Within one of them a device may call itself now this, now that: an iPad asks for pages as a Macintosh, a phone as a desktop."""

TLS: Final = frozenset({Software.APPLE_TLS, Software.WINDOWS_TLS})
"""What only the system's own TLS library says: no text that a program may choose."""


def named(agent: str) -> Software | None:
    """By a User-Agent."""
    return next((software for software, pattern in _patterns() if pattern.search(agent)), None)


def offering(ja4: str) -> Software | None:
    """By a JA4."""
    return _SUITES.get(ja4[11:23])


def families(seen: Iterable[Software]) -> tuple[str, ...]:
    """The makers' families, in the order of the alphabet."""
    return tuple(sorted({_FAMILIES[each] for each in seen if each in _FAMILIES}))


@cache
def _patterns() -> tuple[tuple[Software, re.Pattern[str]], ...]:
    """Made for the first request that is heard, not at the start."""
    return tuple((software, re.compile(pattern, re.IGNORECASE)) for software, pattern in _NAMES)
