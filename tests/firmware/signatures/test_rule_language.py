"""Rule text in: rules or errors with line, column and reason out, never silence."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omamori.firmware.engine
from omamori.firmware.engine.ips.rule import Content, Operator, RuleAction
from omamori.firmware.signatures.suricata import (
    RuleError,
    RuleSyntaxError,
    Unsupported,
    parse_rule,
    parse_rules,
    recognised,
)
from omamori.firmware.signatures.suricata.buffers import BUFFERS, MODIFIERS, PCRE_BUFFERS, STICKY_ALIASES
from omamori.firmware.signatures.suricata.unsupported import REASONS

GOOD = 'alert http $HOME_NET any -> $EXTERNAL_NET any (msg:"ok"; http.uri; content:"/a"; sid:1;)'


def test_a_whole_rule():
    rule = parse_rule(
        'drop tls [$HOME_NET,!192.0.2.1] any -> any [443,8443:8500] (msg:"Caf\xc3\xa9 \\"x\\"; y"; flow:established,to_server; '.replace(
            "; y", "\\; y"
        )
        + 'tls.sni; content:"evil.example"; bsize:12; nocase; reference:url,example.com/a; classtype:trojan-activity; '
        "target:src_ip; metadata:policy balanced, created_at 2024_01_02; gid:3; sid:77; rev:4;)"
    )
    assert (rule.header.action, rule.header.protocol) == (RuleAction.DROP, "tls")
    assert (rule.sid, rule.gid, rule.revision, rule.priority) == (77, 3, 4, 1)
    assert rule.message == 'Café "x"; y'
    assert rule.metadata == (("policy", "balanced"), ("created_at", "2024_01_02"))
    assert rule.target == "src_ip"
    (section,) = rule.sections
    assert section.buffer == "tls.sni"
    content, size = section.steps
    assert content == Content(b"evil.example", nocase=True)
    assert size.comparison.operator is Operator.EQUAL


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("alert", 5, "no '('"),
        ("alert http any any -> any any msg", 33, "no '('"),
        ("alert http any any -> any (sid:1;)", 23, "7 words"),
        ("fire http any any -> any any (sid:1;)", 1, "not an action"),
        ("alert nonsense any any -> any any (sid:1;)", 7, "not a protocol"),
        ("alert http any any >> any any (sid:1;)", 20, "not a direction"),
        ("alert http 300.1.1.1 any -> any any (sid:1;)", 12, "not an address"),
        ("alert http [1.1.1.1,x] any -> any any (sid:1;)", 21, "not an address"),
        ("alert http [1.1.1.1 any -> any any (sid:1;)", 43, "never closed"),
        ("alert http any 70000 -> any any (sid:1;)", 16, "not a port"),
        ("alert http any 90:80 -> any any (sid:1;)", 16, "not a port"),
        ("alert http any any -> any any (sid:1)", 32, "without ';'"),
        ("alert http any any -> any any (sid:1;", 37, "no ')'"),
        ('alert http any any -> any any (msg:"x";)', 1, "no sid"),
        ("alert http any any -> any any (sid:x;)", 36, "not a number"),
        ("alert http any any -> any any (wat; sid:1;)", 32, "no such option"),
        ("alert http any any -> any any (content:abc; sid:1;)", 40, "double quotes"),
        ('alert http any any -> any any (content:"|4|"; sid:1;)', 40, "hexadecimal"),
        ('alert http any any -> any any (content:"|41"; sid:1;)', 40, "never closed"),
        ('alert http any any -> any any (content:""; sid:1;)', 40, "empty"),
        ("alert http any any -> any any (nocase; sid:1;)", 32, "needs a content"),
        ('alert http any any -> any any (content:"abc"; depth:2; sid:1;)', 53, "smaller than its content"),
        ('alert http any any -> any any (content:!"abc"; depth:5; fast_pattern; sid:1;)', 57, "negated"),
        ('alert http any any -> any any (pcre:"/(/"; sid:1;)', 40, "missing closing parenthesis"),
        ('alert http any any -> any any (pcre:"abc"; sid:1;)', 37, "/pattern/"),
        ('alert http any any -> any any (pcre:"/a/q"; sid:1;)', 37, "no flag"),
        ("alert http any any -> any any (flow:sideways; sid:1;)", 37, "flow"),
        ("alert http any any -> any any (byte_test:1,>,2; sid:1;)", 42, "byte_test needs"),
        ("alert http any any -> any any (threshold:type limit, track by_src, count 1; sid:1;)", 42, "seconds is missing"),
        ("alert http any any -> any any (flowbits:set; sid:1;)", 41, "not an operation"),
        ('alert http any any -> any any (http.uri; pcrexform:"abc"; sid:1;)', 52, "needs a group"),
        ("alert http any any -> any any (l3_proto:ipv5; sid:1;)", 41, "ipv4 or ipv6"),
        ("alert http any any -> any any (requires: version 7; sid:1;)", 42, "not a version"),
        ('alert http any any -> any any (base64_data; content:"a"; sid:1;)', 1, "without base64_decode"),
        ("alert http any any -> any any (dotprefix; sid:1;)", 32, "sticky buffer"),
    ],
)  # fmt: skip
def test_errors_say_where_and_why(text, column, reason):
    with pytest.raises(RuleError) as told:
        parse_rule(text)
    assert reason in told.value.reason
    assert told.value.column == column


@pytest.mark.parametrize(
    "option", ["lua:x.lua", "geoip:src,JP", "filemd5:x", "dce_iface:1", "smb.share", "ssl_state:client_hello"]
)
def test_what_is_not_supported_says_so_by_name(option):
    with pytest.raises(Unsupported) as told:
        parse_rule(f"alert tcp any any -> any any ({option}; sid:1;)")
    assert told.value.what == option.split(":")[0]
    assert not isinstance(told.value, RuleSyntaxError)


def test_a_file_with_garbage_loads_the_rest():
    content = f'# a comment\n{GOOD}\nthis is not a rule\n\n# alert tcp any any -> any any (msg:"off"; sid:9;)\nalert tcp any any -> any any (msg:"over \\\nlines"; sid:2;)\nalert tcp any any -> any any (lua:x; sid:3;)\n\x00ÿþ garbage \x01'.encode(
        "latin-1"
    )
    parsed = parse_rules(content, file="a.rules")
    assert [rule.sid for rule in parsed.rules] == [1, 2]
    assert [(refusal.line, refusal.keyword) for refusal in parsed.refused] == [(3, ""), (8, "lua"), (9, "")]
    assert str(parsed.refused[1]) == "a.rules:8:31: lua: scripts are not run on a unit"
    assert parsed.disabled == 1
    assert [rule.sid for rule in parse_rules(content, with_disabled=True).rules] == [1, 9, 2]


def test_a_rule_of_a_megabyte_is_refused():
    with pytest.raises(RuleSyntaxError, match="characters"):
        parse_rule(f'alert tcp any any -> any any (content:"{"a" * 1_000_000}"; sid:1;)')


def test_lists_nested_without_end_are_refused():
    with pytest.raises(RuleSyntaxError, match="nested"):
        parse_rule(f"alert tcp {'[' * 50}1.1.1.1{']' * 50} any -> any any (sid:1;)")


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_rules_or_refusals(content):
    parsed = parse_rules(content)
    assert len(parsed.rules) == len(parsed.texts)


_PIECES = st.sampled_from(
    ["content:", '"abc"', '"|41 zz|"', ";", "!", "http.uri", "pcre:", '"/a(b|c)+/Ri"', "distance:", "-5", "within:n", "byte_test:", "1,>,2,0",
     "byte_extract:1,0,n", "base64_decode", "base64_data", "dotprefix", "flowbits:set,x", "threshold:type limit", "sid:1", ",", "\\", "|", "(", ")",
     "endswith", "depth:99999999999", "isdataat:", "relative", "xor", "http_uri", "metadata:"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(_PIECES, max_size=14).map("".join))
def test_any_options_are_a_rule_or_an_error(body):
    try:
        parse_rule(f"alert tcp any any -> any any ({body} sid:1;)")
    except RuleError as error:
        assert error.column >= 1  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("wanted", "loads"),
    [
        ("version >= 7.0.4", True),
        ("version >= 6", True),
        ("version < 7", False),
        ("version >= 8.0.0", False),
        ("version >= 8 | >= 7.0.3", True),
        ("keyword dns.query", True),
        ("feature geoip", False),
        ("version >= 7, feature geoip", False),
    ],
)
def test_a_rule_says_what_it_requires(wanted, loads):
    text = f"alert http any any -> any any (requires: {wanted}; sid:1;)"
    if loads:
        assert parse_rule(text).sid == 1
        return
    with pytest.raises(Unsupported) as told:
        parse_rule(text)
    assert told.value.reason.startswith("requires: requires ")
    assert told.value.column == 42


def engine_text() -> str:
    folder = Path(omamori.firmware.engine.__file__).parent
    return "".join(path.read_text(encoding="utf-8") for path in folder.glob("**/*.py"))


def test_the_events_that_rules_may_ask_for_are_those_of_the_engine():
    text = engine_text()
    for event in recognised.EVENTS:
        name = event.removeprefix("http.")
        told = {f'"{event}"', f'"{name}"', f'"{re.sub("request|response", "{way}", name)}"'}
        assert any(each in text for each in told), event
    raised = set(re.findall(r'"((?:dns|ssh|tls|smtp|ftp|quic)\.[a-z_]+)"', text)) - BUFFERS.keys()
    assert {name for name in raised if f'frozenset(("{name}",))' in text} <= recognised.EVENTS


def test_every_buffer_that_rules_may_name_is_filled_by_a_parser():
    folder = Path(omamori.firmware.engine.__file__).parent
    files = [*folder.glob("applications/*.py"), folder / "ips/moments.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    written = set(re.findall(r'"([a-z0-9_]+\.[a-z0-9_.]+)"', text))
    written |= {f"{name}.string" for name in written if name.startswith("ssh.hassh")}
    assert set(BUFFERS) <= written
    aliases = {*STICKY_ALIASES.values(), *MODIFIERS.values(), *PCRE_BUFFERS.values()}
    assert aliases <= BUFFERS.keys()


def test_a_buffer_is_accepted_or_refused_with_a_reason_not_both():
    assert not (BUFFERS.keys() | STICKY_ALIASES.keys() | MODIFIERS.keys()) & REASONS.keys()


def test_the_protocols_that_rules_may_name_are_those_of_the_engine():
    text = engine_text()
    for name in recognised.APPLICATIONS - {"http1"}:
        assert f'name = "{name}"' in text or f'("{name}", re.compile' in text, name


@pytest.mark.parametrize(
    ("rule", "column", "reason"),
    [
        ("alert sip any any -> any any (sid:1;)", 7, "this protocol is not recognised"),
        ("alert tcp any any -> any any (app-layer-protocol:krb5; sid:1;)", 50, "this protocol is not recognised"),
        ("alert http any any -> any any (app-layer-event:http.nonsense; sid:1;)", 48, "no such event is raised"),
        ('alert smb any any -> any any (file.data; content:"a"; sid:1;)', 1, "files of this protocol are not taken out"),
        ('alert dns any any -> any any (http.uri; content:"a"; sid:1;)', 1, "http.uri is no buffer of dns"),
        ("alert gopher any any -> any any (sid:1;)", 7, "not a protocol"),
    ],
)  # fmt: skip
def test_a_rule_that_could_never_match_is_refused(rule, column, reason):
    with pytest.raises(RuleError) as told:
        parse_rule(rule)
    assert reason in told.value.reason
    assert told.value.column == column


SURICATA = [
    "bypass",
    "config",
    "dataset",
    "datarep",
    "lua",
    "geoip",
    "frame",
    "engine-event",
    "flowvar",
    "pktvar",
    "tenant_id",
    "replace",
    "filemd5",
    "filesize",
    "filemagic",
    "filestore",
    "tcpv4-csum",
    "ipv4-csum",
    "smb.named_pipe",
    "dce_iface",
    "dcerpc.opnum",
    "krb5_cname",
    "snmp.usm",
    "rfb.name",
    "mqtt.type",
    "modbus",
    "dnp3_func",
    "ike.vendor",
    "http2.window",
    "nfs_procedure",
    "rpc",
    "ssl_state",
    "tls_cert_expired",
    "tls.cert_chain_len",
    "cip_service",
    "dhcp.leasetime",
]


@pytest.mark.parametrize("name", SURICATA)
def test_what_is_not_carried_says_why(name):
    with pytest.raises(Unsupported) as told:
        parse_rule(f"alert tcp any any -> any any ({name}:1; sid:1;)")
    assert told.value.column == 31
    assert told.value.reason.partition(": ")[2]
