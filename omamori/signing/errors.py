"""Why something was not signed; the tree is drawn in the package docstring. Each text says what to do next."""


class SigningError(Exception):
    """Nothing was signed and nothing was written."""


class PlaceError(SigningError):
    """The repository's directory is missing, taken, locked, or inside a checkout."""


class PolicyError(SigningError):
    """policy.json is not a policy."""


class KeyFileError(SigningError):
    """Too few keys here for a role's threshold, or a key file that cannot be used."""


class TargetError(SigningError):
    """A file that must not be signed: broken, misnamed, or already published with other content."""


class RepositoryError(SigningError):
    """Metadata on disk that does not verify."""
