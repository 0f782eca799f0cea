"""Where a signed pack stands: `canary` (for few), `stable` (for all) or `withdrawn` (for nobody), as its metadata say.

The channel is signed with the pack, so a fleet server cannot call a canary stable, and a unit refuses a withdrawn pack
whoever wants it. What a canary has shown comes from the fleet as JSON (`omamori fleet rollouts show --json`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.metadata import TargetFile

from omamori.protocol import bundle, chunks
from omamori.protocol.errors import ProtocolError
from omamori.protocol.version import Version
from omamori.protocol.wire import from_wire, to_wire
from omamori.signing.operations import Done
from omamori.signing.packs.description import Channels
from omamori.signing.packs.errors import ChannelError
from omamori.signing.repository import Repository

CANARY, STABLE, WITHDRAWN = "canary", "stable", "withdrawn"
_CAP = 32 << 20
_LONGEST_REASON = 400


@dataclass(frozen=True, slots=True)
class Standing:
    """A pack and its channel; `since` is None for one that was signed before there were channels: it counts as stable."""

    version: Version
    channel: str
    since: datetime | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What units made of a pack, added up over rollouts."""

    done: int = 0
    failed: int = 0
    withdrawn: str = ""
    """Why the fleet withdrew it; empty where it did not."""


@dataclass(frozen=True, slots=True)
class _Rollout:
    kind: str
    version: str
    done: int
    failed: int
    withdrawn: str = ""
    rollout: int = 0
    """Its number in the fleet."""


def standings(repository: Repository) -> list[Standing]:
    """Every signed pack, newest first. Raises SigningError."""
    return sorted(map(standing, signed(repository)), key=lambda each: each.version, reverse=True)


def signed(repository: Repository) -> list[TargetFile]:
    """The packs themselves, without the lists of their pieces. Raises SigningError."""
    targets = repository.load()["signatures"].signed.targets.values()
    return [target for target in targets if not target.path.endswith(chunks.SUFFIX)]


def standing(target: TargetFile) -> Standing:
    """Raises ChannelError."""
    custom: dict[str, Any] = target.custom or {}
    try:
        version, since = Version.parse(str(custom["version"])), custom.get("since")
        return Standing(
            version,
            str(custom.get("channel", STABLE)),
            datetime.fromisoformat(str(since)).astimezone(UTC) if since else None,
            str(custom.get("reason", "")),
        )
    except (KeyError, ValueError, ProtocolError) as error:
        raise ChannelError(f"{target.path}: its metadata are not ours: {error!r}") from error


def entered(channel: str, now: datetime) -> dict[str, object]:
    """What the metadata of a pack say that comes into a channel now."""
    return {"channel": channel, "since": str(to_wire(now.replace(microsecond=0)))}


def evidence(files: Sequence[Path], version: Version) -> Evidence:
    """Of the rollouts of this pack in the fleet's JSON, each once: as the answer with the most units has it. Raises ChannelError, OSError."""
    found = [each for file in files for each in _rollouts(file)]
    ours = [each for each in found if (each.kind, each.version) == ("pack", str(version))]
    if files and not ours:
        raise ChannelError(f"no rollout of pack {version} in the evidence")
    withdrawn = next((each.withdrawn for each in ours if each.withdrawn), "")
    ours.sort(key=lambda each: each.done + each.failed)
    once = {each.rollout: each for each in ours}.values()
    return Evidence(sum(each.done for each in once), sum(each.failed for each in once), withdrawn)


def obstacles(found: Standing, seen: Evidence, rules: Channels, now: datetime) -> list[str]:
    """Why a pack may not become stable now; empty where it may. Pure."""
    if found.channel != CANARY or found.since is None:
        return [f"{found.version} is {found.channel} and no canary"]
    wrong = []
    if (soaked := now - found.since) < rules.soak:
        wrong.append(
            f"{found.version} is a canary for {soaked / timedelta(hours=1):.1f} h; {rules.soak / timedelta(hours=1):g} h"
            " are wanted (soak-hours)"
        )
    if seen.done < rules.units:
        wrong.append(
            f"{seen.done} units run it; {rules.units} are wanted (units): bring --evidence of the fleet"
        )
    total = seen.done + seen.failed
    if total and seen.failed / total > rules.failed_share:
        wrong.append(
            f"{seen.failed} of {total} units refused it; a share of {rules.failed_share:g} is allowed (failed-share)"
        )
    if seen.withdrawn:
        wrong.append(f"the fleet withdrew it: {seen.withdrawn}")
    return wrong


def promote(
    repository: Repository, version: Version, seen: Evidence, rules: Channels, now: datetime, *, dry: bool
) -> Done:
    """Make a canary stable. Raises ChannelError with every obstacle, SigningError."""
    with repository.locked():
        found = _standing(repository, version)
        if wrong := obstacles(found, seen, rules, now):
            raise ChannelError("not promoted:\n" + "\n".join(f"- {each}" for each in wrong))
        return _change(repository, version, entered(STABLE, now), now, dry=dry)


def withdraw(repository: Repository, version: Version, reason: str, now: datetime, *, dry: bool) -> Done:
    """Units refuse it from the next publishing on, whoever wants it. It stays withdrawn. Raises ChannelError."""
    if not reason.strip() or len(reason) > _LONGEST_REASON:
        raise ChannelError(
            f"a reason of 1 to {_LONGEST_REASON} letters is needed: units and operators read it"
        )
    with repository.locked():
        if _standing(repository, version).channel == WITHDRAWN:
            return Done("already withdrawn", {}, bundle.pack_path(version), dry=dry)
        changes = entered(WITHDRAWN, now) | {"reason": reason.strip()}
        return _change(repository, version, changes, now, dry=dry)


def _standing(repository: Repository, version: Version) -> Standing:
    found = next((each for each in standings(repository) if each.version == version), None)
    if found is None:
        raise ChannelError(f"no pack {version} is signed here: see `omamori sign pack list`")
    return found


def _change(
    repository: Repository, version: Version, changes: dict[str, object], now: datetime, *, dry: bool
) -> Done:
    """With the repository locked since its standing was looked at."""
    path = bundle.pack_path(version)
    draft = repository.draft(now)
    target = draft.renew("signatures").signed.targets[path]
    target.unrecognized_fields["custom"] = {**(target.custom or {}), **changes}
    files = draft.seal()
    if not dry:
        repository.write(files)
    signed = {role: draft.roles[role].signed.version for role in sorted(draft.changed)}
    return Done(f"{version} is {changes['channel']}", signed, path, dry=dry)


def _rollouts(file: Path) -> list[_Rollout]:
    """One object, or a list of them."""
    with file.open("rb") as opened:
        raw = opened.read(_CAP + 1)
    try:
        found = json.loads(raw[:_CAP])
        return [from_wire(_Rollout, each) for each in (found if isinstance(found, list) else [found])]
    except (ValueError, RecursionError, ProtocolError) as error:
        raise ChannelError(
            f"{file} is no answer of `omamori fleet rollouts show --json` or `list --json`: {error}"[:300]
        ) from error
