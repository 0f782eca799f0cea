"""Fingerprints: the published example of JA4, and how reserved values and odd protocols are treated."""

import pytest

from omamori.firmware.engine.applications import fingerprints

CIPHERS = [
    0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D, 0x002F, 0x0035,
]  # fmt: skip
EXTENSIONS = [
    0x001B, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002D, 0x000D, 0x0005, 0x0023, 0x0012, 0x002B, 0xFF01, 0x000B, 0x000A,
    0x0015,
]  # fmt: skip
SIGNATURES = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
RESERVED = [0x0A0A, 0x1A1A, 0xFAFA]


def test_the_published_example_with_and_without_reserved_values():
    plain = fingerprints.ja4("t", [0x0304, 0x0303], CIPHERS, EXTENSIONS, SIGNATURES, b"h2")
    assert plain == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    mixed = fingerprints.ja4(
        "t", [*RESERVED, 0x0304], RESERVED + CIPHERS, EXTENSIONS + RESERVED, SIGNATURES, b"h2"
    )
    assert mixed == plain


@pytest.mark.parametrize(
    ("protocol", "ends"),
    [(b"", "00"), (b"h3", "h3"), (b"http/1.1", "h1"), (b"\xab", "ab"), (b"a\xff", "6f")],
)
def test_the_ends_of_a_protocols_name(protocol, ends):
    assert fingerprints.ja4("q", [], [], [], [], protocol) == f"q00i0000{ends}_{'0' * 12}_{'0' * 12}"


def test_ja3_leaves_reserved_values_out_and_keeps_the_order():
    text = fingerprints.ja3(771, [0x1A1A, 49195, 4865], [0, 0xFAFA, 11], [0x0A0A, 29], b"\0\1")
    assert text == "771,49195-4865,0-11,29,0-1"
