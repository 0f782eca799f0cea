"""Which Debian mirror to build from: the one this machine's own apt uses. No host name is written in the project.

`OMAMORI_DEBIAN_MIRROR` (and `OMAMORI_DEBIAN_SECURITY_MIRROR`) override what apt's sources say.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from omamori.image.errors import BuildHostError

SOURCES = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def mirrors(environment: Mapping[str, str], sources: Path = SOURCES) -> tuple[str, str | None]:
    """(archive, security archive or None). Raises BuildHostError when no source is found."""
    found = list(_addresses(sources))
    main = environment.get("OMAMORI_DEBIAN_MIRROR") or _first(found, r"/debian/?$")
    if main is None:
        raise BuildHostError(
            "no Debian mirror in this machine's apt sources; set OMAMORI_DEBIAN_MIRROR=http://.../debian"
        )
    security = environment.get("OMAMORI_DEBIAN_SECURITY_MIRROR") or _first(found, r"/debian-security/?$")
    return main, security


def source_lines(suite: str, components: list[str], archive: str, security: str | None) -> list[str]:
    """The lines of sources.list for a suite with its updates."""
    words = " ".join(components)
    lines = [f"deb [signed-by={KEYRING}] {archive} {name} {words}" for name in (suite, f"{suite}-updates")]
    if security:
        lines.append(f"deb [signed-by={KEYRING}] {security} {suite}-security {words}")
    return lines


def _addresses(sources: Path) -> list[str]:
    found: list[str] = []
    for path in sorted([*sources.glob("sources.list"), *sources.glob("sources.list.d/*.list")]):
        found += re.findall(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)", path.read_text(), re.MULTILINE)
    for path in sorted(sources.glob("sources.list.d/*.sources")):
        for line in re.findall(r"^URIs:\s*(.+)$", path.read_text(), re.MULTILINE):
            found += line.split()
    return found


def _first(found: list[str], ending: str) -> str | None:
    return next((address for address in found if re.search(ending, address)), None)
