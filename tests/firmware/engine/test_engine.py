"""Whole conversations through the engine: what is let through, blocked, told, and how well it keeps to its bounds."""

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.domains import build_table
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.inspection import Moment
from omamori.firmware.engine.journal import Numbering
from omamori.firmware.engine.settings import Mode, Settings, Timeouts
from omamori.firmware.engine.signatures import RuleHit, Signatures
from omamori.firmware.engine.verdict import DECIDED, PASS, Block, Drop
from omamori.protocol.ids import detection_id
from omamori.protocol.vocabulary import Action, Direction, Guard, Severity
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit, datagram, segmented

LISTS = {
    Guard.WG: build_table([("bad.example", "phishing"), ("c2.example", "c2")]),
    Guard.UF: build_table([("play.example", "games")]),
    Guard.APG: build_table([("chat.example", "messenger")]),
}


class Literals:
    """Rules that look for one literal in one buffer."""

    def __init__(self, *rules):
        self._rules = rules
        self.seen = []

    @property
    def needs(self):
        return frozenset(buffer for buffer, _, _ in self._rules)

    def evaluate(self, inspection):
        self.seen.append(
            (inspection.moment, inspection.to_server, dict(inspection.buffers), inspection.fresh)
        )
        return [
            hit
            for buffer, literal, hit in self._rules
            if any(literal in value for value in inspection.buffers.get(buffer, ()))
        ]


def hit(sid, action="alert", classtype="trojan-activity"):
    return RuleHit(sid, 1, 2, f"TEST rule {sid}", classtype, 1, action, {"tag": ["x"]})


def unit(*rules, domains=LISTS, **fields):
    return Unit(Engine(Signatures(Literals(*rules), domains), Settings(**fields)))


def get(host="ok.example", path="/"):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def asked(name):
    return datagram(PC, SITE, 5353, 53, bytes(dpkt.dns.DNS(id=1, qd=[dpkt.dns.DNS.Q(name=name)])))


def hello(name):
    extension = len(name).to_bytes(2, "big") + name
    extension = (len(extension) + 1).to_bytes(2, "big") + b"\0" + extension
    extensions = b"\0\0" + len(extension).to_bytes(2, "big") + extension
    body = (
        b"\x03\x03"
        + bytes(32)
        + b"\0"
        + b"\0\x02\x13\x01"
        + b"\x01\0"
        + len(extensions).to_bytes(2, "big")
        + extensions
    )
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


# --- sites


def test_a_listed_site_is_stopped_by_query_host_and_server_name():
    guard = unit()
    assert guard.feed([asked("WWW.Bad.example")]) == []
    assert isinstance(guard.verdicts[-1], Drop)
    assert guard.feed([asked("good.example")])
    web, tls = Tcp(), Tcp(client_port=41_000, server_port=443)
    assert guard.feed(web.say(get("www.bad.example:80"), to_server=True)) == []
    assert guard.feed(web.say(b"more", to_server=True)) == []
    assert guard.last == "Block"
    assert guard.feed(tls.say(hello(b"x.bad.example"), to_server=True, size=30))[-1:] != []
    assert guard.last == "Block"
    found = guard.engine.take_detections()
    assert [(one.guard, one.action, one.detail) for one in found] == [
        (Guard.WG, Action.BLOCKED, "www.bad.example"),
        (Guard.WG, Action.BLOCKED, "www.bad.example"),
        (Guard.WG, Action.BLOCKED, "x.bad.example"),
    ]
    assert found[0].reason == "DNS query www.bad.example: bad.example is listed as phishing"
    assert found[0].direction is Direction.OUTBOUND
    assert (found[1].source.address, found[1].destination.port) == (PC, 80)


def test_sites_by_category_and_application_are_told_only_unless_the_customer_wants_them_blocked():
    for blocked, expected in ((frozenset(), PASS), (frozenset(("games",)), Block("x"))):
        guard, talk = unit(blocked_categories=blocked), Tcp()
        guard.feed(talk.say(get("a.play.example"), to_server=True))
        assert type(guard.verdicts[-1]) is type(expected)
        (found,) = guard.engine.take_detections()
        assert (found.guard, found.category, found.severity) == (Guard.UF, "games", Severity.ONE)
        assert found.action is (Action.BLOCKED if blocked else Action.LOGGED)


