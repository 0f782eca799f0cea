"""A fleet in which something is going on, and the portal over it: by Django's client and by a real server."""

import threading
from dataclasses import replace
from datetime import timedelta
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

PASSWORD = "correct horse battery"
PHISHING = "login.bank-example.test"


@pytest.fixture(autouse=True)
def _fresh_limits():
    """Signing in is limited by the minute; every test begins a new one."""
    from omamori.fleet.portal.signing_in import SignInForm
    from omamori.fleet.surfaces.limits import RateLimit

    SignInForm.limits = {"name": RateLimit(10), "address": RateLimit(30)}


@pytest.fixture
def company(fleet):
    """Four units: a busy well-wired one, a miswired one, one offline, and one of another customer."""
    from omamori.fleet.ingest import operations
    from omamori.fleet.units.models import Unit

    keys = {
        "om-0001": ("本社 1階", 0),
        "om-0002": ("梅田営業所", 0),
        "om-0003": ("倉庫", 0),
        "om-0900": ("Kyoto office", 1),
    }
    for key, (name, site) in keys.items():
        fleet.unit(key, site)
        Unit.objects.filter(pk=key).update(name=name)
    for person, level in (("hanako", "customer"), ("operator", "operator"), ("seller", "reseller")):
        fleet.user(person, level)
    fleet.user("someone-else", "customer", site=1)
    operations.store(list(_messages(fleet)))
    _presence(operations)
    _days(fleet)
    return fleet


def _days(fleet):
    """Seven weeks of coverage that became better."""
    from django.utils import timezone

    from omamori.fleet.lan.models import CoverageDay

    rows = [
        CoverageDay(
            site=fleet.sites[0],
            day=timezone.localdate() - timedelta(days=back),
            taken=timezone.now() - timedelta(days=back),
            covered=4 - back // 15,
            wrong_side=1 + back // 20,
            never_seen=back // 30,
            gone=0,
            private=1,
            declared=3,
        )
        for back in range(49, -1, -1)
        if back not in (12, 13)
    ]
    CoverageDay.objects.bulk_create(rows)


def _presence(operations):
    from django.utils import timezone

    for unit in ("om-0001", "om-0002", "om-0900"):
        operations.presence(unit, online=True, time=timezone.now())
    operations.presence("om-0003", online=False, time=timezone.now() - timedelta(hours=5))


