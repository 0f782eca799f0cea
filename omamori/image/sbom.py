"""What is inside an image, as CycloneDX 1.6: Debian packages, wheels, our own firmware, with licences and hashes.

The same image gives the same bytes: components are sorted, the time is the recipe's, the serial number is a hash of the content.
"""

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from omamori.image import copyrights
from omamori.image.errors import EvidenceError
from omamori.image.layers import PROJECT, Release
from omamori.image.packages import Lock
from omamori.image.stages import Stage

NAME = "sbom.cdx.json"
LICENCES = "licences.txt"
_SPACE = uuid.UUID("6f6d616d-6f72-4969-8000-000000000002")
_LARGEST = 2**26
_SIGNED = {r"linux-signed-[a-z0-9]+": "linux", r"systemd-boot-efi-[a-z0-9]+-signed": "systemd"}
"""Sources that only carry Debian's signature -> the one that has the code, of which alone the security tracker speaks."""


@dataclass(frozen=True, slots=True)
class Component:
    """One package. `source` is Debian's source package and its version, what security advisories speak of."""

    kind: str
    name: str
    version: str
    purl: str
    licences: tuple[str, ...] = ()
    sha256: str | None = None
    source: tuple[str, str] | None = None
    facts: dict[str, str] = field(default_factory=dict)


def contents_stage(base: Path, sites: Sequence[Path], release: Release) -> Stage:
    """`sbom.cdx.json` and `licences.txt`; `sites` have what wheels say of themselves, in directories of stages."""
    recipe = release.recipe
    inputs = {
        "base": base.name,
        "wheels": list(map(str, sites)),
        "version": str(release.version),
        "variant": recipe.variant,
        "format": 1,
    }

    def make(place: Path) -> None:
        root = base / "root"
        lock = Lock.read(base / "packages.lock")
        debian = debian_components(root, lock, recipe.architecture)
        wheels = [one for site in sites for one in wheel_components(site)]
        components = [*debian, *wheels, _ours(release)]
        (place / NAME).write_text(document(components, release))
        text = copyrights.texts(root / "usr/share/doc", list(sites), root / "usr/share/common-licenses")
        own = (PROJECT / "LICENSE").read_text()
        (place / LICENCES).write_text(f"Omamori {release.version}\n\n{own}\n{text}")

    return Stage("contents", inputs, make)


def debian_components(root: Path, lock: Lock, architecture: str) -> list[Component]:
    """From dpkg's status file of a root; hashes from the lock."""
    hashes = {package.name: package.sha256 for package in lock.packages}
    found = []
    for paragraph in (root / "var/lib/dpkg/status").read_text().split("\n\n"):
        entry = HeaderParser().parsestr(paragraph)
        if "ok installed" not in str(entry.get("Status")):
            continue
        name, version = str(entry["Package"]), str(entry["Version"])
        copyright_file = root / "usr/share/doc" / name / "copyright"
        text = copyright_file.read_text(errors="replace") if copyright_file.is_file() else ""
        kind = str(entry.get("Architecture", architecture))
        purl = f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='')}?arch={kind}&distro=debian-13"
        licences = tuple(copyrights.of_debian(text))
        found.append(
            Component(
                "library", name, version, purl, licences, hashes.get(name), _source(entry, name, version)
            )
        )
    return found


def _source(entry: Message, name: str, version: str) -> tuple[str, str]:
    """`Source: name (version)`; both default to the package's own (deb-control(5))."""
    written = str(entry.get("Source") or name)
    source, _, rest = written.partition(" ")
    return source, rest.strip("() ") or version


def wheel_components(site: Path) -> list[Component]:
    """From the METADATA of the wheels in a site directory."""
    found = []
    for path in sorted(site.glob("*.dist-info/METADATA")):
        text = path.read_text(errors="replace")
        headers = HeaderParser().parsestr(text)
        name, version = str(headers["Name"]), str(headers["Version"])
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{quote(version, safe='')}"
        found.append(Component("library", name, version, purl, tuple(copyrights.of_wheel(text))))
    return found


def _ours(release: Release) -> Component:
    version = str(release.version)
    return Component("application", "omamori-unit", version, f"pkg:generic/omamori-unit@{version}")


def document(components: list[Component], release: Release) -> str:
    """The CycloneDX text."""
    listed = [_component(one) for one in sorted(components, key=lambda one: one.purl)]
    serial = uuid.uuid5(_SPACE, json.dumps([listed, release.recipe.variant], sort_keys=True))
    when = datetime.fromtimestamp(release.recipe.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {
        "type": "firmware",
        "bom-ref": "omamori",
        "name": f"omamori-{release.recipe.variant}",
        "version": str(release.version),
    }
    table = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"timestamp": when, "component": about},
        "components": listed,
        "dependencies": [{"ref": "omamori", "dependsOn": [one["bom-ref"] for one in listed]}],
    }
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


def _component(one: Component) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": one.kind,
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
    }
    if one.sha256:
        entry["hashes"] = [{"alg": "SHA-256", "content": one.sha256}]
    if one.licences:
        entry["licenses"] = [
            {"license": {"id" if copyrights.known(name) else "name": name}} for name in one.licences
        ]
    if one.source:
        names = ("omamori:debian:source", "omamori:debian:source-version")
        entry["properties"] = [{"name": k, "value": v} for k, v in zip(names, one.source, strict=True)]
    return entry


def sources(path: Path) -> list[tuple[str, str, str]]:
    """(package, source package, source version) of the Debian packages in an SBOM file, as the security tracker names them. Raises EvidenceError."""
    found = []
    for entry in read(path)["components"]:
        facts = {fact.get("name"): fact.get("value") for fact in entry.get("properties", [])}
        if "omamori:debian:source" in facts:
            said = str(facts["omamori:debian:source"]), str(facts.get("omamori:debian:source-version"))
            found.append((str(entry["name"]), *_tracked(*said, str(entry["version"]))))
    return found


def _tracked(source: str, version: str, package_version: str) -> tuple[str, str]:
    """What was signed has its source's version; the source of the signature has one of its own (6.12.117+1 of 6.12.117-1)."""
    for pattern, code in _SIGNED.items():
        if re.fullmatch(pattern, source):
            return code, package_version
    return source, version


def read(path: Path) -> dict[str, Any]:
    """An SBOM file. Raises EvidenceError when it is not there, too large, or no CycloneDX."""
    try:
        if path.stat().st_size > _LARGEST:
            raise EvidenceError(f"{path} is too large for a list of contents")
        table = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise EvidenceError(f"no list of contents in {path}: {error}; build the image again") from error
    if not isinstance(table, dict) or table.get("bomFormat") != "CycloneDX":
        raise EvidenceError(f"{path} is no CycloneDX document")
    return table
