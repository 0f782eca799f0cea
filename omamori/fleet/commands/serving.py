"""`init`, `serve` and its parts. Nothing here imports a model before Django is set up for the surface that asks."""

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Final

import click

from omamori.fleet.broker import BrokerRoomError
from omamori.fleet.broker.authority import Authority, Pair, open_authority
from omamori.fleet.broker.mosquitto import Broker, BrokerSettings
from omamori.fleet.cli import set_up
from omamori.fleet.state import OPTIONS, FleetState, write_settings
from omamori.fleet.supervisor import Errand, Part, Supervisor, told_to_stop
from omamori.fleet.surfaces import addresses, server

log = logging.getLogger("omamori.fleet.serving")

_RENEWAL: Final = 3600.0
"""Seconds between two looks at how long our certificates are still good."""
_SELDOM: Final = 30.0
"""Seconds between two starts of the broker because of revocations: all units connect anew then, and several often come together."""


@click.command()
@click.option("--operator", default="Omamori", show_default=True, help="The operator's name.")
@click.option("--user", default="operator", show_default=True, help="The first person who can sign in.")
@click.option("--password", default="", help="Their password.  [default: a generated one, printed once]")
@click.option(
    "--set", "given", multiple=True, metavar="KEY=VALUE", help="A setting for fleet.toml; see `settings`."
)
def init(operator: str, user: str, password: str, given: tuple[str, ...]) -> None:
    """Make a fleet in the state directory, or bring an existing one up to date. Never overwrites a secret."""
    state = FleetState.from_environment()
    state.create()
    write_settings(state, given)
    _keys(state)
    set_up()
    made = _first_people(operator, user, password)
    print(f"fleet in {state.root}")
    if made:
        print(f"user {user}, password {made}")


@click.command()
@click.option("--units-bind", default="", help="Address and port of the unit surface.")
@click.option("--portal-bind", default="", help="Address and port of the portal.")
@click.option("--mqtt-bind", default="", help="Address and port of the broker.")
def serve(units_bind: str, portal_bind: str, mqtt_bind: str) -> None:
    """Run broker, unit surface, portal and link worker, and the day's work, until SIGTERM or Ctrl-C; start again what dies."""
    given = {"units_bind": units_bind, "portal_bind": portal_bind, "mqtt_bind": mqtt_bind}
    os.environ.update({f"OMAMORI_FLEET_{key.upper()}": value for key, value in given.items() if value})
    state = _ready_state()
    settings = state.settings()
    parts = [
        Part("broker", addresses.parse(str(settings["mqtt_bind"]))),
        Part("serve-units", addresses.parse(str(settings["units_bind"]))),
        Part("serve-portal", addresses.parse(str(settings["portal_bind"]))),
        Part("link"),
        *_relay(settings),
    ]
    with told_to_stop() as stop, Supervisor(parts, os.environ, errands=errands(settings)) as supervisor:
        print(
            f"fleet: units {addresses.units_url(settings)}, broker {addresses.broker(settings)}, "
            f"portal {addresses.portal_url(settings)}: ready",
            flush=True,
        )
        supervisor.watch(stop)
    print("fleet: stopped", flush=True)


def _relay(settings: Mapping[str, str | int]) -> list[Part]:
    """Only where this fleet has one: helpers reach no unit otherwise."""
    bind = str(settings["support_bind"])
    return [Part("support-relay", addresses.parse(bind))] if bind else []


def errands(settings: Mapping[str, str | int]) -> list[Errand]:
    """What `serve` runs now and then: the day's work, which finds by itself which sites' morning has come."""
    minutes = int(settings["daily_minutes"])
    return [Errand("daily", every=minutes * 60.0)] if minutes > 0 else []


@click.command()
def serve_units() -> None:
    """Run the unit surface alone."""
    state = _ready_state()
    settings = state.settings()
    pair, _ = _keys(state)
    bind = addresses.parse(str(settings["units_bind"]))
    renewing(state)
    server.units(bind, pair, str(state.authority / "root.pem"), workers=int(settings["workers"])).run()


@click.command()
def serve_portal() -> None:
    """Run portal and operators' API alone."""
    settings = _ready_state().settings()
    server.portal(addresses.parse(str(settings["portal_bind"])), workers=int(settings["workers"])).run()