def _messages(fleet):
    from django.utils import timezone

    from omamori.protocol.messages import BridgeState, Endpoint, Reason, UpdateState
    from omamori.protocol.version import Version
    from omamori.protocol.vocabulary import Action, Direction, Guard, Severity, Side, UpdatePhase

    now = timezone.now().replace(microsecond=0)
    pc, phone = "00:16:3e:11:22:33", "da:a1:19:44:55:66"
    staged = UpdateState(UpdatePhase.STAGED, Version.parse("1.1.0"), changed=now)
    working = BridgeState(
        workers=2,
        packets=48_210_332,
        blocked=214,
        neutralised=3,
        dropped=(Reason("ips", 180), Reason("blocked flow, in the kernel", 3211), Reason("wg", 34)),
        uninspected=(Reason("no worker", 211), Reason("wrong checksum", 9)),
        unfollowed=(Reason("hole in a stream", 2),),
    )
    for unit, update in (
        ("om-0001", staged),
        ("om-0002", UpdateState(UpdatePhase.IDLE)),
        ("om-0900", UpdateState(UpdatePhase.IDLE)),
    ):
        yield fleet.state(1, unit, time=now, update=update, bridge=working)
    seen = now - timedelta(days=40)
    hosts = [
        _host(fleet, pc, "192.168.1.20", "keiri-pc", "Dell Inc.", seen, now),
        _host(fleet, "00:80:77:0a:0b:0c", "192.168.1.31", "BRN00807", "Brother industries, LTD.", seen, now),
        _host(fleet, "00:11:32:a0:b0:c0", "192.168.1.5", "fileserver", "Synology Incorporated", seen, now),
        _host(fleet, phone, "192.168.1.77", "", "(private address)", now - timedelta(hours=3), now),
    ]
    away = replace(
        _host(fleet, "3c:22:fb:01:02:03", "192.168.1.90", "MacBook-Air", "Apple, Inc.", seen, now),
        side=Side.ROUTER,
    )
    hosts[0] = replace(hosts[0], kind="pc", system="Windows 11", device=phone, device_reason="interfaces")
    hosts[2] = replace(
        hosts[2],
        kind="access point",
        shared=0.9,
        shared_reasons=("3 User-Agents of 192.168.1.5", "TTL 63 and 127"),
    )
    yield fleet.hosts(*hosts, away, sequence=2)
    yield _wiring(
        fleet,
        "om-0001",
        now,
        "OK",
        "3 hosts are heard on the lan0 side",
        "00:1d:73:00:00:01 answers as gateway 192.168.1.1 on the wan0 side",
    )
    yield _wiring(
        fleet,
        "om-0002",
        now,
        "PPPOE_UPSTREAM",
        "4 PPPoE discovery and at least 61 session frames arrived on lan0 and wan0",
        "00:1d:73:0a:0b:0c dials from the lan0 side",
    )
    yield _wiring(
        fleet, "om-0003", now, "NO_HOSTS_BEHIND", "lan0 has had link for 12 min and no host was heard on it"
    )
    yield _wiring(
        fleet, "om-0900", now, "PORTS_SWAPPED", "00:1d:73:00:00:09 gives leases (DHCP) on the lan0 side"
    )
    outside = Endpoint("203.0.113.9", 443)
    yield fleet.detection(
        10,
        time=now - timedelta(minutes=4),
        host=pc,
        host_name="keiri-pc",
        source=Endpoint("192.168.1.20", 51233),
        destination=outside,
    )
    yield fleet.detection(
        11,
        time=now - timedelta(minutes=31),
        guard=Guard.WG,
        severity=Severity.TWO,
        signature="Phishing domain",
        signature_id="wg:phishing",
        detail=PHISHING,
        reason="on the list of phishing domains",
        host=pc,
        host_name="keiri-pc",
        source=Endpoint("192.168.1.20", 51300),
        destination=outside,
    )
    yield fleet.detection(
        12,
        time=now - timedelta(hours=2),
        guard=Guard.AV,
        severity=Severity.ONE,
        signature="Eicar-Test-Signature",
        signature_id="av:eicar",
        action=Action.NEUTRALISED,
        detail="http://downloads.example.test/invoice.zip",
        reason="pattern at byte 0",
        host=phone,
        source=Endpoint("192.168.1.77", 40112),
        destination=Endpoint("198.51.100.4", 80),
    )
    yield fleet.detection(
        13,
        time=now - timedelta(hours=7),
        direction=Direction.INBOUND,
        severity=Severity.ONE,
        signature="SIP scanner (friendly-scanner)",
        signature_id="1:2011716",
        protocol="udp",
        source=Endpoint("198.51.100.77", 5071),
        destination=Endpoint("192.168.1.5", 5060),
        host="00:11:32:a0:b0:c0",
        host_name="fileserver",
    )
    yield fleet.detection(
        14,
        time=now - timedelta(hours=9),
        guard=Guard.APG,
        severity=Severity.ONE,
        signature="Video streaming",
        signature_id="apg:video",
        action=Action.LOGGED,
        detail="video.example.test",
        host=phone,
        source=Endpoint("192.168.1.77", 40333),
        destination=outside,
    )


def _host(fleet, mac, address, name, vendor, first, last):
    return replace(
        fleet.host(mac, (address, first, last), name=name), vendor=vendor, first_seen=first, last_seen=last
    )


def _wiring(fleet, unit, now, code, *evidence):
    from omamori.protocol.messages import Finding, Upward, Wiring
    from omamori.protocol.vocabulary import WiringCode

    finding = Finding(WiringCode(code), 0.95, now - timedelta(minutes=20), evidence)
    return Upward(unit, fleet.boot, 3, Wiring(now, (finding,)))


@pytest.fixture
def visit(company):  # noqa: ARG001 - whom it visits
    """`visit(person, language)`: a signed-in client of Django's."""
    from django.test import Client

    def signed_in(person="hanako", language="en", **settings):
        client = Client(SERVER_NAME="127.0.0.1", headers={"accept-language": language}, **settings)
        assert client.login(username=person, password=PASSWORD)
        return client

    return signed_in


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = False
    block_on_close = True

    def process_request_thread(self, request, client_address):
        from django.db import connections

        try:
            super().process_request_thread(request, client_address)
        finally:
            connections.close_all()


class _Quiet(WSGIRequestHandler):
    timeout = 5  # a browser opens connections on suspicion and says nothing

    def log_message(self, *_):
        pass


@pytest.fixture
def server(company):  # noqa: ARG001 - what it serves
    """A real server over the company; gives its address."""
    from django.core.wsgi import get_wsgi_application

    with make_server(
        "127.0.0.1", 0, get_wsgi_application(), server_class=_Server, handler_class=_Quiet
    ) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()
