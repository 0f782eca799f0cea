"""Messages about hosts: what is told, to whom, in which words, once a day; mailed to a real server and stopped by whoever gets them."""

import json
import socket
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller
from click.testing import CliRunner
from django.conf import settings
from django.test import Client

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.models import Audit
from omamori.fleet.commands.daily import daily, notices
from omamori.fleet.errors import Conflict, Invalid, NotFound
from omamori.fleet.ingest.operations import store
from omamori.fleet.lan import customer
from omamori.fleet.lan.models import Host, Ownership
from omamori.fleet.notices import operations, post, queries
from omamori.fleet.notices.models import Letter, Notice, Recipient, Watch
from omamori.fleet.notices.news import GONE_AFTER
from omamori.fleet.units.models import Unit, Want
from omamori.protocol.vocabulary import Side

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OLD, NEW, AWAY = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"


@pytest.fixture
def fleet(fleet):
    """A site with one host that was there at the first look, and somebody who is told."""
    fleet.unit()
    hear(fleet.now)
    store([fleet.hosts(fleet.host(OLD, name="keiri-pc"))])
    operations.add(System(), fleet.sites[0].pk, "soumu@shop.example", language="ja")
    operations.gather(now=fleet.now)
    return fleet


def hear(now):
    Unit.objects.filter(pk="om-0001").update(last_seen=now)


def told(fleet, after):
    """What the look so much later finds."""
    operations.gather(now=fleet.now + after)
    hear(fleet.now + after)
    found = Notice.objects.filter(created=fleet.now + after).first()
    return [(each["what"], each["mac"]) for each in found.news] if found else []


def test_a_new_host_is_told_once(fleet):
    assert not Notice.objects.exists(), "what was there at the first look is no news"
    store([fleet.hosts(fleet.host(NEW, name="guest"), sequence=2)])
    assert told(fleet, DAY) == [("new", NEW)]
    assert told(fleet, 2 * DAY) == []


def test_many_things_in_one_day_are_one_message_and_the_rest_waits_for_the_next(fleet):
    store([fleet.hosts(fleet.host(NEW), replace(fleet.host(AWAY), side=Side.ROUTER), sequence=2)])
    assert told(fleet, DAY) == [("wrong-side", AWAY), ("new", NEW), ("new", AWAY)]
    store([fleet.hosts(fleet.host("02:00:00:00:00:04"), sequence=3)])
    for later in range(1, 12):
        assert told(fleet, DAY + later * HOUR) == []
    assert told(fleet, 2 * DAY) == [("new", "02:00:00:00:00:04")]
    assert Notice.objects.count() == Letter.objects.count() == 2


def test_the_wrong_side_is_told_again_only_after_it_was_right(fleet):
    def seen(side, hours, sequence):
        store([fleet.hosts(replace(fleet.host(OLD, seen=hours * HOUR), side=side), sequence=sequence)])

    seen(Side.ROUTER, 1, 2)
    assert told(fleet, DAY) == [("wrong-side", OLD)]
    assert told(fleet, 2 * DAY) == []
    seen(Side.BEHIND, 2, 3)
    assert told(fleet, 3 * DAY) == []
    seen(Side.ROUTER, 3, 4)
    assert told(fleet, 4 * DAY) == [("wrong-side", OLD)]


@pytest.mark.parametrize("belongs", [True, False])
def test_a_host_vanishes_after_a_week_where_it_belonged(fleet, belongs):
    if belongs:
        customer.describe(System(), Host.objects.get().pk, ownership=Ownership.COMPANY)
    for day in range(1, 8):
        hear(fleet.now + day * DAY)
        assert told(fleet, day * DAY) == []
    hear(fleet.now + 8 * DAY)
    assert told(fleet, 8 * DAY) == ([("vanished", OLD)] if belongs else [])
    assert told(fleet, 9 * DAY) == []


def test_a_unit_that_is_off_says_nothing_of_its_hosts(fleet):
    customer.describe(System(), Host.objects.get().pk, ownership=Ownership.COMPANY)
    operations.gather(now=fleet.now + GONE_AFTER + 3 * DAY)
    assert not Notice.objects.exists()


