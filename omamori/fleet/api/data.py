"""Detections with their export, hosts, wiring."""

from typing import Annotated, Literal

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Schema
from ninja.pagination import paginate
from pydantic import AwareDatetime, Field

from omamori.fleet.api import schemas
from omamori.fleet.api.auth import actor
from omamori.fleet.api.downloads import download
from omamori.fleet.detections import export, queries
from omamori.fleet.detections.models import Detection
from omamori.fleet.lan.customer import describe
from omamori.fleet.lan.models import Host, Wiring
from omamori.fleet.lan.queries import host, hosts, wiring
from omamori.protocol.vocabulary import Action, Direction, Guard, Severity, Side

router = Router()


class DetectionQuery(Schema):
    """Filters of detections; all must hold."""

    unit: Annotated[str, Field(max_length=40)] = ""
    site: schemas.Key | None = None
    host: schemas.Key | None = None
    guard: Guard | None = None
    direction: Direction | None = None
    action: Action | None = None
    severity: Severity | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    text: Annotated[str, Field(max_length=100)] = ""

    def wanted(self) -> queries.Filter:
        """The same as the domain has it."""
        return queries.Filter(**{name: getattr(self, name) for name in type(self).model_fields})


@router.get("/detections", response=list[schemas.DetectionOut])
@paginate
def list_detections(request: HttpRequest, wanted: Query[DetectionQuery]) -> QuerySet[Detection]:
    """Detections, newest first; `severity` means this or higher."""
    return queries.detections(actor(request), wanted.wanted())


@router.get("/detections/export", openapi_extra={"responses": {200: {"description": "CSV or JSON lines"}}})
def export_detections(
    request: HttpRequest, wanted: Query[DetectionQuery], form: Literal["csv", "jsonl"] = "csv"
) -> StreamingHttpResponse:
    """Every matching detection: CSV for spreadsheets, or a JSON object a line."""
    return download("detections", form, export.COLUMNS, export.rows(actor(request), wanted.wanted()))


@router.get("/detections/{detection}", response=schemas.DetectionOut)
def get_detection(request: HttpRequest, detection: schemas.Key) -> Detection:
    """One detection."""
    return queries.detection(actor(request), detection)


@router.get("/hosts", response=list[schemas.HostOut])
@paginate
def list_hosts(
    request: HttpRequest, unit: str = "", site: schemas.Key | None = None, side: Side | None = None
) -> QuerySet[Host]:
    """Hosts, last seen first."""
    return hosts(actor(request), unit=unit, site=site, side=side.value if side else "")


@router.get("/hosts/{key}", response=schemas.HostOut)
def get_host(request: HttpRequest, key: schemas.Key) -> Host:
    """One host with every address it held."""
    return host(actor(request), key)


@router.patch("/hosts/{key}", response=schemas.HostOut)
def describe_host(request: HttpRequest, key: schemas.Key, body: schemas.HostIn) -> Host:
    """Name a host, or say whose it is; holds for the device at every unit of its site."""
    return describe(actor(request), key, name=body.given_name, ownership=body.ownership)


@router.get("/wiring", response=list[schemas.WiringOut])
@paginate
def list_wiring(
    request: HttpRequest,
    unit: str = "",
    history: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> QuerySet[Wiring]:
    """The present diagnosis of each unit, or all of them; newest first."""
    return wiring(actor(request), unit=unit, current=not history)
