"""The support key that is published for a unit, read as plain JSON.

The fleet trusts none of it: the unit verifies the signatures. Reading it here tells the operator at once what the unit
would say later, and gives the pages their words.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Final

from omamori.fleet.errors import Conflict, Invalid
from omamori.protocol import support
from omamori.protocol.errors import ProtocolError
from omamori.protocol.ids import UnitId

_CAP: Final = 8 * 1024 * 1024


def document(repository: Path, unit: UnitId, now: datetime) -> support.SupportKey:
    """Raises Invalid where nothing usable is published, Conflict where it does not hold now."""
    try:
        digest = str(_targets(repository / "metadata")[support.target_path(unit)]["hashes"]["sha256"])
        name = f"{int(digest, 16):064x}.{unit}.json"
        with (repository / "targets/support" / name).open("rb") as file:
            found = support.decode(file.read(support.DOCUMENT_CAP + 1))
    except (OSError, ValueError, KeyError, TypeError, ProtocolError) as error:
        raise Invalid(
            f"no support key for {unit} is published in {repository}: `omamori sign support add`, then publish"
        ) from error
    if wrong := support.fault(found, unit, now):
        raise Conflict(f"the support key published for {unit} opens nothing: {wrong}")
    return found


def _targets(metadata: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Of the newest `support` role. Raises OSError, ValueError, KeyError, TypeError."""
    newest = max(int(path.name.split(".", 1)[0]) for path in metadata.glob("[0-9]*.support.json"))
    path = metadata / f"{newest}.support.json"
    if path.stat().st_size > _CAP:
        raise ValueError("too large")
    return dict(json.loads(path.read_bytes())["signed"]["targets"])
