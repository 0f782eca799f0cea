"""Every message ever shipped still decodes to what it meant. One file a kind and capability; a shipped file never changes."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omamori.protocol import messages as m
from omamori.protocol.capability import CAPABILITY
from omamori.protocol.fetching import Fetching
from omamori.protocol.ids import boot_id, detection_id, mac, unit_id
from omamori.protocol.messages import envelope
from omamori.protocol.policy import Change, Exemption, Policy
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import (
    Action,
    ApplyWhen,
    Direction,
    Guard,
    Severity,
    Side,
    SupportPhase,
    UpdatePhase,
    WiringCode,
)
from omamori.protocol.window import RebootWindow

GOLDEN = Path(__file__).parents[1] / "golden" / "messages"
UNIT, BOOT = unit_id("om-0001-osaka"), boot_id("0123456789abcdef0123456789abcdef")
MAC = mac("52:54:00:12:34:56")
FIRST, LATER = datetime(2026, 5, 1, 1, 2, 3, 456000, UTC), datetime(2026, 5, 2, tzinfo=UTC)

UP: dict[str, m.UpBody] = {
    "state": m.State(
        time=LATER,
        firmware=Version(1, 2, 3),
        slot="a",
        pack=Version(2026, 5, 1),
        generation=7,
        update=m.UpdateState(UpdatePhase.STAGED, Version(1, 3, 0, 2), "", FIRST),
        bridge=m.BridgeState(
            2,
            12345,
            6,
            1,
            0,
            0,
            (m.Reason("ips", 5), m.Reason("blocked flow, in the kernel", 40)),
            (m.Reason("not a valid packet", 3),),
            (m.Reason("stream limit", 2),),
        ),
        uptime=86400.5,
        booted_healthy=True,
        reboot_at=LATER,
    ),
    "detection": m.Detection(
        id=detection_id("1586334621-1652"),
        time=FIRST,
        guard=Guard.IPS,
        direction=Direction.OUTBOUND,
        severity=Severity.THREE,
        signature_id="9000012",
        signature="JSIG-RAT GHOST-Activity-9",
        action=Action.BLOCKED,
        reason="rule 9000012 matched in the direction of the server",
        protocol="tcp",
        source=m.Endpoint("192.168.1.23", 49152),
        destination=m.Endpoint("203.0.113.7", 8080),
        category="trojan-activity",
        detail="会計.example/gate.php",
        host=MAC,
        host_name="経理のパソコン",
        host_shared=True,
    ),
    "hosts": m.Hosts(
        LATER,
        (
            m.Host(
                MAC,
                Side.BEHIND,
                FIRST,
                LATER,
                (m.HostAddress("192.168.1.23", FIRST, LATER),),
                "keiri-pc",
                "dhcp",
                "Acme",
                "access point",
                "Linux",
                mac("02:00:00:12:34:56"),
                "renewed",
                0.85,
                ("its packets have passed 1 router(s) before",),
            ),
        ),
    ),
    "wiring": m.Wiring(
        LATER,
        (m.Finding(WiringCode.PPPOE_UPSTREAM, 0.95, FIRST, ("12 PPPoE session frames in 10 s",)),),
    ),
    "log": m.Log(LATER, "update", "error", "bundle refused: wrong signature"),
    "usage": m.Usage(
        FIRST,
        3600,
        (m.UsageHost("192.168.1.23", MAC, "経理のパソコン"), m.UsageHost("192.168.1.24")),
        (m.UsageSubject("YouTube", "video"), m.UsageSubject("", "shopping"), m.UsageSubject()),
        ((0, 0, 12, 340_000, 98_000_000, 0), (0, 2, 90, 1, 2, 0), (1, 1, 3, 4000, 50_000, 3)),
        4,
        17,
    ),
    "support": m.Support(
        LATER,
        "c0ffee0123456789",
        SupportPhase.OPENED,
        "佐藤",
        "通信が遅い",
        FIRST,
        LATER,
        host_key="ssh-ed25519 AAAA",
    ),
}
SINCE = {"usage": 3, "support": 8}
"""The capability that a kind came with, where it was not there from the start."""
DOWN: dict[str, m.DownBody] = {"want": m.WantHint(8), "ack": m.Acknowledge(BOOT, (1, 2, 5))}
DOCUMENTS: dict[str, m.Want | m.Claim | m.Activation | m.Activated] = {
    "document-want": m.Want(
        8,
        Version(1, 3, 0),
        Version(2026, 5, 2),
        RebootWindow("Asia/Tokyo", (1, 7), "23:30", "04:00"),
        ApplyWhen.NOW,
        Policy(
            (
                Exemption(12, LATER, MAC, "1:2010001", "shop.example"),
                Exemption(13, LATER, destination="198.51.100.0/24"),
            ),
            ("games", "social_networks"),
            (Change("av", "block"), Change("1:2024897", "log")),
            7,
        ),
        ((MAC, mac("02:00:00:00:00:07")),),
        FIRST,
        LATER,
        at_power_cycle=True,
        support=m.SupportCall("c0ffee0123456789", "fleet.example", 8444, "not-a-real-ticket"),
        fetching=Fetching(625_000, "http://192.168.1.5/omamori"),
    ),
    "document-claim": m.Claim(UNIT, "not-a-real-secret", "https://fleet.example:8443", "PEM"),
    "document-activation": m.Activation(UNIT, "not-a-real-secret", "PEM"),
    "document-activated": m.Activated("PEM", "mqtt.example", 8883),
}
BEFORE_POLICIES = {
    "document-want": replace(
        DOCUMENTS["document-want"],
        policy=Policy(),
        apart=(),
        postponed_until=None,
        deadline=None,
        at_power_cycle=False,
        support=None,
        fetching=None,
    )
}
"""What capability 1 said."""
PLAIN_HOST = m.Host(
    MAC, Side.BEHIND, FIRST, LATER, (m.HostAddress("192.168.1.23", FIRST, LATER),), "keiri-pc", "dhcp", "Acme"
)
BEFORE_KINDS: dict[str, m.UpBody] = {
    "hosts": m.Hosts(LATER, (PLAIN_HOST,)),
    "detection": replace(UP["detection"], host_shared=False),  # type: ignore[type-var] # a dataclass it is
    "state": replace(UP["state"], bridge=m.BridgeState(2, 12345, 6, 1, 0, 0)),  # type: ignore[type-var] # as above
}
"""What capabilities 1 to 3 said; of a state, 1 to 6."""


def golden(name: str, capability: int = CAPABILITY) -> Path:
    return GOLDEN / f"{name}-{capability}.json"


@pytest.mark.parametrize("kind", UP)
def test_upward_messages_decode_to_what_they_meant(kind: str) -> None:
    first = SINCE.get(kind, 1)
    read = m.decode_up(golden(kind, first).read_bytes())
    assert read == m.Upward(UNIT, BOOT, 42, BEFORE_KINDS.get(kind, UP[kind]), first)
    assert m.decode_up(golden(kind).read_bytes()) == m.Upward(UNIT, BOOT, 42, UP[kind])


@pytest.mark.parametrize("kind", DOWN)
def test_downward_messages_decode_to_what_they_meant(kind: str) -> None:
    assert m.decode_down(golden(kind, 1).read_bytes()) == DOWN[kind]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_decode_to_what_they_meant(name: str) -> None:
    meant = BEFORE_POLICIES.get(name, DOCUMENTS[name])
    assert m.decode(type(meant), golden(name, 1).read_bytes()) == meant
    assert m.decode(type(meant), golden(name).read_bytes()) == DOCUMENTS[name]


def written(name: str) -> bytes:
    if name in UP:
        return m.encode_up(m.Upward(UNIT, BOOT, 42, UP[name]))
    return m.encode_down(DOWN[name]) if name in DOWN else m.encode(DOCUMENTS[name])


@pytest.mark.parametrize("name", [*UP, *DOWN, *DOCUMENTS])
def test_what_is_written_today_is_the_golden_file_of_todays_capability(name: str) -> None:
    assert json.loads(written(name)) == json.loads(golden(name).read_bytes())


def test_every_kind_has_its_golden_file_and_nothing_else_lies_there() -> None:
    for kinds, samples in ((envelope._UP, UP), (envelope._DOWN, DOWN)):
        assert set(kinds) == set(samples)
    names = {
        golden(name, number).name
        for name in [*UP, *DOWN, *DOCUMENTS]
        for number in range(SINCE.get(name, 1), CAPABILITY + 1)
    }
    assert {path.name for path in GOLDEN.iterdir()} == names


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_a_newer_peers_fields_are_ignored(path: Path) -> None:
    value = json.loads(path.read_bytes())
    wider = _widened(value)
    assert wider != value
    assert _decoder(path)(json.dumps(wider).encode()) == _decoder(path)(path.read_bytes())


def _widened(value: object) -> object:
    if isinstance(value, dict):
        return {**{key: _widened(inner) for key, inner in value.items()}, "a field of 2031": [{"x": True}]}
    return [_widened(item) for item in value] if isinstance(value, list) else value


def _decoder(path: Path) -> Callable[[bytes], object]:
    name = path.stem.rsplit("-", 1)[0]
    if name in DOCUMENTS:
        return lambda raw: m.decode(type(DOCUMENTS[name]), raw)
    return m.decode_up if name in UP else m.decode_down
