"""The one vocabulary of unit and fleet: ids, versions, messages, topics and their wire form.

Standard library only, pure, and small enough to load in every process of the unit.
A message once shipped never changes: fields are added, `CAPABILITY` is raised, old golden files keep decoding.

    ProtocolError
    ├── IdError          an id does not have its grammar
    ├── VersionError     a version does not have its grammar
    ├── WindowError      a reboot window cannot be
    ├── PolicyError      a rule, destination or category cannot be
    ├── FetchingError    a rate or a mirror cannot be
    └── WireError        bytes that are no message of ours
        ├── TooLarge     over the size cap of its kind
        └── Malformed    not JSON, or a field is missing or has the wrong type
"""

from omamori.protocol.errors import (
    FetchingError,
    IdError,
    Malformed,
    PolicyError,
    ProtocolError,
    TooLarge,
    VersionError,
    WindowError,
    WireError,
)

__all__ = [
    "FetchingError",
    "IdError",
    "Malformed",
    "PolicyError",
    "ProtocolError",
    "TooLarge",
    "VersionError",
    "WindowError",
    "WireError",
]