def test_a_site_is_told_once_in_a_flow():
    guard, talk = unit(), Tcp()
    guard.feed(talk.say(get("chat.example") * 5, to_server=True, size=60))
    assert len(guard.engine.take_detections()) == 1


def test_a_control_server_is_a_three_star_matter():
    guard = unit()
    guard.feed([asked("c2.example")])
    assert guard.engine.take_detections()[0].severity is Severity.THREE


# --- rules


def test_a_rule_blocks_the_flow_and_says_why():
    guard, talk = unit(("http.uri", b"/gate.php", hit(7)), domains={}), Tcp()
    guard.feed(talk.handshake())
    assert guard.feed(talk.say(get(path="/gate%2ephp"), to_server=True)) == []
    assert guard.verdicts[-1] == Block("rule 1:7: TEST rule 7")
    assert guard.feed(talk.say(b"HTTP/1.1 200 OK\r\n\r\n", to_server=False)) == []
    (found,) = guard.engine.take_detections()
    assert (found.guard, found.signature_id, found.signature) == (Guard.IPS, "1:7", "TEST rule 7")
    assert (found.severity, found.action, found.detail) == (
        Severity.THREE,
        Action.BLOCKED,
        "http://ok.example/gate%2ephp",
    )
    assert detection_id(found.id) == found.id


@pytest.mark.parametrize(
    ("inside", "to_server", "classtype", "stars"),
    [
        (PC, True, "trojan-activity", 3),
        (PC, False, "command-and-control", 3),
        (PC, True, "web-application-attack", 2),
        (PC, False, "attempted-user", 1),
        (PC, True, "policy-violation", 1),
        (SITE, True, "web-application-attack", 1),
        (SITE, True, "trojan-activity", 1),
    ],
)
def test_stars(inside, to_server, classtype, stars):
    engine = Engine(Signatures(Literals(("stream", b"evil", hit(1, classtype=classtype)))))
    guard, talk = Unit(engine, inside=inside), Tcp()
    guard.feed(talk.handshake())
    guard.feed(talk.say(b"say evil", to_server=to_server))
    (found,) = guard.engine.take_detections()
    assert found.severity == stars
    assert found.direction is (Direction.OUTBOUND if inside == PC else Direction.INBOUND)


def test_what_is_only_logged_passes():
    for fields in ({"logged_rules": frozenset((1,))}, {"mode": Mode.OBSERVE}):
        guard, talk = (
            unit(("stream", b"evil", hit(1)), domains=LISTS if "mode" in fields else {}, **fields),
            Tcp(),
        )
        assert guard.feed(talk.say(b"evil " * 3, to_server=True))
        assert [found.action for found in guard.engine.take_detections()] == [Action.LOGGED]


def test_a_pass_rule_ends_the_rules_for_its_flow():
    guard, talk = unit(("stream", b"fine", hit(1, "pass")), ("stream", b"evil", hit(2))), Tcp()
    guard.feed(talk.say(b"fine and ", to_server=True) + talk.say(b"evil", to_server=True))
    assert guard.engine.take_detections() == []


def test_a_stream_rule_sees_across_segments_and_which_bytes_are_fresh():
    rules = Literals(("stream", b"evil", hit(1)))
    guard, talk = Unit(Engine(Signatures(rules))), Tcp()
    guard.feed(talk.handshake() + talk.say(b"say ev", to_server=True) + talk.say(b"il", to_server=True))
    assert guard.last == "Block"
    assert (Moment.STREAM, True, {"stream": [b"say evil"]}, 6) in rules.seen


def test_a_replay_tells_each_time_and_a_unit_once():
    for repeat, times in ((False, 1), (True, 3)):
        guard, talk = unit(("http.uri", b"/x", hit(1)), repeat=repeat, mode=Mode.OBSERVE), Tcp()
        guard.feed(talk.say(get(path="/x") * 3, to_server=True))
        assert len(guard.engine.take_detections()) == times


