"""The day's work by `serve` itself: real processes of several servers on one database, and a real mail server."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

import pytest
from aiosmtpd.controller import Controller
from django.db import connections

from lab.namespaces import wait_until
from omamori.fleet.accounts.actor import System
from omamori.fleet.commands.serving import errands
from omamori.fleet.ingest.operations import store
from omamori.fleet.lan.models import CoverageDay
from omamori.fleet.notices import operations
from omamori.fleet.notices.models import Letter, Notice, Watch
from omamori.fleet.supervisor import Errand, Supervisor
from omamori.fleet.units.models import Unit, Want

READERS = 6
OLD, NEW = "02:00:00:00:00:01", "02:00:00:00:00:02"


class Slow:
    """A mail server that takes its time, so that two who send meet in it; keeps to whom each letter was."""

    def __init__(self):
        self.taken, self.pause = [], 0.3

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        await asyncio.sleep(self.pause)
        self.taken += envelope.rcpt_tos
        return "250 taken"


@pytest.fixture
def mail():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(Slow(), hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def environment(database, mail, state):
    """Of processes that use this test's database and mail server."""
    settings = {
        "DATABASE": str(database),
        "MAIL_HOST": "127.0.0.1",
        "MAIL_PORT": str(mail.port),
        "MAIL_SECURITY": "none",
    }
    named = {f"OMAMORI_FLEET_{key}": value for key, value in settings.items()}
    return os.environ | named | {"OMAMORI_STATE": str(state)}


@pytest.fixture
def site(fleet):
    """Its morning has come, a host is new, and six people are to be told."""
    fleet.unit()
    store([fleet.hosts(fleet.host(OLD))])
    operations.gather(now=fleet.now)
    Watch.objects.update(day=fleet.now.date())
    now = datetime.now(UTC)
    Want.objects.update(timezone=f"Etc/GMT{now.hour - 12:+d}")
    Unit.objects.update(last_seen=now)
    for number in range(READERS):
        operations.add(System(), fleet.sites[0].pk, f"reader-{number}@shop.example", language="ja")
    store([fleet.hosts(fleet.host(NEW), sequence=2)])
    return fleet


@contextmanager
def serving(environment, errand):
    """A supervisor as `serve` has it, watching."""
    stop = Event()
    with Supervisor([], environment, errands=[errand]) as supervisor:
        watching = Thread(target=supervisor.watch, args=(stop,))
        watching.start()
        try:
            yield supervisor
        finally:
            stop.set()
            watching.join(60)


def sent():
    return Letter.objects.filter(sent__isnull=False).count()


def test_several_servers_and_restarts_tell_a_day_once(site, environment, mail):
    often = Errand("daily", every=1.0, first=0.0)
    with ExitStack() as servers:
        for _ in range(2):
            servers.enter_context(serving(environment, often))
        wait_until(lambda: sent() == READERS, seconds=120, what="the letters")
    with serving(environment, often) as again:
        wait_until(lambda: again._errands[0].process is not None, seconds=60, what="another round")
        wait_until(lambda: again._errands[0].process is None, seconds=120, what="its end")
    assert sorted(mail.handler.taken) == [f"reader-{number}@shop.example" for number in range(READERS)]
    assert (Notice.objects.count(), CoverageDay.objects.filter(site=site.sites[0]).count()) == (1, 1)


@pytest.mark.usefixtures("site")
def test_a_letter_whose_sender_was_killed_is_sent_after_its_claim(environment, mail):
    command = [sys.executable, "-m", "omamori.fleet", "daily"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: mail.handler.taken, seconds=60, what="the first letter")
        process.send_signal(signal.SIGKILL)
    before = sent()
    assert before < READERS
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=120)
    held = Letter.objects.filter(sent__isnull=True)
    assert held.count() <= 1, "all but the claimed one"
    held.update(again=datetime.now(UTC))
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=120)
    assert sent() == READERS
    assert len(mail.handler.taken) <= READERS + 1


@pytest.mark.usefixtures("site")
def test_a_round_that_hangs_is_ended(environment, mail, capfd):
    mail.handler.pause = 600
    with serving(environment, Errand("daily", every=600.0, first=0.0, longest=3.0)):
        wait_until(
            lambda: "daily ended with code -15" in capfd.readouterr().err, seconds=60, what="the end of it"
        )


def test_it_can_be_switched_off():
    assert errands({"daily_minutes": 0}) == []
    assert errands({"daily_minutes": 30}) == [Errand("daily", every=1800.0)]


def test_closing_ends_an_errand_that_runs(environment):
    with serving(environment, Errand("daily", every=60.0, first=0.0)) as supervisor:
        wait_until(lambda: supervisor._errands[0].process is not None, seconds=60, what="the errand")
        process = supervisor._errands[0].process
    assert process.returncode is not None
    connections.close_all()