@click.command()
def broker() -> None:
    """Run the embedded broker alone, until SIGTERM or Ctrl-C."""
    state = _ready_state()
    set_up()
    from omamori.fleet.units.revocations import Revocations

    revocations = Revocations(_authority(state), state.broker / "revoked.pem")
    revocations.keep_up()
    due = 0.0
    settings = replace(_broker_settings(state), revoked=revocations.file)
    renewing(state)
    shown = _stamp(settings.server)
    with _clear_errors(), told_to_stop() as stop, Broker(settings) as running:
        while not stop.wait(0.25):
            if running.pid is None:
                raise ChildProcessError(f"the broker ended: {running.last_words()}")
            if time.monotonic() > due and (revocations.keep_up() or _stamp(settings.server) != shown):
                shown = _stamp(settings.server)
                running.stop()
                running.start()
                due = time.monotonic() + _SELDOM


@click.command()
def link() -> None:
    """Run the link worker alone, until SIGTERM or Ctrl-C."""
    state = _ready_state()
    renewing(state)
    with _clear_errors(), told_to_stop() as stop:
        _run_link(state, stop)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def settings(*, as_json: bool) -> None:
    """Show every setting, its value and what it means."""
    from omamori.fleet.commands.output import show

    values = FleetState.from_environment().settings()
    rows = [{"key": row.key, "value": values[row.key], "help": row.help} for row in OPTIONS]
    show(rows, as_json=as_json, empty="")


def _run_link(state: FleetState, stop: Event) -> None:
    from omamori.fleet.broker.link import Link, LinkSettings

    set_up()
    from omamori.fleet.ingest.side import DatabaseSide

    values = state.settings()
    authority, bind = _authority(state), addresses.parse(str(values["mqtt_bind"]))
    identity = authority.worker(state.root / "tls", now=datetime.now(UTC))
    host = values["link_host"] or {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind.host, bind.host)  # noqa: S104 - not dialled
    Link(LinkSettings(str(host), bind.port, str(state.authority / "root.pem"), identity), DatabaseSide()).run(
        stop
    )


def _broker_settings(state: FleetState) -> BrokerSettings:
    pair, _ = _keys(state)
    bind = addresses.parse(str(state.settings()["mqtt_bind"]))
    return BrokerSettings(state.broker, state.authority / "root.pem", pair, address=bind.host, port=bind.port)


def _keys(state: FleetState) -> tuple[Pair, Authority]:
    """The server's key and certificate, good for every name and address units may use."""
    with _clear_errors():
        authority = _authority(state)
        names = addresses.server_names(state.settings())
        return authority.server(state.root / "tls", names, now=datetime.now(UTC)), authority


def renewing(state: FleetState) -> None:
    """Renew what this process shows while it runs, months before it ends; units' connections and the link's read it anew each time."""

    def work() -> None:
        while True:
            time.sleep(_RENEWAL)
            try:
                renew(state, now=datetime.now(UTC))
            except (OSError, BrokerRoomError) as error:
                log.warning("the fleet's certificates cannot be renewed: %s", error)

    Thread(target=work, daemon=True).start()


def renew(state: FleetState, *, now: datetime) -> tuple[Pair, Pair]:
    """The server's and the link worker's pairs, new ones where they would end within three months. Raises OSError, BrokerRoomError."""
    authority = open_authority(state.authority)
    names = addresses.server_names(state.settings())
    tls = state.root / "tls"
    return authority.server(tls, names, now=now), authority.worker(tls, now=now)


def _stamp(pair: Pair) -> int:
    """When it was written; 0 while it is being replaced."""
    with contextlib.suppress(OSError):
        return pair.certificate.stat().st_mtime_ns
    return 0


def _authority(state: FleetState) -> Authority:
    return open_authority(state.authority, now=datetime.now(UTC))


def _ready_state() -> FleetState:
    """An initialised fleet with keys. Raises ClickException."""
    state = FleetState.from_environment()
    if not state.secret("django") or not state.authority.is_dir():
        raise click.ClickException(f"no fleet in {state.root}: run `omamori fleet init` first")
    _keys(state)
    return state


def _first_people(operator: str, user: str, password: str) -> str:
    """Migrate; make operator, first site and first user where there are none. Gives the new user's password."""
    from django.core.management import call_command

    from omamori.fleet.accounts import operations
    from omamori.fleet.accounts.actor import Level, System
    from omamori.fleet.accounts.models import Site, User

    call_command("migrate", verbosity=0)
    tenant = operations.ensure_operator(operator)
    if not Site.objects.exists():
        operations.add_site(System("init"), reseller=operator, customer=operator, site="stock")
    if User.objects.exists():
        return ""
    password = password or secrets.token_urlsafe(15)
    operations.add_user(System("init"), user, password, operations.Belonging(Level.OPERATOR, tenant.pk))
    return password


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except BrokerRoomError as error:
        raise click.ClickException(str(error)) from error
