"""The daily message says that a helper could look at a unit: once, when it is over, with who, when and why."""

from datetime import timedelta

import pytest

from omamori.fleet.accounts.actor import System
from omamori.fleet.ingest.operations import store
from omamori.fleet.notices import operations
from omamori.fleet.notices.models import Letter, Notice
from omamori.protocol.ids import unit_id
from omamori.protocol.messages import Support, Upward
from omamori.protocol.vocabulary import SupportPhase

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def site(fleet):
    """Two people are told; a unit was opened the day before."""
    fleet.unit()
    operations.gather(now=fleet.now - DAY)
    for language in ("ja", "en"):
        operations.add(System(), fleet.sites[0].pk, f"{language}@shop.example", language=language)
    tell(fleet, 0, SupportPhase.OPENED, -2 * HOUR)
    return fleet


def tell(fleet, sequence, phase, after):
    moment = fleet.now + after
    body = Support(moment, "c0ffee", phase, "佐藤", "通信が遅い", fleet.now - 2 * HOUR, fleet.now + 2 * HOUR)
    store([Upward(unit_id("om-0001"), fleet.boot, sequence, body)])


def test_it_is_told_once_when_it_is_over(site):
    operations.gather(now=site.now)
    assert not Notice.objects.exists(), "it is still open"
    tell(site, 1, SupportPhase.ENTERED, -HOUR)
    tell(site, 2, SupportPhase.CLOSED, HOUR)
    operations.gather(now=site.now + DAY)
    assert [each["name"] for each in Notice.objects.get().news] == ["佐藤"]
    letters = {letter.recipient.language: letter for letter in Letter.objects.all()}
    assert letters["en"].subject == "Omamori Site A: support 1"
    assert "om-0001 2026-11-20 10:00 – 2026-11-20 13:00 佐藤: 通信が遅い" in letters["en"].text
    assert "サポート担当者による本体の確認" in letters["ja"].text
    operations.gather(now=site.now + 2 * DAY)
    assert Notice.objects.count() == 1


def test_one_that_never_said_it_closed_is_told_with_its_end(site):
    """The unit was switched off: it closed at the latest when its key was over."""
    operations.gather(now=site.now + DAY)
    assert "2026-11-20 10:00 – 2026-11-20 14:00" in Letter.objects.first().text
