"""Exceptions, changed responses and new rules: what the operator says holds from the next match on, and hides nothing."""

from datetime import UTC, datetime, timedelta

import dpkt
import pytest

from omamori.firmware.engine.antivirus import Antivirus, literal
from omamori.firmware.engine.conduct import Orders
from omamori.firmware.engine.domains import build_table
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.suricata import parse_rule
from omamori.protocol.policy import Change, Exemption, Policy
from omamori.protocol.vocabulary import Action, Guard, Severity
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit, datagram

MAC, OTHER = "02:00:00:00:00:20", "02:00:00:00:00:21"
RULE = (
    'alert http any any -> any any (msg:"OWN beacon"; http.uri; content:"/beacon"; classtype:trojan-activity; sid:7;'
    " metadata:created_at 2023_11_10;)"
)
LISTS = {
    Guard.WG: build_table([("bad.example", "phishing")]),
    Guard.UF: build_table([("play.example", "games")]),
}
VIRUS = Antivirus([literal("av:test", "Test.Virus", b"MALWARE")])


def unit(policy=None, **fields):
    engine = Engine(Signatures(RuleSet.build([parse_rule(RULE)]), LISTS, VIRUS), Settings(**fields))
    guard = Unit(engine)
    if policy is not None:
        engine.obey(Orders(policy, {PC: MAC}))
    return guard


def until(guard, seconds):
    return datetime.fromtimestamp(guard.now, UTC) + timedelta(seconds=seconds)


def visit(guard, host="bad.example", path="/", port=40_000, **ends):
    """Whether a request passes, and what was told."""
    talk = Tcp(client_port=port, **ends)
    said = talk.handshake() + talk.say(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), to_server=True
    )
    passed = len(guard.feed(said)) == len(said)
    return passed, guard.engine.take_detections()


@pytest.mark.parametrize(
    "criteria",
    [
        {"host": MAC},
        {"rule": "wg:bad.example"},
        {"destination": "bad.example"},
        {"destination": "example"},
        {"destination": SITE},
        {"destination": "203.0.113.0/24"},
        {"host": MAC, "rule": "wg:bad.example", "destination": "bad.example"},
    ],
)
def test_what_an_exception_names_passes_until_it_ends_and_is_still_told(criteria):
    guard = unit()
    assert visit(guard)[0] is False
    guard.engine.obey(Orders(Policy((Exemption(12, until(guard, 60), **criteria),)), {PC: MAC}))
    passed, (told,) = visit(guard, port=40_001)
    assert passed
    assert (told.action, told.severity) == (Action.LOGGED, Severity.ONE)
    assert told.reason.endswith("(told only: exception 12)")
    guard.now += 60
    assert visit(guard, port=40_002)[0] is False


@pytest.mark.parametrize(
    "criteria",
    [
        {"host": OTHER},
        {"rule": "wg:worse.example"},
        {"destination": "ad.example"},
        {"destination": "www.bad.example"},
        {"destination": "198.51.100.0/24"},
        {"destination": "2001:db8::/32"},
        {"host": MAC, "rule": "1:7"},
        {"host": OTHER, "destination": "bad.example"},
    ],
)
def test_all_of_an_exception_must_fit(criteria):
    guard = unit()
    guard.engine.obey(Orders(Policy((Exemption(12, until(guard, 60), **criteria),)), {PC: MAC}))
    assert visit(guard)[0] is False


def test_a_rule_is_exempt_for_the_site_that_was_asked_for():
    guard = unit()
    order = Policy((Exemption(3, until(guard, 60), rule="1:7", destination="shop.example"),))
    guard.engine.obey(Orders(order))
    assert visit(guard, "www.shop.example", "/beacon")[0]
    passed, (told,) = visit(guard, "else.example", "/beacon", port=40_001)
    assert not passed
    assert (told.signature_id, told.severity) == ("1:7", Severity.THREE)


@pytest.mark.parametrize("domain", ["beacon.example", "www.beacon.example", "example"])
def test_a_rule_about_a_dns_question_is_exempt_for_its_name(domain):
    rule = 'alert dns any any -> any any (msg:"OWN"; dns.query; content:"beacon"; classtype:trojan-activity; sid:9;)'
    asked = datagram(
        PC, SITE, 5353, 53, bytes(dpkt.dns.DNS(id=1, qd=[dpkt.dns.DNS.Q(name="www.beacon.example")]))
    )
    guard = Unit(Engine(Signatures(RuleSet.build([parse_rule(rule)]))))
    assert guard.feed([asked]) == []
    guard.engine.obey(Orders(Policy((Exemption(1, until(guard, 60), rule="1:9", destination=domain),))))
    assert guard.feed([asked]) == [asked]
    guard.engine.obey(Orders(Policy((Exemption(1, until(guard, 60), destination="other.example"),))))
    assert guard.feed([asked]) == []


