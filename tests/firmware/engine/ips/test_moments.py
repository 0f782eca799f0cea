"""Where and how often a rule fires: packets, streams, transactions."""

import dpkt
import pytest


def test_content_without_buffer_is_sought_in_the_stream(asking):
    rule = asking('alert tcp any any -> any 80 (content:"split"; sid:1;)')
    assert rule.payload(b"split") == []
    assert rule.stream(b"..split..") == [1]


def test_a_stream_match_fires_once_while_the_window_slides(asking):
    rule = asking('alert tcp any any -> any 80 (content:"ab"; content:"cd"; distance:0; sid:1;)')
    assert rule.stream(b"ab..") == []
    assert rule.stream(b"ab..cd", fresh=4) == [1]
    assert rule.stream(b"ab..cdxx", fresh=6) == []
    assert rule.stream(b"ab..cdxxab.cd", fresh=8) == [1]


def test_tcp_pkt_looks_at_packets_only(asking):
    rule = asking('alert tcp-pkt any any -> any 80 (content:"ab"; sid:1;)')
    assert rule.stream(b"ab") == []
    assert rule.payload(b"ab") == [1]


def test_one_packet_does_not_alert_twice_for_packet_and_stream(asking):
    rule = asking('alert tcp any any -> any 80 (content:"ab"; depth:2; sid:1;)')
    raw = bytes(tcp(b"ab"))
    from omamori.firmware.engine import packet as packets
    from omamori.firmware.engine.inspection import Inspection, Moment

    packet = packets.parse(raw)
    told = [
        len(rule.rules.evaluate(Inspection(moment, 1.0, rule.flow, True, packet, {name: [b"ab"]})))
        for moment, name in ((Moment.PACKET, "payload"), (Moment.STREAM, "stream"))
    ]
    assert told == [1, 0]


def test_a_transaction_fires_once_though_its_parts_come_later(asking):
    rule = asking(
        'alert http any any -> any any (http.method; content:"POST"; http.request_body; content:"x"; sid:1;)'
    )
    assert rule.message(transaction=1, http__method=b"POST") == []
    assert rule.message(transaction=1, http__method=b"POST", http__request_body=b"ax") == [1]
    assert rule.message(transaction=1, http__method=b"POST", http__request_body=b"axb") == []
    assert rule.message(transaction=2, http__method=b"POST", http__request_body=b"x") == [1]


def test_an_application_rule_needs_its_application(asking):
    rule = asking('alert http any any -> any any (content:"ab"; sid:1;)', application="failed")
    assert rule.stream(b"ab") == []
    rule.flow.application = "http"
    assert rule.stream(b"ab") == [1]


def test_a_buffer_that_is_not_there_matches_nothing(asking):
    rule = asking('alert http any any -> any any (http.cookie; content:!"x"; http.uri; content:"/a"; sid:1;)')
    assert rule.message(http__uri=b"/a") == []
    assert rule.message(http__uri=b"/a", http__cookie=b"y") == [1]


@pytest.mark.parametrize(
    ("options", "established", "to_server", "expected"),
    [
        ("flow:established;", True, True, True),
        ("flow:established;", False, True, False),
        ("flow:not_established;", False, True, True),
        ("flow:to_server;", True, True, True),
        ("flow:to_server;", True, False, False),
        ("flow:from_server,established;", True, False, True),
        ("flow:from_client;", True, False, False),
        ("flow:stateless;", False, False, True),
    ],
)
def test_flow(asking, options, established, to_server, expected):
    rule = asking(f'alert tcp any any -> any any ({options} content:"ab"; sid:1;)', established=established)
    assert rule.stream(b"ab", to_server=to_server) == ([1] if expected else [])


def test_pass_is_the_last_word(asking):
    rules = asking(
        'alert tcp any any -> any any (content:"ab"; sid:1;)',
        'pass tcp any any -> any any (content:"ab"; sid:2;)',
        'drop tcp any any -> any any (content:"ab"; sid:3;)',
    )
    assert rules.stream(b"ab") == [2]


