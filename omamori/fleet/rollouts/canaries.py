"""How far a pack may go that the release machine has not yet called stable (decision 0016).

The channel stands in the signed metadata of the repository, read each time: what was a canary when it was announced may have been promoted since.
Units take what they are asked to take; that a canary is asked of few is the fleet's part.
"""

from collections.abc import Collection
from typing import Final

from django.conf import settings
from django.db.models import QuerySet

from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.rollouts.models import Kind, Member, Release
from omamori.fleet.rollouts.repository import channel
from omamori.fleet.surfaces import addresses
from omamori.fleet.units.models import Unit
from omamori.protocol.version import Version

CANARY: Final = "canary"
WITHDRAWN: Final = "withdrawn"
FEW: Final = 20
SHARE: Final = 20
"""One unit in so many; `FEW` where that is fewer, for to be promoted a canary must be seen on some (`omamori sign pack promote`)."""


def require_fitting(release: Release, asked: Collection[str], visible: QuerySet[Unit]) -> None:
    """That these units, with those asked before, are few of the visible ones, or that it is no canary. Raises Conflict, Invalid."""
    if not _is_canary(release):
        return
    members = Member.objects.filter(rollout__release=release, generation__gt=0, unit__in=visible)
    together = set(members.values_list("unit_id", flat=True)) | set(asked)
    seen = visible.count()
    most = max(FEW, seen // SHARE)
    if len(together) > most:
        raise Conflict(
            f"{release} is a canary: {most} of {seen} units at most have it before it is promoted"
            " (`--first-wave`; then `omamori sign pack promote`, publish, and `rollouts advance`)"
        )


def require_stable(release: Release) -> None:
    """Raises Conflict, Invalid."""
    if _is_canary(release):
        raise Conflict(f"{release} is still a canary: `omamori sign pack promote` it and publish, then go on")


def is_stable(release: Release) -> bool:
    """Whether a pack may go to anybody, as the repository has it now. Raises Invalid."""
    return _channel(release) not in {CANARY, WITHDRAWN}


def _is_canary(release: Release) -> bool:
    return release.kind == Kind.PACK and _channel(release) == CANARY


def _channel(release: Release) -> str:
    repository = addresses.repository(settings.FLEET, settings.FLEET_STATE)
    if settings.FLEET["repository"] and not repository.is_dir():
        raise Invalid(f"the repository {repository} is not there, so nobody knows the channel of {release}")
    return channel(repository, Version.parse(release.version))
