"""What the fleet asks for a helper's sake: only with a published key, only while the customer does not refuse, told to the unit."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.models import Audit
from omamori.fleet.errors import Conflict, Invalid, NotAllowed, NotFound
from omamori.fleet.ingest.operations import raised, store
from omamori.fleet.support import operations, published, queries
from omamori.fleet.support.models import Event
from omamori.fleet.units.models import Unit
from omamori.protocol import support
from omamori.protocol.ids import unit_id
from omamori.protocol.messages import Support, Upward
from omamori.protocol.vocabulary import SupportPhase
from omamori.signing import operations as signing
from omamori.signing import support as keys
from omamori.signing.policy import POLICIES
from omamori.signing.repository import Repository

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
CLI = System("command line")


@pytest.fixture
def desk(fleet, tmp_path, monkeypatch):
    """A fleet with a relay, one unit, and a published repository with its support key."""
    monkeypatch.setitem(settings.FLEET, "support_bind", "127.0.0.1:8444")
    fleet.unit()
    repository = Repository(tmp_path / "tuf")
    now = timezone.now().replace(microsecond=0)
    signing.init(repository, POLICIES["development"], now)
    keys.enable(repository, now)
    document = support.SupportKey(unit_id("om-0001"), KEY, now, now + timedelta(hours=4), "佐藤", "遅い")
    keys.add(repository, document, now)
    signing.publish(repository, tmp_path / "www", now)
    fleet.repository, fleet.published, fleet.start = repository, tmp_path / "www", now
    return fleet


def ask(desk, actor=CLI, *, now=None):
    return operations.ask(actor, "om-0001", desk.published, now=now or timezone.now())


def call(now=None):
    return operations.call_for(Unit.objects.get(pk="om-0001"), now=now or timezone.now())


def said(desk, call_id, phase, minutes=0, sequence=1, **fields):
    body = Support(
        desk.start + timedelta(minutes=minutes),
        call_id,
        phase,
        "佐藤",
        "遅い",
        desk.start,
        desk.start + timedelta(hours=4),
        **fields,
    )
    store([Upward(unit_id("om-0001"), desk.boot, sequence, body)])


def test_a_published_key_is_asked_for_and_told_to_the_unit(desk):
    made = ask(desk)
    asked = call()
    assert (made.who, made.why) == ("佐藤", "遅い")
    assert (asked.id, asked.host, asked.port) == (made.call, "localhost", 8444)
    assert raised()[0][0] == "om-0001"
    assert Audit.objects.get(operation="support.ask").details["who"] == "佐藤"
    assert queries.proven("om-0001", asked.ticket, timezone.now())
    assert not queries.proven("om-0001", asked.ticket[:-1] + "x", timezone.now())
    assert not queries.proven("om-0001", "", timezone.now())
    assert not queries.proven("om-0002", asked.ticket, timezone.now())
    assert call(made.until) is None
    assert not queries.proven("om-0001", asked.ticket, made.until)


def test_asking_again_ends_the_first_and_closing_ends_the_second(desk):
    first, second = ask(desk), ask(desk)
    assert call().id == second.call != first.call
    operations.end(desk.member("customer"), "om-0001", now=timezone.now())
    assert call() is None
    with pytest.raises(Conflict, match="nobody is asked"):
        operations.end(CLI, "om-0001", now=timezone.now())


def test_only_the_operator_asks_and_nobody_else_sees(desk):
    for level in ("customer", "reseller"):
        with pytest.raises(NotAllowed):
            ask(desk, desk.member(level))
    ask(desk)
    with pytest.raises(NotFound):
        operations.end(desk.member("customer", site=1), "om-0001", now=timezone.now())
    with pytest.raises(NotFound):
        queries.of_unit(desk.member("customer", site=1), "om-0001")


def test_what_the_customer_refuses_is_not_asked_and_not_told(desk):
    ask(desk)
    operations.refuse(desk.member("customer"), "om-0001", now=timezone.now())
    assert call() is None
    with pytest.raises(NotAllowed, match="refuses"):
        ask(desk)
    assert Audit.objects.get(operation="support.refuse").actor.startswith("someone-customer")
    operations.allow(desk.member("customer"), "om-0001")
    assert call() is None, "allowing it again opens nothing"
    ask(desk)
    assert call() is not None


def test_without_a_relay_or_a_key_nothing_is_asked(desk, monkeypatch):
    with pytest.raises(Conflict, match="over since"):
        ask(desk, now=desk.start + timedelta(hours=5))
    keys.withdraw(desk.repository, unit_id("om-0001"), timezone.now())
    signing.publish(desk.repository, desk.published, timezone.now())
    with pytest.raises(Invalid, match="no support key"):
        ask(desk)
    monkeypatch.setitem(settings.FLEET, "support_bind", "")
    with pytest.raises(Invalid, match="no relay"):
        ask(desk)
    assert call() is None


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"signed": {"targets": {"support/om-0001.json": 1}}}']
)
def test_a_damaged_repository_is_refused(desk, content):
    newest = max((desk.published / "metadata").glob("*.support.json"))
    newest.write_bytes(content)
    with pytest.raises(Invalid):
        published.document(desk.published, unit_id("om-0001"), timezone.now())


def test_visits_are_told_as_the_unit_said(desk):
    made = ask(desk)
    said(desk, made.call, SupportPhase.OPENED, 0, 1, host_key="ssh-ed25519 X")
    assert queries.host_key(made) == "ssh-ed25519 X"
    said(desk, made.call, SupportPhase.ENTERED, 5, 2)
    said(desk, made.call, SupportPhase.LEFT, 15, 3)
    said(desk, made.call, SupportPhase.ENTERED, 20, 4)
    said(desk, made.call, SupportPhase.ENTERED, 20, 4)
    said(desk, made.call, SupportPhase.CLOSED, 30, 5, reason="the fleet asks no longer")
    said(desk, "else", SupportPhase.REFUSED, 40, 6, reason="over")
    (visit,) = queries.of_unit(desk.member("customer"), "om-0001")
    assert (visit.opened, visit.closed) == (desk.start, desk.start + timedelta(minutes=30))
    assert (visit.who, visit.why, visit.entered, visit.reason) == (
        "佐藤",
        "遅い",
        2,
        "the fleet asks no longer",
    )
    with pytest.raises(Conflict, match="not open"):
        queries.host_key(made)
    assert Event.objects.count() == 6
    assert [event.reason for event in queries.kept_shut(CLI, "om-0001")] == ["over"]


def test_events_of_a_unit_are_bounded(desk, monkeypatch):
    monkeypatch.setattr(operations, "KEPT", 3)
    for number in range(6):
        said(desk, "x" * 500, SupportPhase.OPENED, number, number)
    assert [event.sequence for event in Event.objects.all()] == [5, 4, 3]
