"""Which hosts ought to be covered, and which are."""

from datetime import UTC, datetime

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema
from ninja.pagination import paginate

from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.api import schemas
from omamori.fleet.api.auth import actor
from omamori.fleet.api.paging import Pages
from omamori.fleet.lan import customer, queries
from omamori.fleet.lan.attention import attention
from omamori.fleet.lan.attention import plain as plain_row
from omamori.fleet.lan.declarations import LINES_CAP, judge
from omamori.fleet.lan.evidence import Reason
from omamori.fleet.lan.models import Declared

router = Router()


class DeclaredOut(Schema):
    """A host that ought to be covered."""

    id: int
    name: str
    mac: str
    added: datetime


class DeclarationIn(Schema):
    """One host of a list."""

    name: str = Field(max_length=120)
    mac: str = Field("", max_length=40)


class DeclarationsIn(Schema):
    """Hosts to declare; `replace` takes away those that are not named."""

    hosts: list[DeclarationIn] = Field(min_length=1, max_length=LINES_CAP)
    replace: bool = False


class ChangeOut(Schema):
    """What became of a site's list."""

    added: int
    kept: int
    removed: int


@router.get("/sites/{site}/declared", response=list[DeclaredOut])
@paginate
def list_declared(request: HttpRequest, site: schemas.Key) -> QuerySet[Declared]:
    """The hosts that ought to be covered there, by name."""
    return queries.declared(actor(request), visible_site(actor(request), site).pk)


@router.post("/sites/{site}/declared", response=ChangeOut)
def declare_hosts(request: HttpRequest, site: schemas.Key, body: DeclarationsIn) -> customer.Change:
    """Declare hosts that ought to be covered; a fault names its place in the list, counted from 1."""
    rows = (
        (place, {"name": row.name.strip(), "mac": row.mac.strip()}) for place, row in enumerate(body.hosts, 1)
    )
    return customer.declare(actor(request), site, judge(rows), replace=body.replace)


@router.delete("/declared/{key}", response={204: None})
def withdraw_host(request: HttpRequest, key: schemas.Key) -> None:
    """A host need not be covered any more."""
    customer.withdraw(actor(request), key)


class AttentionOut(Schema):
    """A unit that needs the help desk."""

    unit: str
    name: str
    customer: str
    site: int
    site_name: str
    reason: Reason
    since: datetime | None
    evidence: str
    evidence_ja: str
    figures: dict[str, int | float]
    """What the evidence counts, by name."""
    wiring: str
    """The root cause of its present diagnosis, where there is one."""
    next_step: str
    next_step_ja: str


class AttentionPage(Schema):
    """A page, and how many there are in all."""

    items: list[AttentionOut]
    count: int


@router.get("/attention", response=AttentionPage)
def list_attention(request: HttpRequest, paging: Query[Pages.Input]) -> dict[str, object]:
    """Units that never came, went silent, log nothing or cover far fewer hosts than declared; ask daily."""
    rows = attention(actor(request), now=datetime.now(UTC))
    last = paging.offset + paging.limit
    return {"items": [plain_row(row) for row in rows[paging.offset : last]], "count": len(rows)}
