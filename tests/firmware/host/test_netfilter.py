"""Netlink messages of the log group and the connection table: hostile bytes, and the real kernel."""

import ctypes
import os
import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.namespaces import namespace
from omamori.firmware.host import conntrack, netfilter, netlink, nflog

FLOW = conntrack.Tuple(6, ip_address("10.0.0.1").packed, 40_000, ip_address("203.0.113.9").packed, 443)
FLOW6 = conntrack.Tuple(17, ip_address("fd00::1").packed, 53, ip_address("fd00::2").packed, 5353)


def told(flow, *, kind=0x0100, counters=(10, 20), mark=3):
    content = conntrack._tuple(flow) + netlink.attribute(8, struct.pack(">I", mark))
    for place, count in zip((9, 10), counters, strict=True):
        content += netlink.nested(place, netlink.attribute(2, struct.pack(">Q", count)))
    content += netlink.attribute(12, struct.pack(">I", 77))
    return netfilter.message(kind, family=2, resource=0, content=content, flags=0)


def copied(payload, *, sequence=5):
    content = netlink.attribute(9, payload) + netlink.attribute(6, struct.pack(">I", 4))
    content += netlink.attribute(13, struct.pack(">I", sequence))
    return netfilter.message(0x0400, family=2, resource=17, content=content, flags=0)


def test_flows_of_both_families_and_their_counters():
    raw = told(FLOW) + told(FLOW6, kind=0x0102, counters=(2**40, 1), mark=0x103)
    one, other = conntrack.parse(memoryview(raw))
    assert one == conntrack.Entry(FLOW, 77, 3, 10, 20, ended=False)
    assert other == conntrack.Entry(FLOW6, 77, 0x103, 2**40, 1, ended=True)


def test_copies_come_with_their_port_and_number():
    raw = copied(b"E" * 40) + copied(b"", sequence=6) + copied(b"F" * 30, sequence=9)
    assert list(nflog.parse(memoryview(raw))) == [nflog.Copy(b"E" * 40, 4, 5), nflog.Copy(b"F" * 30, 4, 9)]


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 200), st.booleans())
def test_no_bytes_make_them_fail(noise, at, flip):
    for whole in (told(FLOW), copied(b"E" * 40)):
        raw = memoryview(whole[:at] + noise + whole[at + len(noise) * flip :])
        for parse in (conntrack.parse, nflog.parse):
            assert len(list(parse(raw))) < 20


@pytest.mark.root
def test_the_kernels_table_is_read_and_marked():
    with namespace(f"ct-{os.getpid()}") as inside, _entered(inside.name):
        inside.run(
            "nft",
            "add table inet t; add chain inet t o { type filter hook output priority 0; }; add rule inet t o ct packets 1",
        )
        with conntrack.Connections() as table, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", 0))
            one.sendto(b"x" * 100, ("127.0.0.1", 9))
            (entry,) = [each for each in table.table() if each.flow.source_port == one.getsockname()[1]]
            assert (entry.flow.destination_port, entry.forth, entry.mark) == (9, 128, 0)
            assert table.mark(entry.flow, 3, 0xFF)
            (entry,) = [each for each in table.table() if each.flow == entry.flow]
            assert entry.mark == 3
            assert not table.mark(entry.flow._replace(source_port=1), 3, 0xFF)


class _entered:  # noqa: N801 - a context manager used as a word
    """The calling thread in another network namespace, and back."""

    def __init__(self, name):
        self._name = name

    def __enter__(self):
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._go(f"/run/netns/{self._name}")

    def __exit__(self, *_):
        libc = ctypes.CDLL(None)
        assert libc.setns(self._home, 0) == 0
        os.close(self._home)

    def _go(self, path):
        there = os.open(path, os.O_RDONLY)
        assert ctypes.CDLL(None).setns(there, 0) == 0
        os.close(there)
