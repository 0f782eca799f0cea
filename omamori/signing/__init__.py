"""The release side of trust: a TUF repository on disk, its keys, and what may be signed into it.

Runs on the release engineer's machine, never on a unit. Only `packs/` opens a socket, to fetch feeds.

    SigningError
    ├── PlaceError       the repository's directory is missing, taken, locked, or inside a checkout
    ├── PolicyError      policy.json is not a policy
    ├── KeyFileError        too few keys here for a role's threshold, or a key file that cannot be used
    ├── TargetError      a file that must not be signed: broken, misnamed, or already published otherwise
    ├── RepositoryError  metadata on disk that does not verify
    └── PackError        no pack was made of feeds: see `packs/`
"""

from omamori.signing.errors import (
    KeyFileError,
    PlaceError,
    PolicyError,
    RepositoryError,
    SigningError,
    TargetError,
)

__all__ = ["KeyFileError", "PlaceError", "PolicyError", "RepositoryError", "SigningError", "TargetError"]
