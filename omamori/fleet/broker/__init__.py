"""Between broker and fleet: the certificate authority, the embedded Mosquitto, and the link worker.

Nothing here knows Django: what to store, and which wants were raised, comes in as functions (`link.Fleet`).

    BrokerRoomError
    ├── AuthorityError     the authority's files cannot be used
    ├── RequestRefused     a certificate request that is not signed
    └── BrokerError        the broker does not start, or stopped
"""

from omamori.fleet.broker.errors import AuthorityError, BrokerError, BrokerRoomError, RequestRefused

__all__ = ["AuthorityError", "BrokerError", "BrokerRoomError", "RequestRefused"]