def test_a_private_device_and_a_second_address_of_a_known_one_are_no_news(fleet):
    joined = replace(fleet.host(NEW), device=OLD, device_reason="interfaces")
    store([fleet.hosts(joined, fleet.host(AWAY), sequence=2)])
    customer.describe(System(), Host.objects.get(mac=AWAY).pk, ownership=Ownership.PRIVATE)
    assert told(fleet, DAY) == []
    Host.objects.filter(mac=NEW).update(device="")
    assert told(fleet, 2 * DAY) == [], "nor when the two are told apart later"


@pytest.mark.parametrize(("zone", "hours"), [("Asia/Tokyo", 20), ("Europe/London", 5), ("nowhere", 20)])
def test_it_is_told_on_the_sites_own_morning(fleet, zone, hours):
    """The first look was at 03:00 UTC: noon in Japan, where a zone that is none is looked up, and too early in London."""
    day_before = fleet.now - DAY if zone == "Europe/London" else fleet.now
    Watch.objects.update(day=day_before.date())
    Want.objects.update(timezone=zone)
    store([fleet.hosts(fleet.host(NEW), sequence=2)])
    assert told(fleet, (hours - 1) * HOUR) == []
    assert told(fleet, hours * HOUR) == [("new", NEW)]


@pytest.mark.parametrize(
    ("language", "subject", "words"),
    [
        ("ja", "【Omamori】Site A: 新規1台", ("新しく見つかった機器", "2026-11-20 12:00", "Asia/Tokyo")),
        ("en", "Omamori Site A: 1 new", ("New in your network", "2026-11-20 12:00", "Asia/Tokyo")),
    ],
)
def test_a_letter_is_in_its_readers_language_and_the_sites_time(fleet, language, subject, words):
    operations.add(System(), fleet.sites[0].pk, "soumu@shop.example", language=language)
    store([fleet.hosts(fleet.host(NEW, name="evil\r\nBcc: x@y.example"), sequence=2)])
    told(fleet, DAY)
    letter = Letter.objects.get()
    assert letter.subject == subject
    for each in (
        *words,
        NEW,
        f"/sites/{fleet.sites[0].pk}/coverage/",
        f"/notices/stop/{letter.recipient.key}/",
    ):
        assert each in letter.text
    assert "\nBcc" not in letter.text


# --- through the mail server ------------------------------------------------------------------------------------------


class Postbox:
    """Keeps what a real SMTP server was given; refuses what it is told to."""

    def __init__(self):
        self.letters, self.refuse = [], ""

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        self.letters.append(envelope)
        return "250 taken"


