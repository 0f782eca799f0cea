"""Roles as data: how many keys each has, how many must sign, how long a signature lives, which targets it may name.

`policy.json` beside the metadata holds the policy in force and may be edited: a new expiry counts from the next signature
on; a new number of keys or threshold needs a new root. Nothing here touches a key.
"""

import json
from dataclasses import dataclass
from datetime import timedelta

from omamori.signing.errors import PolicyError

TOP = ("root", "targets", "snapshot", "timestamp")
DELEGATIONS = {"firmware": "firmware/*", "signatures": "signatures/*"}
"""Delegated role -> the target paths it alone may name."""
OPTIONAL = {"support": "support/*"}
"""The same for delegations that a repository has only once somebody with the targets' keys wanted them (support.py)."""
DELEGATED = DELEGATIONS | OPTIONAL
ROLES = ("root", "targets", "firmware", "signatures", "snapshot", "timestamp")
"""What every repository has."""
EVERY = ("root", "targets", "firmware", "signatures", *OPTIONAL, "snapshot", "timestamp")
"""Delegators first; a repository may lack those of OPTIONAL."""


@dataclass(frozen=True, slots=True)
class RolePolicy:
    """`keys` are made at `init`; `threshold` of them must sign; a signature is good for `expires`."""

    keys: int
    threshold: int
    expires: timedelta
    online: bool = False
    """Signed by a machine on a timer, so `refresh` may renew it."""


Policy = dict[str, RolePolicy]


def _days(count: int) -> timedelta:
    return timedelta(days=count)


_LONGEST = _days(36_500)
"""A signature's life; much more is later than any date there is."""

POLICIES: dict[str, Policy] = {
    "development": {
        "root": RolePolicy(1, 1, _days(365)),
        "targets": RolePolicy(1, 1, _days(365)),
        "firmware": RolePolicy(2, 2, _days(180)),
        "signatures": RolePolicy(1, 1, _days(30), online=True),
        "snapshot": RolePolicy(1, 1, _days(30), online=True),
        "timestamp": RolePolicy(1, 1, _days(7), online=True),
    },
    "production": {
        "root": RolePolicy(3, 2, _days(365)),
        "targets": RolePolicy(2, 2, _days(365)),
        "firmware": RolePolicy(2, 2, _days(180)),
        "signatures": RolePolicy(1, 1, _days(7), online=True),
        "snapshot": RolePolicy(1, 1, _days(7), online=True),
        "timestamp": RolePolicy(1, 1, _days(2), online=True),
    },
}


OPTIONAL_POLICY: Policy = {"support": RolePolicy(1, 1, _days(2))}
"""Offline, and good for no longer than a support key may be valid, signed a day before."""


def to_json(policy: Policy) -> bytes:
    """The editable form; `expires` in days."""
    value = {
        role: {
            "keys": rule.keys,
            "threshold": rule.threshold,
            "expires": rule.expires / timedelta(days=1),
            "online": rule.online,
        }
        for role, rule in policy.items()
    }
    return json.dumps(value, indent=2).encode() + b"\n"


def from_json(raw: bytes) -> Policy:
    """Raises PolicyError."""
    try:
        value = json.loads(raw)
        policy = {role: _role(value[role]) for role in EVERY if role in ROLES or role in value}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise PolicyError(
            f"policy.json is not a policy ({error!r}): restore it, or copy that of a new repository (`omamori sign --dir ELSEWHERE init`)"
        ) from error
    for role, rule in policy.items():
        if not 1 <= rule.threshold <= rule.keys <= 9 or not timedelta(0) < rule.expires <= _LONGEST:
            raise PolicyError(
                f"policy.json: {role} needs 1 <= threshold <= keys <= 9 and expires > 0 and <= {_LONGEST.days} days"
            )
    return policy


def _role(value: dict[str, object]) -> RolePolicy:
    keys, threshold, expires, online = (value[key] for key in ("keys", "threshold", "expires", "online"))
    if not (isinstance(keys, int) and isinstance(threshold, int) and isinstance(online, bool)):
        raise TypeError("keys and threshold are numbers, online is true or false")
    if not isinstance(expires, int | float):
        raise TypeError("expires is a number of days")
    return RolePolicy(keys, threshold, timedelta(days=expires), online=online)
