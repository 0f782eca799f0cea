"""Recipients come and go; once a day each site is looked at, and what is new is written down and addressed.

A site is looked at on its own clock, from `MORNING` on, once a day; the look, its notice and its letters are one transaction, so a
day is told once or not at all. Sending is another's work (`post`).
"""

import secrets
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from omamori.fleet.accounts.actor import Actor, System
from omamori.fleet.accounts.models import Site
from omamori.fleet.accounts.operations import record
from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.lan.coverage import report
from omamori.fleet.lan.models import Host
from omamori.fleet.notices import letters, queries
from omamori.fleet.notices.models import Known, Letter, Notice, Recipient, Watch
from omamori.fleet.notices.news import Device, News, What, compare
from omamori.fleet.support.operations import untold
from omamori.fleet.units.models import Unit
from omamori.protocol import WindowError
from omamori.protocol.window import zone

MORNING: Final = time(8)
RECIPIENTS_CAP: Final = 20
"""Of a site."""
LANGUAGES: Final = ("ja", "en")
LONGEST_ADDRESS: Final = 254
"""RFC 5321, with its brackets."""
KEPT: Final = timedelta(days=400)


# --- who is told -------------------------------------------------------------------------------------------------


@transaction.atomic
def add(actor: Actor, site: int, address: str, *, language: str) -> Recipient:
    """Tell this address from now on, also where it had stopped that. Raises NotFound, Invalid, Conflict."""
    place = Site.objects.select_for_update().get(pk=visible_site(actor, site).pk)
    address = _address(address)
    if language not in LANGUAGES:
        raise Invalid(f"not a language of ours: {language[:20]!r}")
    active = Recipient.objects.filter(site=place, stopped__isnull=True).exclude(address=address)
    if active.count() >= RECIPIENTS_CAP:
        raise Conflict(f"a site can have {RECIPIENTS_CAP} recipients")
    found, _ = Recipient.objects.update_or_create(
        site=place,
        address=address,
        defaults={"language": language, "stopped": None},
        create_defaults={
            "language": language,
            "key": secrets.token_urlsafe(32),
            "added": timezone.now(),
        },
    )
    record(actor, "notices.add", address, site=place, details={"language": language})
    return found


@transaction.atomic
def remove(actor: Actor, key: int) -> None:
    """Do not tell this address any more. Raises NotFound."""
    _stop(actor, queries.recipient(actor, key))


@transaction.atomic
def opt_out(key: str) -> Recipient | None:
    """What the address in each letter does; None for a key nobody has."""
    found = Recipient.objects.select_related("site__customer").filter(key=key[:43]).first()
    if found is not None and found.stopped is None:
        _stop(System("opt-out"), found)
    return found


def _stop(actor: Actor, recipient: Recipient) -> None:
    recipient.stopped = timezone.now()
    recipient.save(update_fields=["stopped"])
    Letter.objects.filter(recipient=recipient, sent__isnull=True).update(again=None, problem="stopped")
    record(actor, "notices.stop", recipient.address, site=recipient.site)


def _address(text: str) -> str:
    cleaned = text.strip()
    if len(cleaned) > LONGEST_ADDRESS:
        raise Invalid(f"a mail address of {len(cleaned)} characters")
    try:
        validate_email(cleaned)
    except ValidationError as error:
        raise Invalid(f"not a mail address: {cleaned[:60]!r}") from error
    return cleaned


# --- what is told ------------------------------------------------------------------------------------------------


def gather(*, now: datetime) -> int:
    """Look at every site whose morning has come; gives how many notices were written."""
    sites = Site.objects.filter(units__activated__isnull=False).select_related("customer").distinct()
    return sum(_look(site, now) for site in sites.order_by("pk"))


def prune(*, now: datetime) -> int:
    """Drop notices past their time, with their letters; gives the rows dropped."""
    return Notice.objects.filter(created__lt=now - KEPT).delete()[0]


def zone_of(site: Site) -> ZoneInfo:
    """The zone its first unit's window is in: what the customer chose; else the fleet's."""
    unit = (
        site.units.filter(activated__isnull=False).select_related("want").order_by("activated", "pk").first()
    )
    try:
        return zone(unit.want.timezone if unit else settings.TIME_ZONE)
    except WindowError:
        return ZoneInfo(settings.TIME_ZONE)


@transaction.atomic
def _look(site: Site, now: datetime) -> int:
    here = now.astimezone(zone_of(site))
    watch = Watch.objects.select_for_update().filter(site=site).first()
    if here.time() < MORNING or (watch and watch.day >= here.date()):
        return 0
    known = dict(Known.objects.filter(site=site).values_list("mac", "told"))
    news, told = compare(_devices(site, now), known, first=watch is None, now=now)
    _remember(site, known, told)
    Watch.objects.update_or_create(site=site, defaults={"day": here.date()})
    news += _helpers(site, now)
    if not news:
        return 0
    notice = Notice.objects.create(
        site=site, day=here.date(), created=now, news=[asdict(each) for each in news]
    )
    _write(notice, news, now)
    return 1


def _helpers(site: Site, now: datetime) -> list[News]:
    """Every opening of a unit of the site, once, when it is over."""
    return [
        News(
            What.SUPPORT,
            name=visit.who,
            since=visit.opened.isoformat(),
            until=(visit.closed or visit.until or visit.opened).isoformat(),
            unit=visit.unit,
            why=visit.why,
        )
        for visit in untold(site, now=now)
    ]


def _devices(site: Site, now: datetime) -> Iterable[Device]:
    """The report's rows by the MAC address under which a device was known first."""
    keys = {mac: device or mac for mac, device in Host.objects.filter(site=site).values_list("mac", "device")}
    heard = dict(Unit.objects.filter(site=site).values_list("pk", "last_seen"))
    for row in report(System("notices"), site.pk, now=now).rows:
        yield Device(row, keys.get(row.mac, row.mac), heard.get(row.unit))


def _remember(site: Site, known: dict[str, str], told: dict[str, str]) -> None:
    """Every address there is known from now on: a second one of a device is no news when they are told apart."""
    listed = set(Host.objects.filter(site=site).values_list("mac", flat=True))
    after = dict.fromkeys(listed, "") | {mac: told.get(mac, "") for mac in listed | set(told)}
    changed = [
        Known(site=site, mac=mac, told=value) for mac, value in after.items() if known.get(mac) != value
    ]
    Known.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["site", "mac"], update_fields=["told"], batch_size=500
    )


def _write(notice: Notice, news: list[News], now: datetime) -> None:
    site, portal = notice.site, settings.PORTAL_URL
    page = f"{portal}/sites/{site.pk}/coverage/"
    place = letters.Place(site.name, site.customer.name, zone_of(site), page)
    Letter.objects.bulk_create(
        Letter(
            notice=notice,
            recipient=reader,
            subject=letters.subject(news, place, reader.language),
            text=letters.text(news, place, reader.language, stop=stop_address(reader)),
            created=now,
            again=now,
        )
        for reader in Recipient.objects.filter(site=site, stopped__isnull=True)
    )


def stop_address(recipient: Recipient) -> str:
    """The page that ends these messages."""
    return f"{settings.PORTAL_URL}/notices/stop/{recipient.key}/"
