"""Units, their windows and claims, sites, and the audit trail."""

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status
from ninja.pagination import paginate

from omamori.fleet.accounts.models import Audit, Site
from omamori.fleet.accounts.queries import audit, site, sites
from omamori.fleet.api import schemas
from omamori.fleet.api.auth import actor
from omamori.fleet.errors import Invalid
from omamori.fleet.ingest.models import LogLine
from omamori.fleet.ingest.queries import log
from omamori.fleet.units import applying, operations, queries
from omamori.fleet.units.models import Unit
from omamori.protocol import WindowError
from omamori.protocol.fetching import Fetching
from omamori.protocol.window import RebootWindow

router = Router()


@router.get("/sites", response=list[schemas.SiteOut])
@paginate
def list_sites(request: HttpRequest) -> QuerySet[Site]:
    """Sites, by customer."""
    return sites(actor(request))


@router.get("/audit", response=list[schemas.AuditOut])
@paginate
def list_audit(request: HttpRequest) -> QuerySet[Audit]:
    """Changes, newest first."""
    return audit(actor(request))


@router.get("/units", response=list[schemas.UnitOut])
@paginate
def list_units(
    request: HttpRequest,
    site: schemas.Key | None = None,
    online: bool | None = None,  # noqa: FBT001 - a query parameter
    firmware: str | None = None,
    pack: str | None = None,
) -> QuerySet[Unit]:
    """Units by id."""
    wanted = {"site_id": site, "online": online, "firmware": firmware, "pack": pack}
    return queries.units(actor(request)).filter(
        **{key: value for key, value in wanted.items() if value is not None}
    )


@router.post("/units", response={201: schemas.ClaimOut})
def register_unit(request: HttpRequest, body: schemas.UnitIn) -> Status[dict[str, str]]:
    """Make a unit known; the operator only. The secret is shown this once."""
    who = actor(request)
    secret = operations.register(who, body.id, site(who, body.site), name=body.name)
    return Status(201, {"unit": body.id, "secret": secret})


@router.get("/units/{unit}", response=schemas.UnitOut)
def get_unit(request: HttpRequest, unit: str) -> Unit:
    """One unit."""
    return queries.unit(actor(request), unit)


@router.get("/units/{unit}/window", response=schemas.Window)
def get_window(request: HttpRequest, unit: str) -> RebootWindow:
    """When it may reboot."""
    return queries.unit(actor(request), unit).want.window


@router.put("/units/{unit}/window", response=schemas.GenerationOut)
def set_window(request: HttpRequest, unit: str, body: schemas.Window) -> dict[str, int]:
    """Choose when it may reboot."""
    try:
        window = RebootWindow(body.timezone, tuple(body.weekdays), body.start, body.end)
    except WindowError as error:
        raise Invalid(str(error)) from error
    return {"generation": operations.set_window(actor(request), unit, window)}


@router.get("/units/{unit}/fetching", response=schemas.Fetching)
def get_fetching(request: HttpRequest, unit: str) -> Fetching:
    """How updates come to it."""
    return queries.unit(actor(request), unit).want.fetching


@router.put("/units/{unit}/fetching", response=schemas.GenerationOut)
def set_fetching(request: HttpRequest, unit: str, body: schemas.Fetching) -> dict[str, int]:
    """Choose how updates come to it."""
    chosen = Fetching(body.rate, body.mirror)
    return {"generation": operations.set_fetching(actor(request), unit, chosen)}


@router.post("/units/{unit}/apply-now", response=schemas.GenerationOut)
def apply_now(request: HttpRequest, unit: str) -> dict[str, int]:
    """Let a staged firmware reboot it now, outside its window."""
    return {"generation": operations.apply_now(actor(request), unit)}


@router.put("/units/{unit}/postponement", response=schemas.GenerationOut)
def postpone(request: HttpRequest, unit: str, body: schemas.PostponementIn) -> dict[str, int]:
    """Put the wanted firmware off, at most to `want.postpone_limit`."""
    return {"generation": applying.postpone(actor(request), unit, body.until, now=timezone.now())}


@router.delete("/units/{unit}/postponement", response=schemas.GenerationOut)
def resume(request: HttpRequest, unit: str) -> dict[str, int]:
    """Put it off no longer."""
    return {"generation": applying.resume(actor(request), unit)}


@router.put("/units/{unit}/way", response=schemas.GenerationOut)
def choose_way(request: HttpRequest, unit: str, body: schemas.WayIn) -> dict[str, int]:
    """Choose whether it restarts by itself in its window, or when its power returns."""
    return {"generation": applying.choose_way(actor(request), unit, at_power_cycle=body.at_power_cycle)}


@router.get("/units/{unit}/log", response=list[schemas.LogOut])
@paginate
def list_log(request: HttpRequest, unit: str) -> QuerySet[LogLine]:
    """What it logged, newest first."""
    return log(actor(request), unit=unit)