def test_signatures_are_exchanged_while_a_flow_goes_on():
    guard, talk = unit(domains={}), Tcp()
    assert guard.feed(talk.say(get("new.example"), to_server=True))
    guard.engine.exchange(Signatures(domains={Guard.WG: build_table([("new.example", "malware")])}))
    assert guard.feed(talk.say(get("new.example"), to_server=True)) == []


@given(st.permutations(range(8)), st.integers(1, 40), st.booleans())
@settings(max_examples=60)
def test_any_order_of_segments_gives_the_same_detections(order, size, again):
    rules = [
        ("http.uri", b"/evil", hit(1)),
        ("http.request_body", b"bad body", hit(2)),
        ("stream", b"il HTTP", hit(3)),
    ]
    guard, talk = unit(*rules, mode=Mode.OBSERVE), Tcp()
    guard.feed(talk.handshake())
    request = b"POST /evil HTTP/1.1\r\nHost: c2.example\r\nContent-Length: 13\r\n\r\nsome bad body"
    packets = talk.say(request, to_server=True, size=size)
    shuffled = [packets[index] for index in order if index < len(packets)] + packets[8:]
    guard.feed(shuffled + (packets if again else []))
    found = guard.engine.take_detections()
    assert sorted(one.signature_id for one in found) == ["1:1", "1:2", "1:3", "wg:c2.example"]


# --- what is decided, and when


def test_tls_is_decided_after_the_hellos_and_http_never():
    guard, talk = unit(), Tcp(server_port=8443)
    guard.feed(talk.say(hello(b"fine.example"), to_server=True))
    assert guard.verdicts[-1] == PASS
    server = b"\x16\x03\x03\x00\x2e\x02\0\0\x2a\x03\x03" + bytes(32) + b"\0\x13\x01\0\0\x02\0\0"
    guard.feed(talk.say(server + b"\x17\x03\x03\0\x01x", to_server=False))
    assert guard.verdicts[-1] == DECIDED
    web = Tcp(client_port=2)
    guard.feed(web.say(get(), to_server=True))
    guard.feed(
        web.say(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000),
            to_server=False,
            size=60_000,
        )
    )
    assert set(map(type, guard.verdicts[-40:])) == {type(PASS)}


def test_an_unknown_protocol_is_decided_after_its_depth():
    guard, talk = unit(stream_depth=10_000), Tcp(server_port=9999)
    guard.feed(talk.say(bytes(9_000), to_server=True, size=1000))
    assert guard.verdicts[-1] == PASS
    guard.feed(talk.say(bytes(2_000), to_server=True, size=1000))
    assert guard.verdicts[-1] == DECIDED


def test_unknown_datagrams_are_decided_and_dns_is_not():
    guard = unit(datagrams=5)
    guard.feed([datagram(PC, SITE, 1, 2, b"\xff\xff")] * 5)
    assert guard.verdicts[-1] == DECIDED
    guard.feed([asked("fine.example")] * 9)
    assert guard.verdicts[-1] == PASS


