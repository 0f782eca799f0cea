"""From a flow that a guard stopped to what its two ends are told.

Only of a packet that is on the wire as it is: an answer to fragments or to what a tunnel carries would go past the receiver.
"""

from omamori.firmware.engine import crafting, refusal
from omamori.firmware.engine.block_page import Notice, Refusal
from omamori.firmware.engine.flow import Flow
from omamori.firmware.engine.guards import Round
from omamori.firmware.engine.packet import Packet
from omamori.firmware.engine.verdict import Reply


def replies(turn: Round, packet: Packet, notice: Notice) -> tuple[Reply, ...]:
    """The guards stop this packet, or the flow from here on."""
    told = Refusal(turn.by, turn.context().subject, turn.category, turn.block or turn.drop)
    return refusal.tell(_case(turn.flow, packet, to_server=turn.to_server), told, notice)


def resets(flow: Flow, packet: Packet) -> tuple[Reply, ...]:
    """For what was on its way when the flow was blocked, or is sent again because a reply was lost."""
    return refusal.resets(_case(flow, packet, to_server=packet.source == flow.facts.client))


def _case(flow: Flow, packet: Packet, *, to_server: bool) -> refusal.Case:
    facts = flow.facts
    if not flow.halves:
        return refusal.Case(packet, facts.application, facts.client_inside, to_server)
    own, other = flow.halves[to_server].stream, flow.halves[not to_server].stream
    in_order = own.expected == crafting.after(packet)
    return refusal.Case(
        packet, facts.application, facts.client_inside, to_server, opposite=other.expected, in_order=in_order
    )
