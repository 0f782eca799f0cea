"""Keywords that a few old rules need: `asn1` and `ftpbounce`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.ips.asn1 import Asn1, suspicious
from omamori.firmware.signatures.suricata import RuleError, parse_rule

FINE = bytes.fromhex("300c020101030204f00903032e31")
LONG = bytes.fromhex("3082010a0482010600") + bytes(300)
UNUSED_BITS = bytes.fromhex("30050303ff0102")
LONG_REAL = bytes.fromhex("3082010d0982010903") + b"1" * 300


@pytest.mark.parametrize(
    ("options", "data", "expected"),
    [
        ("oversize_length 255", LONG, True),
        ("oversize_length 266", LONG, False),
        ("oversize_length 255", FINE, False),
        ("bitstring_overflow", UNUSED_BITS, True),
        ("bitstring_overflow", FINE, False),
        ("double_overflow", LONG_REAL, True),
        ("double_overflow, bitstring_overflow", FINE, False),
        ("double_overflow, bitstring_overflow", UNUSED_BITS, True),
        ("double_overflow", UNUSED_BITS, False),
    ],
)
def test_asn1(asking, options, data, expected):
    rule = f"alert tcp any any -> any any (asn1:{options}; sid:1;)"
    assert asking(rule).stream(data) == ([1] if expected else [])


def test_asn1_at_a_place(asking):
    there = asking(
        "alert tcp any any -> any any (asn1:bitstring_overflow,absolute_offset 3; sid:1;)",
        'alert tcp any any -> any any (content:"abc"; asn1:bitstring_overflow,relative_offset 0; sid:2;)',
        'alert tcp any any -> any any (content:"ab"; asn1:bitstring_overflow,relative_offset 0; sid:3;)',
        'alert tcp any any -> any any (content:"abc0"; asn1:bitstring_overflow,relative_offset -1; sid:4;)',
        "alert tcp any any -> any any (asn1:bitstring_overflow,absolute_offset 900; sid:5;)",
    )
    assert there.stream(b"abc" + UNUSED_BITS) == [1, 2, 4]


@pytest.mark.parametrize(
    "options", ["", "absolute_offset 3", "oversize_length", "oversize_length x", "colour"]
)
def test_asn1_that_asks_for_nothing_is_refused(options):
    with pytest.raises(RuleError):
        parse_rule(f"alert tcp any any -> any any (asn1:{options}; sid:1;)")


@given(st.binary(max_size=400), st.integers(-5, 500), st.integers(0, 500))
@settings(max_examples=200)
def test_any_bytes_are_read(data, offset, at):
    suspicious(Asn1(bits=True, real=True, longest=100, offset=offset, relative=True), data, at)


def test_nested_without_end_is_left_soon():
    assert not suspicious(Asn1(bits=True), b"\x30\x80" * 100_000, 0)
    assert not suspicious(Asn1(bits=True), b"\x30\x7e" * 100_000, 0)


BOUNCE = 'alert tcp any any -> any 21 (content:"PORT"; nocase; ftpbounce; pcre:"/^PORT/smi"; sid:1;)'


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (b"PORT 10,9,8,7,4,1\r\n", [1]),
        (b"port 10,9,8,7,4,1\r\n", [1]),
        (b"PORT 192,168,1,5,4,1\r\n", []),
        (b"NOOP\r\nPORT 192,168,1,5,4,1\r\nPORT 192,168,1,6,0,80\r\n", [1]),
        (b"PORT nonsense\r\n", []),
        (b"RETR PORT\r\n", []),
    ],
)
def test_ftpbounce(asking, command, expected):
    facts = {"server_port": 21, "application": "ftp"}
    assert asking(BOUNCE, **facts).stream(command) == expected
