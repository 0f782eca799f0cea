"""The help desk's list: units that need a call though nobody called, each with the reason and the next step."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from omamori.fleet.accounts.actor import Level, Member
from omamori.fleet.lan.attention import Row, attention
from omamori.fleet.lan.evidence import Reason
from omamori.fleet.portal.access import page
from omamori.fleet.portal.words import Text, wiring
from omamori.protocol import codes

REASONS: Final[dict[str, Text]] = {
    Reason.NEVER_CAME: gettext_lazy("shipped, never came"),
    Reason.WENT_SILENT: gettext_lazy("came and went silent"),
    Reason.LOGS_NOTHING: gettext_lazy("online, but no traffic"),
    Reason.FEW_HOSTS: gettext_lazy("protects too few devices"),
    Reason.FEWER_THAN_SIMILAR: gettext_lazy("fewer devices than similar sites"),
}


@dataclass(frozen=True, slots=True)
class AttentionRow:
    """A unit of the list in the reader's words."""

    row: Row

    @property
    def reason(self) -> Text:
        return REASONS[self.row.reason]

    @property
    def evidence(self) -> str:
        return _told(self.row.evidence.said)

    @property
    def wiring(self) -> Text:
        return wiring(self.row.wiring).name

    @property
    def step(self) -> str:
        return _told(self.row.step)


@require_GET
@page
def attention_list(request: HttpRequest, actor: Member) -> HttpResponse:
    """For whoever supports customers: operators all of them, resellers their own; customers have their own pages."""
    if actor.level is Level.CUSTOMER:
        raise PermissionDenied
    rows = attention(actor, now=timezone.now())
    context = {"rows": [AttentionRow(row) for row in rows], "counts": _counts(rows), "actor": actor}
    return render(request, "portal/attention.html", context)


def _told(text: codes.Text) -> str:
    return text.of(translation.get_language() or "en")


def _counts(rows: Iterable[Row]) -> list[tuple[Text, int]]:
    listed = [row.reason for row in rows]
    return [(words, listed.count(Reason(reason))) for reason, words in REASONS.items()]
