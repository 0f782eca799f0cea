"""Acceptance cases made here: what is compared, and why a case is skipped."""

from pathlib import Path

import dpkt
import pytest

from omamori.firmware.signatures import conformance
from omamori.firmware.signatures.conformance import Status
from tests.firmware.engine.conversation import PC, SITE, Tcp, datagram

DROP = 'drop udp any any -> any 9 (msg:"no"; content:"bad"; sid:7; rev:2;)\n'


class Case:
    """One folder; `answer` runs it alone."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "case"
        self.folder.mkdir()

    def write(self, description: str, *, rules: str = DROP, packets: list[bytes] | None = None, **files: str):
        (self.folder / "test.yaml").write_text(description)
        (self.folder / "a.rules").write_text(rules)
        for name, text in files.items():
            (self.folder / name.replace("_", ".")).write_text(text)
        with (self.folder / "input.pcap").open("wb") as file:
            writer = dpkt.pcap.Writer(file, linktype=101)
            for number, packet in enumerate(packets if packets is not None else BAD):
                writer.writepkt(packet, ts=1000.0 + number)
        return self

    def answer(self) -> tuple[Status, str]:
        (result,) = conformance.run(self.root)
        return result.status, result.reason


BAD = [
    datagram(PC, SITE, 4000, 9, b"bad"),
    datagram(PC, SITE, 4000, 9, b"more"),
    datagram(PC, SITE, 4001, 9, b"good"),
]


@pytest.fixture
def case(tmp_path) -> Case:
    return Case(tmp_path)


def check(count: int, **match: object) -> str:
    lines = "".join(f"      {key.replace('__', '.')}: {value}\n" for key, value in match.items())
    return f"- filter:\n    count: {count}\n    match:\n{lines}"


IPS = "args:\n- --simulate-ips\n"


@pytest.mark.parametrize(
    ("arguments", "checks"),
    [
        ("", check(1, event_type="alert", alert__signature_id=7, alert__rev=2, alert__action="allowed")),
        ("", check(0, event_type="drop")),
        (IPS, check(1, event_type="alert", alert__action="blocked")),
        # the flow's second packet is dropped, too, but only the first one is written
        (IPS, check(1, event_type="drop") + check(1, event_type="drop", drop__reason="rules", dest_port=9)),
        (IPS, check(0, event_type="drop", src_port=4001)),
        (IPS, check(1, event_type="drop") + "      alert.signature__startswith: n\n"),
    ],
)
def test_alerts_and_drops_are_compared(case, arguments, checks):
    assert case.write(f"{arguments}checks:\n{checks}").answer() == (Status.PASSED, "")


EVERY = "%YAML 1.1\n---\noutputs:\n- eve-log:\n    types:\n    - drop:\n        flows: all\n"


def test_a_rule_over_streams_drops_the_rest_of_the_flow_too(case):
    talk = Tcp(server_port=9)
    packets = talk.handshake() + talk.say(b"bad", to_server=True) + talk.say(b"more", to_server=True)
    rules = 'drop tcp any any -> any 9 (content:"bad"; sid:7;)\n'
    description = f"{IPS}checks:\n{check(1, event_type='drop', drop__reason='rules')}"
    description += check(1, event_type="drop", drop__reason="flow drop")
    assert case.write(description, rules=rules, packets=packets, suricata_yaml=EVERY).answer() == (
        Status.PASSED,
        "",
    )


def test_a_rule_over_packets_drops_these_alone(case):
    description = f"{IPS}checks:\n{check(1, event_type='drop')}"
    assert case.write(description, suricata_yaml=EVERY).answer() == (Status.PASSED, "")


def test_a_pass_rule_over_packets_passes_these_alone(case):
    rules = 'pass udp any any -> any 9 (content:"bad"; sid:1;)\nalert udp any any -> any 9 (content:"o"; sid:2;)\n'
    packets = [datagram(PC, SITE, 4000, 9, data) for data in (b"bad no", b"no")]
    one = f"checks:\n{check(1, event_type='alert', alert__signature_id=2)}"
    assert case.write(one, rules=rules, packets=packets).answer() == (Status.PASSED, "")


def test_a_pass_rule_over_streams_passes_the_flow(case):
    rules = 'pass tcp any any -> any 9 (content:"bad"; sid:1;)\nalert tcp any any -> any 9 (content:"o"; sid:2;)\n'
    talk = Tcp(server_port=9)
    packets = talk.handshake() + talk.say(b"bad no", to_server=True) + talk.say(b"no", to_server=True)
    none = f"checks:\n{check(0, event_type='alert')}"
    assert case.write(none, rules=rules, packets=packets).answer() == (Status.PASSED, "")


def test_what_only_a_log_has_is_left_out_of_the_comparison(case):
    asked = check(1, event_type="alert", pcap_cnt=1, alert__signature_id=7)
    assert case.write(f"checks:\n{asked}").answer()[0] is Status.PASSED
    missing = check(2, event_type="alert", pcap_cnt=1, alert__signature_id=7)
    assert case.write(f"checks:\n{missing}").answer() == (
        Status.FAILED,
        "1 alerts, not at least 2, with {'alert.signature_id': 7}",
    )


def test_a_connection_whose_opening_was_not_seen_is_followed_only_where_the_case_says_so(case):
    packets = Tcp(server_port=9).say(b"bad", to_server=True)
    rules = 'alert tcp any any -> any 9 (flow:established; content:"bad"; sid:7;)\n'
    one = f"checks:\n{check(1, event_type='alert')}"
    assert case.write(one, rules=rules, packets=packets).answer()[0] is Status.FAILED
    followed = f"args:\n- --set stream.midstream=true\n{one}"
    assert case.write(followed, rules=rules, packets=packets).answer()[0] is Status.PASSED


def test_variables_come_from_the_configuration_and_the_arguments(case):
    rules = 'alert udp $HOME_NET any -> any $MY_PORTS (content:"bad"; sid:7;)\n'
    configuration = 'vars:\n  address-groups:\n    HOME_NET: "[192.168.1.0/24,!192.168.1.99]"\n  port-groups:\n    MY_PORTS: "9:10"\n'
    one = f"checks:\n{check(1, event_type='alert')}"
    assert case.write(one, rules=rules, suricata_yaml=configuration).answer()[0] is Status.PASSED
    none = f"args:\n- --set vars.address-groups.HOME_NET=10.0.0.0/8\nchecks:\n{check(0, event_type='alert')}"
    assert case.write(none, rules=rules, suricata_yaml=configuration).answer()[0] is Status.PASSED


ALERT = f"checks:\n{check(1, event_type='alert')}"


@pytest.mark.parametrize(
    ("description", "rules", "reason"),
    [
        (f"requires:\n  min-version: 8\n{ALERT}", DROP, "for Suricata 8 and later"),
        (f"requires:\n  lt-version: 7\n{ALERT}", DROP, "for Suricata before 7"),
        (f"requires:\n  features:\n  - HAVE_LUA\n{ALERT}", DROP, "needs the feature HAVE_LUA"),
        (f"args:\n- -k none port 22\n{ALERT}", DROP, "needs the argument '-k none port 22'"),
        (f"args:\n- --simulate-ips\n- --set stream.midstream-policy=drop-flow\n{ALERT}", DROP, "asks for an exception policy"),
        (f"pcap: ../other.pcap\n{ALERT}", DROP, "the capture ../other.pcap is not there"),
        (ALERT, DROP.replace("content", "lua"), "a rule does not load: lua: scripts are not run on a unit"),
        ("checks:\n- filter:\n    count: 1\n    match:\n      event_type: flow\n", DROP, "says nothing about alerts and drops"),
    ],
)  # fmt: skip
def test_a_skipped_case_says_why(case, description, rules, reason):
    status, told = case.write(description, rules=rules).answer()
    assert status is Status.SKIPPED
    assert told.startswith(reason)


def test_a_crash_is_that_cases_failure(case):
    case.write(ALERT).folder.joinpath("test.yaml").write_text("checks: [")
    status, told = case.answer()
    assert status is Status.FAILED
    assert "ParserError" in told
