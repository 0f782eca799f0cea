"""The naming child without its kernel: what it tells of copies, with the lists of a real pack."""

import socket
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from omamori.firmware.engine.naming.namer import Namer
from omamori.firmware.host.nflog import Copy
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.lists import DomainList
from omamori.firmware.usage import naming
from omamori.firmware.usage.records import Beat, Learned, receive
from omamori.protocol.version import Version
from tests.firmware.engine.conversation import PC, SITE, Tcp, datagram

INSIDE, OUTSIDE = 4, 5
PACKED = ip_address(PC).packed


class Log:
    """As much of a packet log as the child asks for between packets."""

    missed = 3


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "one.pack"
    lists = [DomainList("shopping", ["shop.example"]), DomainList("games", ["play.example"])]
    lists.append(DomainList("social_networks", ["friends.example"]))
    pack.build(path, Version(1, 0, 0), datetime(2026, 4, 1, tzinfo=UTC), pack.Content(lists=lists))
    return path


@contextmanager
def child(tables, *, records=0):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for each in (ours, theirs):
            each.setblocking(False)
        if records:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, records)
        yield naming.Child(Log(), Namer(), tables, theirs, outside_port=OUTSIDE), ours


def visit(host, *, server=SITE):
    flow = Tcp(server=server)
    return [*flow.handshake(), *flow.say(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), to_server=True)]


def told(child_and_ours, packets, *, port=INSIDE):
    one, ours = child_and_ours
    for number, data in enumerate(packets):
        one._look(Copy(data, port, number))
    found = []
    while (record := receive(ours)) is not None:
        found.append(record)
    return found


@pytest.mark.parametrize(
    ("host", "application", "category"),
    [
        ("www.shop.example", "", "shopping"),
        ("play.example", "", "games"),
        ("friends.example", "", "social-media"),
        ("www.youtube.com", "YouTube", "video"),
        ("nobody.example", "", ""),
    ],
)
def test_a_site_has_the_category_of_the_pack_and_an_application_its_kind(packed, host, application, category):
    with child(naming._tables(packed)) as both:
        last = told(both, visit(host))[-1]
    assert (last.application, last.category, last.host, last.inside) == (application, category, host, PACKED)


def test_without_a_pack_or_with_a_broken_one_applications_are_still_named(tmp_path):
    (tmp_path / "broken.pack").write_bytes(b"PK\x03\x04 and nothing else")
    assert naming._tables(None) == naming._tables(tmp_path / "broken.pack") == {}


def test_a_look_up_is_no_use_of_the_application_it_asks_for():
    question = b"\0\7\1\0\0\1\0\0\0\0\0\0\7youtube\3com\0\0\1\0\1"
    with child({}) as both:
        (only,) = told(both, [datagram(PC, "192.168.1.1", 5000, 53, question)])
    assert (only.application, only.category, only.host, only.lookup) == ("", "", "youtube.com", True)


@pytest.mark.parametrize("port", [INSIDE, OUTSIDE])
def test_the_inside_host_is_the_private_one_even_where_the_cables_are_swapped(port):
    with child({}) as both:
        assert {record.inside for record in told(both, visit("x.example", server="8.8.8.8"), port=port)} == {
            PACKED
        }


def test_a_parent_that_does_not_listen_loses_records_and_is_told_how_many():
    with child({}, records=1) as both:
        one, ours = both
        for port in range(1000, 3000):
            one._look(Copy(datagram(PC, SITE, port, 9, b"x"), INSIDE, port))
        first = told(both, [])
        one._rest()
        (beat,) = [record for record in told(both, []) if isinstance(record, Beat)]
    kept = sum(isinstance(record, Learned) for record in first)
    assert 0 < kept < 2000
    assert (beat.flows, beat.lost, beat.missed) == (2000, 2000 - kept, 3)
    assert ours.fileno() == -1


def test_a_packet_that_naming_fails_on_is_counted_and_passed_over():
    class Broken:
        def packet(self, *_, **__):
            raise ValueError("a bug")

        def tick(self, _):
            return []

    with child({}) as both:
        one, _ = both
        one._namer = Broken()
        assert told(both, visit("x.example")) == []
        one._rest()
        (beat,) = told(both, [])
    assert beat.errors == 4
