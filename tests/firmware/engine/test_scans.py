"""Scans and password guessing told from handshakes; what offices do every day is none."""

import random
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine import scans
from omamori.firmware.engine.scans import Kind, Knock, Watch

PC, OUT = "192.168.1.20", "203.0.113.66"
START = 1_700_000_000.0


class Street:
    """A watch with a clock."""

    def __init__(self):
        self.watch, self.now, self.told = Watch(), START, []

    def knock(self, client, server, port, *, answer=False, step=0.01, inside=None):
        inside = client.startswith("192.168.") if inside is None else inside
        knock = Knock(ip_address(client).packed, ip_address(server).packed, port, inside)
        self.watch.asked(knock, self.now)
        if answer and (found := self.watch.answered(knock, self.now + 0.05)):
            self.told.append(found)
        self.pass_(step)

    def pass_(self, seconds):
        before, self.now = int(self.now), self.now + seconds
        for second in range(before + 1, int(self.now) + 1):
            self.told += self.watch.tick(float(second))

    def kinds(self):
        self.pass_(5)
        return [each.kind for each in self.told]


@pytest.fixture
def street():
    return Street()


def site(number):
    return f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"


# --- what is told


def test_many_silent_ports_of_an_inside_host(street):
    for port in range(1, 40):
        street.knock(OUT, PC, port)
    assert street.kinds() == [Kind.PORTS]
    (told,) = street.told
    assert (told.server, told.from_inside, told.count >= 15) == (ip_address(PC).packed, False, True)


def test_many_silent_inside_hosts_at_one_port(street):
    for host in range(10, 40):
        street.knock(OUT, f"192.168.1.{host}", 3389)
    assert street.kinds() == [Kind.HOSTS]
    assert street.told[0].port == 3389


def test_a_scan_that_finds_some_open_ports_is_one(street):
    for port in range(1, 100):
        street.knock(OUT, PC, port, answer=port in (22, 25, 80), step=0.3)
    assert street.kinds() == [Kind.PORTS]


def test_a_worm_inside_looks_for_victims_outside(street):
    for number in range(200):
        street.knock(PC, site(number * 7919 % 90000), 445, step=0.1)
    assert street.kinds() == [Kind.HOSTS]
    assert street.told[0].from_inside


def test_the_same_is_told_once_an_hour(street):
    for _ in range(3):
        for port in range(1, 40):
            street.knock(OUT, PC, port)
        street.pass_(1500)
    assert street.kinds() == [Kind.PORTS]
    street.pass_(3600)
    for port in range(1, 40):
        street.knock(OUT, PC, port)
    assert street.kinds() == [Kind.PORTS] * 2


@pytest.mark.parametrize(("port", "times"), [(22, 25), (3389, 25), (21, 25), (587, 70), (25, 70)])
def test_password_guessing_from_outside(street, port, times):
    for _ in range(times):
        street.knock(OUT, PC, port, answer=True, step=0.5)
    assert street.kinds() == [Kind.GUESSING]
    assert (street.told[0].port, street.told[0].server) == (port, ip_address(PC).packed)


def test_password_guessing_by_an_inside_host(street):
    for _ in range(100):
        street.knock(PC, OUT, 22, answer=True, step=0.3)
    assert street.kinds() == [Kind.GUESSING]


# --- what is not


def test_a_browser_with_sixty_connections(street):
    for number in range(60):
        street.knock(PC, site(number % 23), 443, answer=number % 9 != 0)
    assert street.kinds() == []


def test_everyone_browses_while_the_line_is_down(street):
    for number in range(400):
        street.knock(PC, site(number), random.Random(number).choice((80, 443)), step=0.05)
    assert street.kinds() == []


def test_a_printer_poller(street):
    for _ in range(3):
        for host in range(1, 255):
            street.knock(PC, f"192.168.7.{host}", 9100)
    assert street.kinds() == []


def test_a_monitoring_poller_inside_whose_line_breaks(street):
    for round_ in range(10):
        for number in range(120):
            street.knock(PC, site(number), 22, answer=round_ < 5, step=0.02)
        street.pass_(60)
    assert street.kinds() == []


def test_a_monitoring_poller_outside(street):
    for _ in range(30):
        for host, port in ((10, 443), (10, 22), (11, 443), (12, 25), (13, 8080)):
            street.knock(OUT, f"192.168.1.{host}", port, answer=host != 13, step=0.2)
        street.pass_(60)
    assert street.kinds() == []


def test_a_file_sharing_client(street):
    chance = random.Random(7)
    for number in range(600):
        port = 6881 if chance.random() < 0.05 else chance.randrange(1024, 65536)
        street.knock(PC, site(number), port, answer=chance.random() < 0.4, step=0.1)
    assert street.kinds() == []


def test_a_mail_server_of_ones_own_and_a_passive_ftp_server(street):
    for number in range(300):
        street.knock(PC, site(number % 40), 25, answer=True, step=0.1)
    for number in range(80):
        street.knock(PC, OUT, 50_000 + number, answer=True, step=0.1)
    assert street.kinds() == []


def test_a_slow_visitor_and_a_client_that_tries_again(street):
    for _ in range(200):
        street.knock(OUT, PC, 8443, step=0.5)
    for port in range(1, 40):
        street.knock(OUT, PC, port, step=20)
    assert street.kinds() == []


def test_programs_that_log_in_often(street):
    for _ in range(60):
        street.knock(OUT, PC, 22, answer=True, step=10)
        street.knock(PC, OUT, 993, answer=True, step=1)
    assert street.kinds() == []


# --- bounds


def test_floods_of_every_kind_stay_within_bounds_and_a_scan_is_still_seen(street):
    chance = random.Random(3)
    for _ in range(30_000):
        client = str(ip_address(chance.getrandbits(32)))
        street.knock(
            client, PC, chance.randrange(65536), answer=chance.random() < 0.3, step=0.0001, inside=False
        )
    most = scans.TARGETS + 3 * scans.SOURCES + scans.ANSWERED + scans.LOGINS
    assert street.watch.remembered() <= most
    for port in range(20_000):
        street.knock(OUT, PC, port % 65536, step=0.0001)
    assert street.watch.remembered() <= most
    assert Kind.PORTS in street.kinds()


def test_a_clock_that_jumps_neither_alarms_nor_stops(street):
    for port in range(1, 10):
        street.knock(OUT, PC, port)
    street.now -= 86_400
    for port in range(10, 20):
        street.knock(OUT, PC, port)
    assert street.kinds() == []
    for port in range(100, 140):
        street.knock(OUT, PC, port)
    assert street.kinds() == [Kind.PORTS]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 300), st.booleans(), st.floats(-1e6, 1e6)), max_size=200
    )
)
def test_any_order_of_events_is_survived(events):
    watch, now = Watch(), START
    for client, port, inside, step in events:
        now += step
        knock = Knock(bytes((10, 0, 0, client)), bytes((10, 0, 1, port % 256)), port, inside)
        watch.asked(knock, now)
        if port % 3 == 0:
            watch.answered(knock, now)
        watch.tick(now)
    assert watch.remembered() <= 4 * len(events)
