"""The coverage of sites, now and day by day: what an insurer reads."""

from datetime import UTC, date, datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.api import schemas
from omamori.fleet.api.auth import actor
from omamori.fleet.api.downloads import spreadsheet
from omamori.fleet.lan import history
from omamori.fleet.lan.coverage import COLUMNS, Report, State, document, plain, report
from omamori.fleet.lan.models import Ownership

router = Router()


class CoverageRow(Schema):
    """One device of a report; times are empty for what was never seen."""

    state: State
    name: str
    declared: bool
    mac: str
    kind: str
    system: str
    vendor: str
    ownership: Ownership
    shared: bool
    unit: str
    first_seen: str
    last_seen: str


class CoverageOut(Schema):
    """Which hosts of a site are covered."""

    site: int
    name: str
    customer: str
    time: str
    counts: dict[str, int]
    hosts: list[CoverageRow]


@router.get("/sites/{site}/coverage", response=CoverageOut)
def get_coverage(request: HttpRequest, site: schemas.Key) -> dict[str, object]:
    """The coverage report: what needs doing first."""
    return document(report(actor(request), site, now=datetime.now(UTC)))


@router.get("/sites/{site}/coverage.csv", openapi_extra={"responses": {200: {"description": "CSV"}}})
def get_coverage_table(request: HttpRequest, site: schemas.Key) -> HttpResponse:
    """The same for spreadsheets."""
    return table(report(actor(request), site, now=datetime.now(UTC)))


def table(found: Report) -> HttpResponse:
    """A report as a CSV file."""
    name = f"coverage-{found.site.pk}-{found.at:%Y%m%d}"
    return spreadsheet(name, COLUMNS, map(plain, found.rows))


class DayOut(Schema):
    """How many devices of a site were in which state on one day."""

    day: date
    taken: datetime
    wrong_side: int = Field(alias="wrong-side")
    never_seen: int = Field(alias="never-seen")
    gone: int
    covered: int
    private: int
    declared: int
    share: int | None
    """Covered of all that are there or ought to be, private ones aside, in percent."""

    @staticmethod
    def resolve_share(row: dict[str, str | int]) -> int | None:
        return int(row["share"]) if row["share"] != "" else None


class HistoryOut(Schema):
    """A site day by day, oldest first."""

    site: int
    name: str
    customer: str
    days: list[DayOut]


_Days = Annotated[int, Field(ge=1, le=history.LONGEST)]


@router.get("/sites/{site}/coverage/history", response=HistoryOut)
def get_history(request: HttpRequest, site: schemas.Key, days: _Days = 90) -> dict[str, object]:
    """The days that were counted, of the last so many."""
    found = history.history(actor(request), site, days=days, now=datetime.now(UTC))
    return history.document(visible_site(actor(request), site), found)


@router.get("/sites/{site}/coverage/history.csv", openapi_extra={"responses": {200: {"description": "CSV"}}})
def get_history_table(request: HttpRequest, site: schemas.Key, days: _Days = 90) -> HttpResponse:
    """The same for spreadsheets."""
    return days_table(site, history.history(actor(request), site, days=days, now=datetime.now(UTC)))


def days_table(site: int, days: list[history.Day]) -> HttpResponse:
    """A history as a CSV file."""
    return spreadsheet(f"coverage-{site}-history", history.COLUMNS, map(history.plain, days))
