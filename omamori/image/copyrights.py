"""Licences of Debian packages and wheels, from the texts they bring: names where they can be told, the texts always.

Debian's machine-readable form (DEP-5) is read paragraph by paragraph; of other texts only the licences of Debian's common
set that they point to are named. Names of SPDX are given where Debian's short name means the same, Debian's own otherwise.
"""

import re
from email.parser import HeaderParser
from pathlib import Path

_COMMON = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.+-]+[A-Za-z0-9])")
_LICENSE = re.compile(r"^License:[ \t]*(\S[^\n]*)", re.MULTILINE)
_WORDS = re.compile(r"\s*(?:\s(?:and|or)\s|,|\|)\s*", re.IGNORECASE)
_LONGEST = 2**21
_SPDX = {
    "apache-2.0": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "cc0-1.0": "CC0-1.0",
    "expat": "MIT",
    "gpl-1+": "GPL-1.0-or-later",
    "gpl-2": "GPL-2.0-only",
    "gpl-2+": "GPL-2.0-or-later",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-2.0+": "GPL-2.0-or-later",
    "gpl-3": "GPL-3.0-only",
    "gpl-3+": "GPL-3.0-or-later",
    "isc": "ISC",
    "lgpl-2": "LGPL-2.0-only",
    "lgpl-2+": "LGPL-2.0-or-later",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-3": "LGPL-3.0-only",
    "lgpl-3+": "LGPL-3.0-or-later",
    "mit": "MIT",
    "mpl-2.0": "MPL-2.0",
    "psf-2": "PSF-2.0",
    "zlib": "Zlib",
}


def of_debian(text: str) -> list[str]:
    """Names of the licences in a `copyright` file, sorted; empty when none can be told."""
    text = text[:_LONGEST]
    if re.match(r"\s*Format(-Specification)?:", text):
        found = {name for line in _LICENSE.findall(text) for name in _names(line)}
    else:
        found = {spdx(name) for name in _COMMON.findall(text)}
    return sorted(found)


def of_wheel(metadata: str) -> list[str]:
    """The licence a wheel's METADATA names: its expression, its classifiers, or its short free text."""
    headers = HeaderParser().parsestr(metadata[:_LONGEST])
    if expression := headers.get("License-Expression"):
        return [str(expression)]
    classifiers = [str(c).rpartition(" :: ")[2] for c in headers.get_all("Classifier", [])
                   if str(c).startswith("License :: ")]  # fmt: skip
    free = str(headers.get("License") or "").strip()
    return sorted(set(classifiers) - {"OSI Approved"}) or ([free] if free and "\n" not in free else [])


def spdx(name: str) -> str:
    """SPDX's name for Debian's, or Debian's own."""
    return _SPDX.get(name.lower(), name)


def known(name: str) -> bool:
    """Whether a name is one of SPDX's identifiers that this module gives out."""
    return name in _SPDX.values()


def _names(line: str) -> list[str]:
    words = [re.sub(r"(?i)\s*with\s.*$", "", word).strip(" ()") for word in _WORDS.split(line)]
    return [spdx(word) for word in words if re.fullmatch(r"[A-Za-z0-9.+_-]{2,60}", word)]


def texts(documents: Path, wheels: list[Path], common: Path) -> str:
    """All licence texts: Debian's by package, then the wheels', then the common ones that they point to."""
    parts = [(f"Debian package {path.parent.name}", path) for path in sorted(documents.glob("*/copyright"))]
    for site in wheels:
        found = [path for path in site.glob("*.dist-info/**/*") if path.is_file() and _is_licence(path)]
        parts += [
            (f"Python package {str(path.relative_to(site)).split('.dist-info')[0]}", path)
            for path in sorted(found)
        ]
    parts += [
        (f"Common licence {path.name}", path) for path in sorted(common.glob("*")) if not path.is_symlink()
    ]
    return "\n".join(f"{'=' * 78}\n{title}\n{'=' * 78}\n{_text(path)}" for title, path in parts)


def _is_licence(path: Path) -> bool:
    return (
        "licenses" in path.parts
        or re.match(r"(?i)(licen[cs]e|copying|notice|authors)", path.name) is not None
    )


def _text(path: Path) -> str:
    return path.read_text(errors="replace").rstrip() + "\n"
