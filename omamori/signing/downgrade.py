"""Orders to go back: an older bundle says, signed by the firmware role, which newer versions may be exchanged for it.

A unit refuses every older firmware otherwise, whatever the fleet wants (decision 0017 has the way it is fetched, this the
leave to take it). An order is part of the bundle's custom metadata, `downgrade_from`, and ends when it is signed away.
"""

from collections.abc import Sequence
from datetime import datetime

from omamori.protocol import bundle
from omamori.protocol.version import Version
from omamori.signing.errors import TargetError
from omamori.signing.operations import Done, versions
from omamori.signing.repository import Repository

FIELD = "downgrade_from"
MOST = 50
"""Versions of one order; more is a mistake."""


def allow(
    repository: Repository,
    variant: str,
    version: Version,
    newer: Sequence[Version],
    now: datetime,
    *,
    dry: bool = False,
) -> Done:
    """Sign that units which run one of `newer` may take `version`; an empty list ends every leave. Raises SigningError."""
    path = bundle.target_path(variant, version)
    if wrong := [str(other) for other in newer if other <= version]:
        raise TargetError(f"{', '.join(wrong)} is not newer than {version}: nothing goes back from there")
    if len(newer) > MOST:
        raise TargetError(f"more than {MOST} versions: name those that are in use")
    with repository.locked():
        draft = repository.draft(now)
        target = draft.roles["firmware"].signed.targets.get(path)
        if target is None:
            raise TargetError(f"{path} is not in the repository: an order is for a signed bundle")
        custom = {key: value for key, value in (target.custom or {}).items() if key != FIELD}
        if newer:
            custom[FIELD] = [str(other) for other in sorted(set(newer))]
        if custom == target.custom:
            return Done("already there", {}, path, dry=dry)
        target.unrecognized_fields["custom"] = custom
        draft.add_target("firmware", target)
        files = draft.seal()
        if not dry:
            repository.write(files)
    what = f"{version} may replace {', '.join(custom[FIELD])}" if newer else f"nothing goes back to {version}"
    return Done(what, versions(draft), path, dry=dry)
