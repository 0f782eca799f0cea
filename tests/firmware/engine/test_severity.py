"""Stars by direction, kind and confidence: every example of the service's definition, and each cell of the table."""

import pytest

from omamori.firmware.engine.antivirus import Antivirus, literal
from omamori.firmware.engine.domains import build_table
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.engine.severity import Kind, Way, grade
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.suricata import parse_rule
from omamori.protocol.vocabulary import Direction, Guard, Severity
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit

ONE, TWO, THREE = Severity.ONE, Severity.TWO, Severity.THREE
SURE = "metadata:confidence High, signature_severity Major;"


@pytest.mark.parametrize(
    ("kind", "stars"),
    # sent out, answer to an inside host, into an inside host, answer of an inside host
    [
        (Kind.MALWARE, (THREE, THREE, ONE, ONE)),
        (Kind.ATTACK, (TWO, ONE, ONE, ONE)),
        (Kind.RISK, (ONE, ONE, ONE, ONE)),
        (Kind.INFECTED, (THREE, ONE, ONE, THREE)),
    ],
)
def test_the_table(kind, stars):
    ways = (Way.SENT, Way.ANSWERED, Way.RECEIVED, Way.SERVED)
    assert tuple(grade(kind, way) for way in ways) == stars


def told(message, classtype, metadata, *, outbound, to_server=True):
    """The severity of a rule's match in a connection."""
    rule = f'alert tcp any any -> any any (msg:"{message}"; content:"sign"; classtype:{classtype}; sid:5; {metadata})'
    guard = Unit(Engine(Signatures(RuleSet.build([parse_rule(rule)]))))
    talk = Tcp(server_port=8081) if outbound else Tcp(client=SITE, server=PC, server_port=8081)
    guard.feed(talk.handshake() + talk.say(b"a sign of it", to_server=to_server))
    (found,) = guard.engine.take_detections()
    assert found.direction is (Direction.OUTBOUND if outbound else Direction.INBOUND)
    return found.severity


@pytest.mark.parametrize(
    ("message", "classtype", "metadata"),
    [
        ("ET COINMINER Observed CoinMiner Pool Login", "coin-mining", SURE),
        ("ET COINMINER Stratum Login", "policy-violation", ""),
        ("ET MALWARE Dorkbot GeoIP Lookup", "trojan-activity", SURE),
        ("ET MALWARE Gh0st Remote Access Trojan Encrypted Session", "command-and-control", SURE),
        ("JSIG-RAT GHOST-Activity-9", "trojan-activity", ""),
        ("ET MALWARE Upatre or Dyre check-in", "trojan-activity", "metadata:malware_family Upatre;"),
        ("ET MALWARE Win32/Emotet CnC Activity", "command-and-control", SURE),
        ("ET MALWARE APT tool", "targeted-activity", ""),
        ("OWN family rule", "attempted-user", "metadata:malware_family Dyre;"),
    ],
)
def test_known_malware_from_inside_has_three_stars_and_the_same_from_outside_one(
    message, classtype, metadata
):
    inside = told(message, classtype, metadata, outbound=True)
    assert inside is (ONE if classtype == "policy-violation" else THREE)
    assert told(message, classtype, metadata, outbound=True, to_server=False) is inside
    assert told(message, classtype, metadata, outbound=False) is ONE


@pytest.mark.parametrize(
    ("message", "classtype"),
    [
        ("ET WEB_SERVER Possible SQL Injection SELECT FROM", "web-application-attack"),
        ("ET EXPLOIT Router command execution", "attempted-admin"),
        ("ET EXPLOIT Router UDP port flaw", "attempted-admin"),
        ("ET WEB_SERVER Script tag in URI Possible Cross Site Scripting Attempt", "web-application-attack"),
        ("ET EXPLOIT_KIT Redirect", "exploit-kit"),
        ("ET PHISHING Successful phish", "credential-theft"),
        ("OWN flood", "attempted-dos"),
        ("ET EXPLOIT Possible router flaw", "trojan-activity"),
        ("ET PHISHING Successful credential phish", "trojan-activity"),
        ("ET EXPLOIT_KIT Observed domain in DNS lookup", "domain-c2"),
        ("ET ADWARE_PUP check-in", "command-and-control"),
    ],
)
def test_attacks_have_two_stars_from_inside_and_one_from_outside_or_in_an_answer(message, classtype):
    assert told(message, classtype, SURE, outbound=True) is TWO
    assert told(message, classtype, SURE, outbound=True, to_server=False) is ONE
    assert told(message, classtype, SURE, outbound=False) is ONE


@pytest.mark.parametrize("message", ["ET SCAN Sipvicious Scan", "OWN SIP scanner"])
def test_a_scanner_from_outside_has_one_star(message):
    assert told(message, "attempted-recon", SURE, outbound=False) is ONE


@pytest.mark.parametrize(
    ("message", "classtype", "metadata"),
    [
        ("ET MALWARE maybe", "trojan-activity", "metadata:confidence Low;"),
        ("ET HUNTING odd", "trojan-activity", SURE),
        ("ET INFO odd", "trojan-activity", SURE),
        ("ET ADWARE_PUP toolbar", "pup-activity", SURE),
        ("ET POLICY external IP", "external-ip-check", ""),
        ("OWN", "bad-unknown", ""),
    ],
)
def test_what_is_hard_to_tell_from_ordinary_traffic_has_one_star(message, classtype, metadata):
    assert told(message, classtype, metadata, outbound=True) is ONE


@pytest.mark.parametrize(
    ("category", "stars"),
    [
        ("c2", THREE),
        ("botnet", THREE),
        ("malware", TWO),
        ("ransomware", TWO),
        ("phishing", ONE),
        ("scam", ONE),
    ],
)
def test_listed_sites(category, stars):
    domains = {guard: build_table([("bad.example", category)]) for guard in (Guard.WG, Guard.UF, Guard.APG)}
    guard, talk = Unit(Engine(Signatures(domains=domains))), Tcp()
    guard.feed(talk.handshake() + talk.say(b"GET / HTTP/1.1\r\nHost: bad.example\r\n\r\n", to_server=True))
    found = {each.guard: each.severity for each in guard.engine.take_detections()}
    assert found == {Guard.WG: stars, Guard.UF: ONE, Guard.APG: ONE}


@pytest.mark.parametrize(
    ("outbound", "upload", "stars"),
    [(True, False, ONE), (True, True, THREE), (False, True, ONE), (False, False, THREE)],
)
def test_malware_in_files_alarms_where_an_inside_host_hands_it_out(outbound, upload, stars):
    guard = Unit(
        Engine(Signatures(antivirus=Antivirus([literal("av:x", "Office.Macro", b"AutoOpen macro")])))
    )
    talk = Tcp() if outbound else Tcp(client=SITE, server=PC)
    body = b"...AutoOpen macro..."
    post = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    guard.feed(talk.handshake())
    if upload:
        guard.feed(talk.say(post, to_server=True))
    else:
        guard.feed(talk.say(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", to_server=True))
        guard.feed(talk.say(answer, to_server=False))
    (found,) = guard.engine.take_detections()
    assert found.severity is stars
