"""What the published TUF repository offers, read as plain JSON.

The fleet hands these files out and trusts none of them: units verify, so a damaged or forged repository here can
delay an update and no more.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from omamori.fleet.errors import Invalid
from omamori.fleet.rollouts.models import Kind
from omamori.protocol import VersionError
from omamori.protocol.bundle import pack_path
from omamori.protocol.chunks import SUFFIX
from omamori.protocol.errors import ProtocolError
from omamori.protocol.version import Version
from omamori.signing.errors import SigningError
from omamori.signing.notes import parse, to_custom

_FILE = re.compile(r"(\d+)\.(firmware|signatures)\.json")
_KINDS = {"firmware": Kind.FIRMWARE, "signatures": Kind.PACK}
_CAP = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Offer:
    """A version in the repository, with the paths of its targets (firmware has one for each variant)."""

    kind: Kind
    version: Version
    targets: tuple[str, ...]
    about: dict[str, object] = field(default_factory=dict, hash=False)
    """What it says to customers, where that reads as such (`signing/notes.py`)."""


def offers(repository: Path) -> list[Offer]:
    """Every version of firmware and packs, newest first. Raises Invalid for a repository that cannot be read."""
    grouped: dict[tuple[Kind, Version], list[str]] = {}
    said: dict[tuple[Kind, Version], dict[str, object]] = {}
    for role, kind in _KINDS.items():
        for path, version, about in _targets(repository, role):
            grouped.setdefault((kind, version), []).append(path)
            said[kind, version] = about or said.get((kind, version), {})
    found = [Offer(*key, tuple(sorted(paths)), said[key]) for key, paths in grouped.items()]
    return sorted(found, key=lambda offer: (offer.kind.value, offer.version), reverse=True)


def channel(repository: Path, version: Version) -> str:
    """Of a pack, as it is signed now; empty where nothing is published, or nothing is said of it. Raises Invalid."""
    if not (repository / "metadata").is_dir():
        return ""
    try:
        target = _newest(repository / "metadata", "signatures")["signed"]["targets"].get(
            pack_path(version), {}
        )
        return str(target.get("custom", {}).get("channel", ""))
    except (KeyError, TypeError, AttributeError) as error:
        raise Invalid(f"the signatures metadata in {repository} is not ours: {error!r}") from error


def _targets(repository: Path, role: str) -> Iterator[tuple[str, Version, dict[str, object]]]:
    document = _newest(repository / "metadata", role)
    try:
        targets = document["signed"]["targets"]
        for path, target in targets.items():
            whole = targets.get(path.removesuffix(SUFFIX), target)
            if whole["custom"].get("channel") == "withdrawn":
                continue  # units refuse it
            custom = target["custom"]
            yield str(path), Version.parse(str(custom["version"])), _about(custom.get("release"))
    except (KeyError, TypeError, AttributeError, VersionError) as error:
        raise Invalid(f"the {role} metadata in {repository} is not ours: {error!r}") from error


def _about(value: object) -> dict[str, object]:
    """Empty for what customers could not be shown."""
    try:
        return to_custom(parse(value)) if isinstance(value, dict) else {}
    except (SigningError, ProtocolError):
        return {}


def _newest(metadata: Path, role: str) -> dict[str, dict[str, dict[str, dict[str, dict[str, object]]]]]:
    try:
        found = [
            (int(match[1]), entry) for entry in metadata.iterdir() if (match := _FILE.fullmatch(entry.name))
        ]
        path = max((number, entry) for number, entry in found if f".{role}." in entry.name)[1]
        if path.stat().st_size > _CAP:
            raise Invalid(f"{path} is larger than {_CAP:,} bytes")
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise Invalid(
            f"no published {role} metadata in {metadata}: publish with `omamori sign` first"
        ) from error
