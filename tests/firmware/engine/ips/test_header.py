"""Addresses, ports, direction: exact sets, however they are written."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.ips import Variables
from omamori.firmware.engine.ips.spans import Resolver, networks
from omamori.firmware.signatures.suricata.header import parse_group


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ("any", ["1.2.3.4", "2001:db8::1"], []),
        ("192.0.2.0/24", ["192.0.2.255"], ["192.0.3.0", "2001:db8::1"]),
        ("192.0.2.1-192.0.2.9", ["192.0.2.9"], ["192.0.2.10"]),
        ("!192.0.2.0/24", ["1.1.1.1", "2001:db8::1"], ["192.0.2.1"]),
        ("[192.0.2.0/24,!192.0.2.9]", ["192.0.2.8"], ["192.0.2.9", "1.1.1.1"]),
        ("[!192.0.2.0/24,!10.0.0.0/8]", ["1.1.1.1"], ["192.0.2.1", "10.9.9.9"]),
        ("![192.0.2.0/24,10.0.0.0/8]", ["1.1.1.1"], ["192.0.2.1", "10.9.9.9"]),
        ("[10.0.0.0/8,![10.1.0.0/16,!10.1.2.0/24]]", ["10.2.0.1", "10.1.2.3"], ["10.1.3.3"]),
        ("$HOME_NET", ["192.168.1.1", "10.1.1.1", "fd00::1", "fe80::1"], ["8.8.8.8", "2001:db8::1"]),
        ("$EXTERNAL_NET", ["8.8.8.8"], ["192.168.1.1"]),
        ("[$EXTERNAL_NET,!8.8.8.8]", ["9.9.9.9"], ["8.8.8.8", "10.0.0.1"]),
        ("!$HTTP_SERVERS", ["8.8.8.8"], ["192.168.1.1"]),
        ("2001:db8::/32", ["2001:db8::1"], ["1.2.3.4"]),
    ],
)
def test_addresses(written, inside, outside):
    found = Resolver(Variables()).addresses(parse_group(written, ports=False))
    assert all(ip_address(each).packed in found for each in inside)
    assert not any(ip_address(each).packed in found for each in outside)


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ("80", [80], [81]),
        ("80:90", [80, 90], [79, 91]),
        ("1024:", [65535], [1023]),
        (":1023", [0], [1024]),
        ("!80", [81], [80]),
        ("[80,!81,100:200,!150]", [80, 120], [81, 150]),
        ("$HTTP_PORTS", [80, 8080], [443]),
        ("$SHELLCODE_PORTS", [443], [80]),
    ],
)
def test_ports(written, inside, outside):
    found = Resolver(Variables()).ports(parse_group(written, ports=True))
    assert all(each in found for each in inside)
    assert not any(each in found for each in outside)


_network = st.builds(
    lambda value, length: str(ip_network((value, length), strict=False)),
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
)


@given(st.lists(_network, min_size=1, max_size=5), st.lists(_network, max_size=4), st.integers(0, 2**32 - 1))
def test_a_list_is_its_plain_items_less_its_negated_ones(plain, refused, probe):
    written = "[" + ",".join([*plain, *(f"!{each}" for each in refused)]) + "]"
    address = ip_address(probe)
    expected = any(address in ip_network(each) for each in plain) and not any(
        address in ip_network(each) for each in refused
    )
    assert (address.packed in Resolver(Variables()).addresses(parse_group(written, ports=False))) is expected


def test_the_inside_can_be_told(asking):
    variables = Variables().with_groups({"HOME_NET": networks("203.0.113.0/24")})
    rule = asking('alert tcp $HOME_NET any -> $EXTERNAL_NET any (content:"ab"; sid:1;)', variables=variables)
    assert rule.stream(b"ab", to_server=True) == []
    assert rule.stream(b"ab", to_server=False) == [1]


def test_direction_and_both_ways(asking):
    one = 'alert tcp any any -> any 80 (content:"ab"; sid:1;)'
    both = 'alert tcp any any <> any 80 (content:"ab"; sid:2;)'
    rules = asking(one, both)
    assert rules.stream(b"ab", to_server=True) == [1, 2]
    assert rules.stream(b"ab", to_server=False) == [2]


def test_unknown_and_circular_variables_are_errors():
    for groups in (
        {},
        {
            "HOME_NET": parse_group("$EXTERNAL_NET", ports=False),
            "EXTERNAL_NET": parse_group("$HOME_NET", ports=False),
        },
    ):
        with pytest.raises(SignatureError):
            Resolver(Variables(groups)).addresses(parse_group("$HOME_NET", ports=False))