@contextmanager
def listening():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(Postbox(), hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    try:
        yield controller
    finally:
        controller.stop()


@pytest.fixture
def server(monkeypatch):
    with listening() as controller:
        for name, value in {
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": controller.port,
            "EMAIL_USE_TLS": False,
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "DEFAULT_FROM_EMAIL": "omamori@fleet.example",
        }.items():
            monkeypatch.setattr(settings, name, value)
        yield controller.handler


@pytest.fixture
def waiting(fleet):
    store([fleet.hosts(fleet.host(NEW, name="来客PC"), sequence=2)])
    told(fleet, DAY)
    return fleet


def test_a_letter_is_mailed_once_with_its_way_out(waiting, server):
    later = waiting.now + DAY
    assert post.deliver(now=later) == {"sent": 1, "failed": 0, "waiting": 0}
    assert post.deliver(now=later + HOUR)["sent"] == 0
    (envelope,) = server.letters
    assert (envelope.mail_from, envelope.rcpt_tos) == ("omamori@fleet.example", ["soumu@shop.example"])
    raw = envelope.content.decode()
    key = Recipient.objects.get().key
    assert f"/notices/stop/{key}/>" in raw.replace("\r\n ", "")
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in raw
    assert Letter.objects.get().sent == later


def test_a_refused_letter_is_tried_again_ever_more_seldom_and_given_up(waiting, server):
    server.refuse, now, tries = "450 try later", waiting.now + DAY, 0
    while Letter.objects.get().again:
        now = Letter.objects.get().again
        assert post.deliver(now=now)["failed"] == 1
        tries += 1
        assert tries <= post.MOST_TRIES
    assert (tries, "450" in Letter.objects.get().problem or "try later" in Letter.objects.get().problem) == (
        10,
        True,
    )
    server.refuse = ""
    assert post.deliver(now=now + DAY)["sent"] == 0
    assert now - waiting.now > DAY + timedelta(hours=12)


@pytest.mark.usefixtures("server")
def test_a_server_that_is_away_is_waited_for(waiting, monkeypatch):
    port = settings.EMAIL_PORT
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(settings, "EMAIL_PORT", closed.getsockname()[1])
        assert post.deliver(now=waiting.now + DAY) == {"sent": 0, "failed": 1, "waiting": 1}
    monkeypatch.setattr(settings, "EMAIL_PORT", port)
    assert post.deliver(now=waiting.now + DAY) == {"sent": 0, "failed": 0, "waiting": 1}
    assert post.deliver(now=waiting.now + DAY + HOUR)["sent"] == 1


def test_without_a_mail_server_letters_wait(waiting, monkeypatch):
    monkeypatch.setattr(settings, "EMAIL_HOST", "")
    assert post.deliver(now=waiting.now + DAY) == {"sent": 0, "failed": 0, "waiting": 1}


@pytest.mark.usefixtures("server")
def test_a_password_file_that_is_not_there_is_said(waiting, monkeypatch, tmp_path):
    monkeypatch.setitem(settings.FLEET, "mail_password_file", str(tmp_path / "none"))
    with pytest.raises(Invalid, match="mail_password_file"):
        post.deliver(now=waiting.now + DAY)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("press", [True, False])
def test_the_way_out_needs_a_press_but_no_sign_in(waiting, press):
    client = Client(enforce_csrf_checks=True, SERVER_NAME="127.0.0.1")
    path = f"/notices/stop/{Recipient.objects.get().key}/"
    answer = client.post(path) if press else client.get(path)
    assert answer.status_code == 200
    assert (Recipient.objects.get().stopped is not None) is press
    assert post.deliver(now=waiting.now + DAY)["sent"] == (0 if press else 1)
    assert client.post("/notices/stop/guessed/").status_code == 404


# --- who is told ------------------------------------------------------------------------------------------------------


def test_recipients_are_checked_bounded_and_audited(fleet):
    site = fleet.sites[0].pk
    for wrong in ("", "x", "a@b\nBcc: c@d.example", "x" * 300 + "@shop.example"):
        with pytest.raises(Invalid):
            operations.add(System(), site, wrong, language="ja")
    with pytest.raises(Invalid):
        operations.add(System(), site, "a@shop.example", language="fr")
    for number in range(operations.RECIPIENTS_CAP - 1):
        operations.add(System(), site, f"a{number}@shop.example", language="en")
    with pytest.raises(Conflict):
        operations.add(System(), site, "one-more@shop.example", language="en")
    assert Audit.objects.filter(operation="notices.add").count() == operations.RECIPIENTS_CAP


def test_nobody_sees_or_changes_anothers(waiting):
    stranger = waiting.member("customer", site=1)
    for found in (queries.recipients, queries.notices, queries.letters):
        assert not found(stranger).exists()
        assert found(waiting.member("customer")).count() == 1
    with pytest.raises(NotFound):
        operations.add(stranger, waiting.sites[0].pk, "x@shop.example", language="ja")
    with pytest.raises(NotFound):
        operations.remove(stranger, Recipient.objects.get().pk)


def test_the_command_line_shows_everything_and_does_the_days_work(fleet, server):
    def run(command, *words):
        done = CliRunner().invoke(command, [*words, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    site = str(fleet.sites[0].pk)
    CliRunner().invoke(notices, ["add", "en@shop.example", "--site", site, "--language", "en"])
    store([fleet.hosts(fleet.host(NEW), sequence=2)])
    Want.objects.update(timezone=f"Etc/GMT{datetime.now(UTC).hour - 12:+d}")  # where it is noon
    done = run(daily)
    assert (done["notices"], done["letters_sent"], done["letters_waiting"]) == (1, 2, 0)
    assert len(server.letters) == 2
    assert {row["address"] for row in run(notices, "recipients", "--site", site)} == {
        "soumu@shop.example",
        "en@shop.example",
    }
    assert run(notices, "list", "--site", site)[0]["news"][0]["mac"] == NEW
    assert len(run(notices, "letters", "--site", site)) == 2
    CliRunner().invoke(notices, ["stop", str(Recipient.objects.first().pk)], catch_exceptions=False)
    assert Recipient.objects.filter(stopped=None).count() == 1
