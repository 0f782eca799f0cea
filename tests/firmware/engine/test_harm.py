"""Which rules block, as decision 0003 says, and what the others leave behind."""

import pytest

from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.harm import judge
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.engine.signatures import RuleHit, Signatures
from omamori.firmware.engine.verdict import Block
from omamori.firmware.signatures.suricata import parse_rule
from omamori.protocol.vocabulary import Action, Severity
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit

HIGH = {"signature_severity": ["Major"], "confidence": ["High"]}


@pytest.mark.parametrize(
    ("action", "message", "classtype", "metadata", "outside", "blocks"),
    [
        ("drop", "ET INFO anything", "misc-activity", {}, False, True),
        ("reject", "GPL x", "", {"confidence": ["Low"]}, False, True),
        ("alert", "ET INFO Python BaseHTTP ServerBanner", "trojan-activity", HIGH, False, False),
        ("alert", "ETPRO HUNTING odd", "trojan-activity", HIGH, False, False),
        ("alert", "GPL SHELLCODE x86 NOP", "shellcode-detect", {}, False, False),
        ("alert", "ET MALWARE loader", "trojan-activity", HIGH, False, True),
        ("alert", "ET MALWARE loader", "trojan-activity", {"confidence": ["Low"]}, False, False),
        ("alert", "ET SCAN x", "trojan-activity", {"signature_severity": ["Informational"]}, False, False),
        ("alert", "ET WEB_SERVER SELECT", "web-application-attack", {}, True, True),
        ("alert", "OWN control server", "command-and-control", {}, False, True),
        ("alert", "ET SCAN SIP", "attempted-recon", HIGH, True, True),
        ("alert", "ET SCAN SIP", "attempted-recon", HIGH, False, False),
        ("alert", "ET DROP listed", "misc-attack", HIGH, True, False),
        ("alert", "OWN", "a-class-nobody-knows", {}, True, False),
        ("alert", "", "", {}, True, False),
    ],
)
def test_the_table(action, message, classtype, metadata, outside, blocks):
    hit = RuleHit(1, 1, 1, message, classtype, 1, action, metadata)
    judgement = judge(hit, from_outside=outside)
    assert judgement.blocks is blocks
    assert judgement.why


def unit(*rules):
    return Unit(Engine(Signatures(RuleSet.build([parse_rule(rule) for rule in rules]))))


def test_what_informs_passes_and_is_told_with_one_star_and_its_reason():
    rule = 'alert tcp any any -> any any (msg:"ET INFO banner"; content:"BaseHTTP"; classtype:bad-unknown; sid:5;)'
    guard, talk = unit(rule), Tcp()
    said = talk.handshake() + talk.say(b"hello BaseHTTP", to_server=True)
    assert guard.feed(said) == said
    (found,) = guard.engine.take_detections()
    assert (found.action, found.severity) == (Action.LOGGED, Severity.ONE)
    assert found.reason == "rule 1:5: ET INFO banner (told only: ET INFO informs)"


def test_a_drop_that_says_nothing_drops_and_is_counted():
    guard, talk = unit('drop tcp any any -> any any (content:"evil"; noalert; sid:6;)'), Tcp()
    guard.feed(talk.handshake())
    assert guard.feed(talk.say(b"evil", to_server=True)) == []
    assert guard.verdicts[-1] == Block("rule 1:6: ")
    assert guard.engine.take_detections() == []
    assert guard.engine.statistics.silent == 1


def test_past_its_threshold_a_drop_still_drops():
    limit = "threshold:type limit,track by_src,count 1,seconds 60"
    guard = unit(f'drop tcp any any -> any any (content:"evil"; {limit}; sid:7;)')
    for port in (40_000, 40_001, 40_002):
        talk = Tcp(client_port=port)
        guard.feed(talk.handshake())
        assert guard.feed(talk.say(b"evil", to_server=True)) == []
    assert len(guard.engine.take_detections()) == 1
    assert guard.engine.statistics.silent == 2


def test_a_quiet_alert_neither_tells_nor_blocks():
    rule = 'alert tcp any any -> any any (content:"evil"; noalert; classtype:trojan-activity; sid:8;)'
    guard, talk = unit(rule), Tcp(client=PC, server=SITE)
    assert guard.feed(talk.say(b"evil", to_server=True))
    assert guard.engine.statistics.silent == 0


@pytest.mark.parametrize(
    ("state", "stops"),
    [
        ("flowbits:set,a", False),
        ("flowbits:unset,a", False),
        ("flowint:a,+,1", False),
        ("xbits:set,a,track ip_src", False),
        ("flowbits:isnotset,a", True),
    ],
)
def test_a_drop_that_only_keeps_state_never_drops(state, stops):
    rules = (
        f'drop tcp any any -> any any (content:"evil"; {state}; noalert; sid:6;)',
        'drop tcp any any -> any any (content:"worse"; flowbits:isset,a; sid:7;)',
    )
    guard, talk = unit(*rules), Tcp()
    guard.feed(talk.handshake())
    assert (guard.feed(talk.say(b"evil", to_server=True)) == []) is stops
    assert guard.engine.take_detections() == []
    assert guard.engine.statistics.silent == stops
    if state == "flowbits:set,a":
        assert guard.feed(talk.say(b"worse", to_server=True)) == []