def test_a_flow_picked_up_at_the_servers_word_has_its_ends_right():
    guard, talk = unit(("http.stat_code", b"404", hit(1))), Tcp(server_port=8080)
    guard.feed(talk.say(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", to_server=False))
    (found,) = guard.engine.take_detections()
    assert (found.source.port, found.direction) == (8080, Direction.OUTBOUND)


def test_fragments_are_inspected_as_one():
    guard = unit()
    whole = asked("www.bad.example")
    header, body = whole[:20], whole[20:]
    first = bytearray(header + body[:16])
    first[2:4], first[6:8] = len(first).to_bytes(2, "big"), b"\x20\0"
    second = bytearray(header + body[16:])
    second[2:4], second[6:8] = len(second).to_bytes(2, "big"), b"\0\x02"
    assert guard.feed([bytes(second)]) == [bytes(second)]
    assert guard.feed([bytes(first)]) == []


def test_segmentation_offload_makes_no_difference():
    rules = [("http.header", b"Evil", hit(1))]
    packet = Tcp().say(
        b"GET / HTTP/1.1\r\nX: " + b"a" * 5000 + b"Evil: 1\r\n\r\n", to_server=True, size=60_000
    )
    for packets in (packet, segmented(packet[0])):
        guard = unit(*rules)
        guard.feed(packets)
        assert guard.last == "Block"


# --- bounds


def test_workers_never_give_the_same_number():
    seen = set()
    for first in (0, 1):
        guard = Unit(Engine(Signatures(domains=LISTS), numbering=Numbering(first=first, step=2)))
        for port in range(5):
            guard.feed(Tcp(client_port=1000 + port).say(get("c2.example"), to_server=True))
        seen |= {found.id.partition("-")[2] for found in guard.engine.take_detections()}
    assert seen == {str(number) for number in range(10)}


def test_detections_that_nobody_takes_are_bounded_and_counted():
    guard = unit(detections=3)
    for port in range(10):
        guard.feed(Tcp(client_port=1000 + port).say(get("c2.example"), to_server=True))
    found = guard.engine.take_detections()
    assert [one.id.partition("-")[2] for one in found] == ["8", "9", "10"]
    assert guard.engine.statistics.detections_lost == 7


def test_flows_are_bounded_and_idle_ones_forgotten():
    guard = unit(flows=10, timeouts=Timeouts(tcp=100))
    for port in range(25):
        guard.feed(Tcp(client_port=1000 + port).say(get(), to_server=True))
    assert guard.engine.statistics.flows == 10
    assert guard.engine.statistics.flows_evicted == 15
    guard.engine.tick(guard.now + 99)
    assert guard.engine.statistics.flows == 10
    guard.engine.tick(guard.now + 102)
    assert guard.engine.statistics.flows == 0


def test_a_clock_that_is_set_forgets_nothing():
    guard, talk = unit(), Tcp()
    guard.now = 12.0
    guard.feed(talk.say(get("c2.example")[:20], to_server=True))
    guard.now = 1_800_000_000.0
    guard.engine.tick(guard.now)
    guard.feed(talk.say(get("c2.example")[20:], to_server=True))
    assert guard.last == "Block"


def test_a_new_connection_on_old_ports_begins_anew():
    guard = unit()
    for _ in range(2):
        talk = Tcp(sequences={True: 5_000_000 * (_ + 1), False: 77})
        guard.feed(talk.handshake() + talk.say(get("c2.example"), to_server=True))
        assert guard.last == "Block"
    assert len(guard.engine.take_detections()) == 2


def test_the_end_of_the_flow_ends_the_body():
    guard, talk = unit(("file.data", b"evil", hit(1))), Tcp()
    guard.feed(talk.say(get(), to_server=True) + talk.say(b"HTTP/1.1 200 OK\r\n\r\nso evil", to_server=False))
    assert guard.engine.take_detections() == []
    guard.engine.flush(guard.now)
    assert [found.signature_id for found in guard.engine.take_detections()] == ["1:1"]


PAYLOADS = st.binary(max_size=60) | st.sampled_from(
    [
        get(),
        hello(b"a.example"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
        b"\0\x20" + bytes(32),
    ]
)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 255), st.integers(0, 300), PAYLOADS, st.booleans()),
        max_size=30,
    )
)
@settings(max_examples=150)
def test_no_packet_raises_and_rewriting_keeps_its_length(packets):
    engine, talk = Engine(Signatures(Literals(("stream", b"xx", hit(1)), ("http.uri", b"q", hit(2))))), Tcp()
    for number, (to_server, flags, sequence, payload, rewriting) in enumerate(packets):
        data = talk.packet(to_server=to_server, payload=payload, flags=flags, sequence=sequence)
        engine.packet(data, now=float(number), from_inside=to_server, rewriting=rewriting)
        engine.packet(data[: number * 3], now=float(number), from_inside=to_server)
    engine.flush(0.0)
    assert engine.statistics.flows == 0