def test_drop_comes_before_alert(asking):
    rules = asking(
        'alert http any any -> any any (http.uri; content:"ab"; sid:1;)',
        'drop http any any -> any any (http.uri; content:"ab"; sid:2;)',
    )
    from omamori.firmware.engine.inspection import Inspection, Moment

    hits = rules.rules.evaluate(
        Inspection(Moment.TRANSACTION, 1.0, rules.flow, True, None, {"http.uri": [b"ab"]})
    )
    assert [(hit.sid, hit.action) for hit in hits] == [(2, "drop"), (1, "alert")]


def test_rules_over_payload_and_buffers_need_both(asking):
    rule = asking(
        'alert dns any any -> any any (content:"|01 00|"; offset:2; depth:2; dns.query; content:"evil"; sid:1;)'
    )
    rule.flow.application, rule.flow.protocol = "dns", "udp"
    assert rule.message(dns__query=b"evil.example", payload=b"\x12\x34\x81\x80") == []
    assert rule.message(dns__query=b"evil.example", payload=b"\x12\x34\x01\x00") == [1]


def tcp(payload: bytes = b"", **fields):
    segment = dpkt.tcp.TCP(sport=40000, dport=80, data=payload, **fields)
    return dpkt.ip.IP(
        src=b"\xc0\xa8\x01\x05", dst=b"\xcb\x00\x71\x09", p=6, data=segment, len=40 + len(payload), ttl=57
    )


@pytest.mark.parametrize(
    ("options", "raw", "expected"),
    [
        ("flags:S;", bytes(tcp(flags=2)), True),
        ("flags:S;", bytes(tcp(flags=0x12)), False),
        ("flags:S,CE;", bytes(tcp(flags=0xC2)), True),
        ("flags:S+;", bytes(tcp(flags=0x12)), True),
        ("flags:*SF;", bytes(tcp(flags=1)), True),
        ("flags:!S;", bytes(tcp(flags=2)), False),
        ("flags:0;", bytes(tcp(flags=0)), True),
        ("ttl:57;", bytes(tcp()), True),
        ("ttl:<57;", bytes(tcp()), False),
        ("ttl:50-60;", bytes(tcp()), True),
        ("dsize:3;", bytes(tcp(b"abc")), True),
        ("dsize:>3;", bytes(tcp(b"abc")), False),
        ("dsize:2<>4;", bytes(tcp(b"abc")), True),
        ("window:1234;", bytes(tcp(win=1234)), True),
        ("seq:7;", bytes(tcp(seq=7)), True),
        ("ack:7;", bytes(tcp(seq=7)), False),
        ("ip_proto:6;", bytes(tcp()), True),
        ("ip_proto:!TCP;", bytes(tcp()), False),
        ("fragbits:D;", bytes(tcp()), False),
        ("itype:8;", bytes(tcp()), False),
        ("sameip;", bytes(tcp()), False),
        ('tcp.hdr; content:"|9c 40|"; startswith;', bytes(tcp()), True),
        ('ipv4.hdr; content:"|39 06|"; offset:8; depth:2;', bytes(tcp()), True),
    ],
)
def test_packet_fields(asking, options, raw, expected):
    rule = asking(f"alert ip any any -> any any ({options} sid:1;)")
    assert rule.packet(raw) == ([1] if expected else [])


def test_icmp_fields(asking):
    rule = asking(
        "alert icmp any any -> any any (itype:8; icode:0; icmp_id:77; icmp_seq:3; sid:1;)",
        protocol="icmp",
        application="",
    )
    echo = dpkt.icmp.ICMP(type=8, data=dpkt.icmp.ICMP.Echo(id=77, seq=3, data=b"ping"))
    packet = dpkt.ip.IP(src=b"\xc0\xa8\x01\x05", dst=b"\xcb\x00\x71\x09", p=1, data=echo)
    packet.len = len(packet)
    assert rule.packet(bytes(packet)) == [1]


def test_address_rules_are_asked_once_for_each_direction(asking):
    rule = asking("alert ip any any -> 203.0.113.0/24 any (sid:1;)")
    assert rule.packet(bytes(tcp())) == [1]
    assert rule.packet(bytes(tcp())) == []
