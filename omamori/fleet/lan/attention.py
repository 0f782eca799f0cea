"""Units that need the help desk though nobody called: to be asked for once a day. Reads only; each row names the next step.

A unit is told once, for the first of the reasons below that holds; few hosts are a matter of a site and told of its first
unit. Asking costs a few queries for the fleet, two for each site that declared hosts and one for each whose business is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Exists, OuterRef, QuerySet

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.queries import sites, within
from omamori.fleet.detections.models import Detection
from omamori.fleet.lan.coverage import State, report
from omamori.fleet.lan.evidence import Evidence, Reason
from omamori.fleet.lan.models import Declared, Finding
from omamori.fleet.lan.similar import compare
from omamori.fleet.units.models import Unit
from omamori.fleet.units.queries import units
from omamori.fleet.usage.models import Usage
from omamori.protocol.codes import CODES, Text
from omamori.protocol.vocabulary import WiringCode

ARRIVES: Final = timedelta(days=14)
"""From registration to the button: the parcel, and somebody who finds the time."""
SILENT: Final = timedelta(days=3)
"""Longer than a weekend with the power off."""
LOGS: Final = timedelta(days=3)
"""Any used network is heard of within that."""
DECLARED_LEAST: Final = 3
"""Fewer declared hosts make no share worth telling."""


STEPS: Final[dict[Reason, Text]] = {
    Reason.NEVER_CAME: Text(
        "Call the customer: has the parcel come? Stay on the phone while both cables are plugged in and the button is pressed.",
        "お客様に電話し、荷物が届いたか確認します。ケーブル2本の接続とボタンを押すところまで、電話でご案内します。",
    ),
    Reason.WENT_SILENT: Text(
        "Call the customer: is the unit lit, and does the internet work? If it is dark, try another socket; if it is lit, read the lamp's code.",
        "お客様に電話し、本体のランプとインターネットの状態を確認します。消灯なら別のコンセントで試し、点灯ならランプのコードを読んでもらいます。",
    ),
    Reason.LOGS_NOTHING: Text(
        "No traffic goes through the unit: ask what is plugged into LAN, and whether the PCs use the router's own ports or Wi-Fi.",
        "本体を通る通信がありません。LANポートに何がつながっているか、パソコンがルーターに直接（またはルーターのWi-Fiに）つながっていないか確認します。",
    ),
    Reason.FEW_HOSTS: Text(
        "Go through the coverage report with the customer: which declared devices are off, on the router's side, or not theirs any more?",
        "保護の状況のページをお客様と一緒に確認します。電源が入っていない端末、ルーター側の端末、もう使っていない端末はどれかをうかがいます。",
    ),
    Reason.FEWER_THAN_SIMILAR: Text(
        "Ask how many devices the company has, and whether some use another Wi-Fi, the router's own ports or a second line.",
        "社内の機器の台数と、別のWi-Fi、ルーターのポート、別回線を使う機器がないかをうかがいます。",
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A unit that needs attention."""

    unit: Unit
    since: datetime | None
    evidence: Evidence
    wiring: str
    """The root cause of its present diagnosis; empty where it has none or all is well."""

    @property
    def reason(self) -> Reason:
        """Why it is listed."""
        return self.evidence.reason

    @property
    def step(self) -> Text:
        """What the help desk does next; what the wiring says goes first where it explains this."""
        known = CODES.get(WiringCode(self.wiring)) if self.wiring in set(WiringCode) else None
        explained = known is not None and self.reason in {
            Reason.LOGS_NOTHING,
            Reason.FEW_HOSTS,
            Reason.FEWER_THAN_SIMILAR,
        }
        return known.desk if known is not None and explained else STEPS[self.reason]


