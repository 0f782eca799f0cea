"""Which detections leave the bridge one by one, and which are only in the sums of usage."""

from datetime import UTC, datetime, timedelta

import pytest

from omamori.firmware.bridge.inspection import EngineInspector
from omamori.firmware.engine.conduct import Orders
from omamori.firmware.engine.domains import build_table
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.signatures import Signatures
from omamori.protocol.messages import decode_body
from omamori.protocol.policy import Exemption, Policy
from omamori.protocol.vocabulary import Action, Guard
from tests.firmware.engine.conversation import Tcp

LISTED = {
    Guard.WG: build_table([("bad.example", "phishing")]),
    Guard.UF: build_table([("shop.example", "shopping")]),
    Guard.APG: build_table([("chat.example", "messenger")]),
}
UNTIL = datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize(
    ("host", "policy", "told"),
    [
        ("shop.example", Policy(), []),
        ("chat.example", Policy(), []),
        ("bad.example", Policy(), [(Guard.WG, Action.BLOCKED)]),
        ("shop.example", Policy(blocked_categories=("shopping",)), [(Guard.UF, Action.BLOCKED)]),
        (
            "shop.example",
            Policy((Exemption(1, UNTIL, destination="shop.example"),), ("shopping",)),
            [(Guard.UF, Action.LOGGED)],
        ),
        (
            "bad.example",
            Policy((Exemption(1, UNTIL, destination="bad.example"),)),
            [(Guard.WG, Action.LOGGED)],
        ),
    ],
)
def test_a_visit_that_nobody_minds_is_no_event(host, policy, told):
    engine = Engine(Signatures(domains=LISTED))
    engine.obey(Orders(policy))
    inspector = EngineInspector(engine)
    flow = Tcp()
    now = datetime.now(UTC).timestamp()
    for data in [
        *flow.handshake(),
        *flow.say(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), to_server=True),
    ]:
        inspector.packet(data, now=now, from_inside=True, rewriting=False)
    found = [decode_body(line) for line in inspector.take_messages()]
    assert [(each.guard, each.action) for each in found] == told
