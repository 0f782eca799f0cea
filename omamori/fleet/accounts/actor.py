"""Who asks: the type every query and operation takes.

`System` is this machine itself (the command line, the ingest worker) and sees everything; `Member` is a person or
their token, acting for exactly one tenant.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from django.contrib.auth.models import AnonymousUser

from omamori.fleet.accounts.models import Membership, User
from omamori.fleet.errors import NotAllowed


class Level(StrEnum):
    """The tenant levels that people belong to, from the top."""

    OPERATOR = "operator"
    RESELLER = "reseller"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class System:
    """The fleet's own processes and whoever holds its state directory."""

    name: str = "system"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Member:
    """Someone acting for one tenant."""

    user: str
    level: Level
    tenant: int

    def __str__(self) -> str:
        return f"{self.user} ({self.level.value} {self.tenant})"


Actor: TypeAlias = System | Member


def actor_of(user: User | AnonymousUser) -> Member:
    """The actor a signed-in person is. Raises NotAllowed where nobody is signed in or they belong to no tenant."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        raise NotAllowed("nobody is signed in")
    membership = Membership.objects.filter(user=user).first()
    if membership is None:
        raise NotAllowed(f"{user.username} belongs to no operator, reseller or customer")
    for level in Level:
        tenant = getattr(membership, f"{level.value}_id")
        if tenant is not None:
            return Member(user.username, level, tenant)
    raise AssertionError("the database keeps one tenant per membership")


def must_operate(actor: Actor) -> None:
    """Security, releases and rollouts are the operator's alone. Raises NotAllowed."""
    if isinstance(actor, Member) and actor.level is not Level.OPERATOR:
        raise NotAllowed("only the operator may do that")