def attention(actor: Actor, *, now: datetime) -> list[Row]:
    """Every such unit the actor may see, by reason, the longest first."""
    told: dict[str, tuple[Unit, datetime | None, Evidence]] = {}
    for found in (_never_came, _went_silent, _logs_nothing, _few_hosts, _fewer_than_similar):
        for unit, since, evidence in found(actor, now):
            told.setdefault(unit.pk, (unit, since, evidence))
    causes = _causes(actor)
    rows = [Row(*listed, causes.get(key, "")) for key, listed in told.items()]
    order = list(Reason)
    return sorted(rows, key=lambda row: (order.index(row.reason), row.since or now, row.unit.pk))


def plain(row: Row) -> dict[str, object]:
    """A row for programs."""
    return {
        "unit": row.unit.pk,
        "name": row.unit.name,
        "customer": row.unit.site.customer.name,
        "site": row.unit.site_id,
        "site_name": row.unit.site.name,
        "reason": row.reason.value,
        "since": row.since,
        "evidence": row.evidence.said.en,
        "evidence_ja": row.evidence.said.ja,
        "figures": dict(row.evidence.figures),
        "wiring": row.wiring,
        "next_step": row.step.en,
        "next_step_ja": row.step.ja,
    }


_Found = Iterator[tuple[Unit, datetime | None, Evidence]]


def _never_came(actor: Actor, now: datetime) -> _Found:
    for unit in units(actor).filter(activated=None, registered__lt=now - ARRIVES):
        days = (now - unit.registered).days
        yield unit, unit.registered, Evidence(Reason.NEVER_CAME, {"days": days})


def _went_silent(actor: Actor, now: datetime) -> _Found:
    for unit in units(actor).filter(activated__lt=now - SILENT, online=False):
        since = unit.last_seen or unit.activated
        if since is not None and since < now - SILENT:
            yield unit, since, Evidence(Reason.WENT_SILENT, {"days": (now - since).days})


def _logs_nothing(actor: Actor, now: datetime) -> _Found:
    start = now - LOGS
    seen = Exists(Detection.objects.filter(unit=OuterRef("pk"), time__gte=start))
    used = Exists(Usage.objects.filter(unit=OuterRef("pk"), day__gte=start.date(), flows__gt=0))
    mute: QuerySet[Unit] = units(actor).filter(~seen, ~used, activated__lt=start, online=True)
    for unit in mute:
        yield unit, start, Evidence(Reason.LOGS_NOTHING, {"days": LOGS.days, "packets": unit.packets})


def _few_hosts(actor: Actor, now: datetime) -> _Found:
    """Sites where fewer than half of what was declared, private devices aside, is covered."""
    rows = Declared.objects.filter(within(actor)).values("site").annotate(count=Count("pk"))
    for site in rows.filter(count__gte=DECLARED_LEAST).order_by("site").values_list("site", flat=True):
        unit = units(actor).filter(site=site, activated__isnull=False).first()
        if unit is None:
            continue
        states = [row.state for row in report(actor, site, now=now).rows if row.declared]
        wanted, covered = len(states) - states.count(State.PRIVATE), states.count(State.COVERED)
        if wanted >= DECLARED_LEAST and covered * 2 < wanted:
            figures = {"covered": covered, "wanted": wanted, "wrong_side": states.count(State.WRONG_SIDE)}
            yield unit, None, Evidence(Reason.FEW_HOSTS, figures)


def _fewer_than_similar(actor: Actor, now: datetime) -> _Found:
    """Sites that cover less than a third of what the middle one of their business and size does."""
    for site in sites(actor).exclude(business="").filter(staff__gt=0):
        found = compare(site, now=now)
        if found is None or found.covered * 3 >= found.middle:
            continue
        unit = units(actor).filter(site=site, activated__lt=now - SILENT).first()
        if unit is not None:
            figures = {"covered": found.covered, "others": found.others, "middle": found.middle}
            yield unit, None, Evidence(Reason.FEWER_THAN_SIMILAR, figures)


def _causes(actor: Actor) -> dict[str, str]:
    """The root cause by unit, where something is wrong."""
    roots = Finding.objects.filter(within(actor, "wiring__site"), wiring__current=True, rank=0)
    return dict(roots.exclude(code=WiringCode.OK).values_list("wiring__unit_id", "code"))