def test_a_host_is_known_by_the_address_it_holds_now():
    guard = unit()
    order = Policy((Exemption(3, until(guard, 600), host=MAC),))
    guard.engine.obey(Orders(order, {PC: OTHER, "192.168.1.99": MAC}))
    assert not visit(guard)[0]
    guard.engine.obey(Orders(order, {PC: MAC}))
    assert visit(guard, port=40_001)[0]


def test_a_host_inside_is_meant_also_where_it_is_the_server():
    guard = unit()
    guard.engine.obey(Orders(Policy((Exemption(3, until(guard, 600), host=MAC),)), {PC: MAC}))
    assert visit(guard, "own.example", "/beacon", client=SITE, server=PC)[0]
    guard.engine.obey(Orders())
    assert not visit(guard, "own.example", "/beacon", client=SITE, server=PC, port=40_001)[0]


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ((), Action.BLOCKED),
        ((Change("ips", "log"),), Action.LOGGED),
        ((Change("1:7", "log"),), Action.LOGGED),
        ((Change("1:8", "log"), Change("wg", "log")), Action.BLOCKED),
        ((Change("ips", "log"), Change("1:7", "block")), Action.BLOCKED),
        ((Change("1:7", "a word of 2031"),), Action.BLOCKED),
    ],
)
def test_responses_are_changed_for_a_guard_or_a_rule(changes, action):
    passed, (told,) = visit(unit(Policy(changes=changes)), "x.example", "/beacon")
    assert told.action is action
    assert passed is (action is Action.LOGGED)


def test_a_rule_that_is_told_only_blocks_where_the_operator_says_so():
    rule = 'alert http any any -> any any (msg:"ET INFO x"; http.uri; content:"/info"; classtype:misc-activity; sid:9;)'
    guard = Unit(Engine(Signatures(RuleSet.build([parse_rule(rule)]))))
    assert visit(guard, "x.example", "/info")[0]
    guard.engine.obey(Orders(Policy(changes=(Change("1:9", "block"),))))
    assert not visit(guard, "x.example", "/info", port=40_001)[0]


def test_categories_are_blocked_where_the_customer_wants_it():
    guard = unit()
    assert visit(guard, "play.example")[0]
    guard.engine.obey(Orders(Policy(blocked_categories=("games",))))
    assert not visit(guard, "play.example", port=40_001)[0]
    guard.engine.obey(Orders())
    assert visit(guard, "play.example", port=40_002)[0]


@pytest.mark.parametrize(("days", "passes"), [(0, False), (3, False), (5, True), (90, True)])
def test_a_new_rule_only_tells_in_its_first_days(days, passes):
    guard = unit(Policy(trial_days=days))
    assert datetime.fromtimestamp(guard.now, UTC).date().isoformat() == "2023-11-14"
    passed, (told,) = visit(guard, "x.example", "/beacon")
    assert passed is passes
    if passes:
        assert (told.severity, told.reason.rpartition(" (")[2]) == (
            Severity.ONE,
            "told only: new rule of 2023_11_10)",
        )


@pytest.mark.parametrize("now", [0.0, 1_600_000_000.0])
def test_a_wrong_clock_makes_no_rule_new(now):
    guard = unit(Policy(trial_days=7))
    guard.now = now
    assert not visit(guard, "x.example", "/beacon")[0]


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ((), Action.NEUTRALISED),
        ((Change("av", "block"),), Action.BLOCKED),
        ((Change("av", "log"),), Action.LOGGED),
    ],
)
def test_malware_is_overwritten_blocked_or_told(changes, action):
    guard, talk = unit(Policy(changes=changes)), Tcp()
    body = b"MZ" + b"MALWARE" * 3 + b"x" * 80
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    guard.feed(talk.handshake() + talk.say(b"GET /a HTTP/1.1\r\nHost: x.example\r\n\r\n", to_server=True))
    came = guard.feed(talk.say(answer, to_server=False))
    (told,) = guard.engine.take_detections()
    assert told.action is action
    assert bool(came) is (action is not Action.BLOCKED)
    assert any(b"MALWARE" in packet for packet in came) is (action is Action.LOGGED)


def test_observing_needs_no_exception():
    guard = unit(Policy(changes=(Change("1:7", "block"),)), mode=Mode.OBSERVE)
    assert visit(guard, "x.example", "/beacon")[0]
