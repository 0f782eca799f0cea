"""Why packets of a unit were stopped or went uninspected, in a customer's words; a newer unit's word is shown as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext_lazy as _

from omamori.fleet.portal.words import GUARDS, Text
from omamori.fleet.units.models import Unit
from omamori.protocol.reasons import Dropped, Unfollowed, Uninspected

KINDS: Final[Mapping[str, Text]] = {
    "dropped": _("Packets that were stopped"),
    "uninspected": _("Packets that passed without inspection, or with less of it"),
    "unfollowed": _("Connections that were not inspected to their end"),
}
"""As a unit's report names them."""

REASONS: Final[Mapping[tuple[str, str], Text]] = {
    **{("dropped", guard): words.name for guard, words in GUARDS.items()},
    ("dropped", Dropped.BLOCKED_FLOW): _("more of a connection that was blocked"),
    ("dropped", Dropped.KERNEL): _("more of a connection that was blocked, at once"),
    ("dropped", Dropped.FRAGMENTS): _("fragments that contradict each other"),
    ("dropped", Dropped.SEGMENTS): _("a second copy that differs from the first"),
    ("dropped", Dropped.ENDED): _("data after a connection had ended"),
    ("dropped", Dropped.LATE): _("data that came too late to be inspected"),
    ("dropped", Dropped.UNORDERED): _("parts of malware that came early"),
    ("dropped", Dropped.UNMENDABLE): _("malware in fragments"),
    ("dropped", Dropped.WAITED): _("parts of malware that had waited for too long"),
    ("uninspected", Uninspected.QUEUE_FULL): _("too many came at once"),
    ("uninspected", Uninspected.WAITED): _("they would have waited for too long"),
    ("uninspected", Uninspected.NO_WORKER): _("the inspection was just starting"),
    ("uninspected", Uninspected.ENGINE_FAILED): _("the inspection failed on them"),
    ("uninspected", Uninspected.EXEMPT): _("a connection that had stopped the inspection"),
    ("uninspected", Uninspected.INVALID): _("damaged or not valid"),
    ("uninspected", Uninspected.CUT): _("too long to be looked at whole"),
    ("uninspected", Uninspected.FRAGMENTS): _("fragments without the rest"),
    ("uninspected", Uninspected.CHECKSUM): _("changed on the way; no computer takes them"),
    ("uninspected", Uninspected.WRAPPED): _("virtual networks (VLAN) within one another"),
    ("unfollowed", Unfollowed.STREAM_LIMIT): _("an unknown protocol, for long enough"),
    ("unfollowed", Unfollowed.TABLE_FULL): _("too many connections at once"),
    ("unfollowed", Unfollowed.MEMORY): _("memory was short"),
    ("unfollowed", Unfollowed.HOLE): _("bytes that never passed the unit, or too late"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of trouble and how often each reason was counted, the most frequent first."""

    name: Text
    reasons: list[tuple[Text, int]]


def told(unit: Unit) -> list[Kind]:
    """Since the unit's start; empty where nothing was counted, or the unit does not say."""
    found = []
    for kind, name in KINDS.items():
        counts = (unit.reasons or {}).get(kind, {})
        order = sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))
        shown = [(REASONS.get((kind, word), word), count) for word, count in order if count]
        if shown:
            found.append(Kind(name, shown))
    return found
