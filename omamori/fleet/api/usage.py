"""Usage of applications and site categories: sums and the export of daily rows."""

from datetime import date
from typing import Annotated, Any, Literal

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from omamori.fleet.api import schemas
from omamori.fleet.api.auth import actor
from omamori.fleet.api.downloads import download
from omamori.fleet.usage import queries

router = Router()
_Name = Annotated[str, Field(max_length=60)]


class UsageQuery(Schema):
    """Filters; all must hold."""

    unit: Annotated[str, Field(max_length=40)] = ""
    site: schemas.Key | None = None
    since: date | None = None
    until: date | None = None
    category: _Name = ""
    application: _Name = ""
    host: Annotated[str, Field(max_length=45)] = ""

    def wanted(self) -> queries.Filter:
        """The same as the domain has it."""
        return queries.Filter(**{name: getattr(self, name) for name in type(self).model_fields})


class UsageOut(Schema):
    """Sums of one group; columns that were not asked for are left out."""

    day: date | None = None
    category: str | None = None
    application: str | None = None
    address: str | None = None
    host_mac: str | None = None
    host_name: str | None = None
    flows: int
    sent: int
    received: int
    blocked: int


@router.get("/usage", response=list[UsageOut], exclude_none=True)
def sum_usage(
    request: HttpRequest,
    wanted: Query[UsageQuery],
    by: Annotated[list[queries.By], Query(default_factory=lambda: [queries.By.APPLICATION])],
    limit: Annotated[int, Field(ge=1, le=1000)] = 100,
) -> list[dict[str, Any]]:
    """Sums by day, category, application or host (several may be named); the largest download first."""
    return [queries.plain(row) for row in queries.sums(actor(request), wanted.wanted(), *by)[:limit]]


@router.get("/usage/export", openapi_extra={"responses": {200: {"description": "CSV or JSON lines"}}})
def export_usage(
    request: HttpRequest, wanted: Query[UsageQuery], form: Literal["csv", "jsonl"] = "csv"
) -> StreamingHttpResponse:
    """Every matching daily row: CSV for spreadsheets, or a JSON object a line."""
    return download("usage", form, queries.COLUMNS, queries.exported(actor(request), wanted.wanted()))
