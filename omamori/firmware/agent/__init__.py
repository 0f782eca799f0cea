"""Process 3 of the unit: who the unit is to its fleet, what it sends there, and what the fleet wants of it.

It never touches the data path. Everything it sends lies in the outbox first and stays there until the fleet says that
it is committed; everything the fleet wants is fetched, stored, and left to the updater.

    AgentError
    ├── FleetUnreachable   no answer over HTTPS; try again later
    ├── IdentityError      key, certificate or claim cannot be used
    │   └── KeyLost        the unit was activated with a key that is not there, or does not open
    └── OutboxFull         the disk takes nothing more; messages stay where they are
"""

from omamori.firmware.agent.errors import AgentError, FleetUnreachable, IdentityError, KeyLost, OutboxFull

__all__ = ["AgentError", "FleetUnreachable", "IdentityError", "KeyLost", "OutboxFull"]
