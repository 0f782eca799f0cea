"""`sites`, `users`, `tokens`, `audit`."""

import secrets
from datetime import UTC, datetime, timedelta

import click

from omamori.fleet.accounts import operations, queries
from omamori.fleet.accounts.actor import Level, System
from omamori.fleet.accounts.models import Membership, Token, User
from omamori.fleet.commands.output import json_option, limit_option, show
from omamori.fleet.errors import Invalid

CLI = System("command line")


@click.group()
def sites() -> None:
    """List and add sites with their customers and resellers."""


@sites.command("list")
@json_option
def list_sites(*, as_json: bool) -> None:
    """All sites."""
    rows = [
        {
            "site": site.pk,
            "name": site.name,
            "customer": site.customer.name,
            "customer_id": site.customer_id,
            "reseller": site.customer.reseller.name,
            "reseller_id": site.customer.reseller_id,
        }
        for site in queries.sites(CLI)
    ]
    show(rows, as_json=as_json, empty="no sites")


@sites.command("add")
@click.argument("name")
@click.option("--customer", required=True, help="The customer's name; made where it is new.")
@click.option("--reseller", required=True, help="The reseller's name; made where it is new.")
def add_site(name: str, customer: str, reseller: str) -> None:
    """Add a site; prints its number."""
    print(operations.add_site(CLI, reseller=reseller, customer=customer, site=name).pk)


@sites.command("describe")
@click.argument("site", type=click.IntRange(0, 2**63 - 1))
@click.option("--business", help="What is done there, in one word: sites of the same word are compared.")
@click.option("--staff", type=click.IntRange(1, 1_000_000), help="How many people work there.")
def describe_site(site: int, business: str | None, staff: int | None) -> None:
    """Say of a site (by its number) what is compared with similar ones."""
    operations.describe_site(CLI, site, business=business, staff=staff)


@click.group()
def users() -> None:
    """List and add people who sign in."""


@users.command("list")
@json_option
def list_users(*, as_json: bool) -> None:
    """Everyone, and for whom they act."""
    found = Membership.objects.select_related("user", "operator", "reseller", "customer").order_by(
        "user__username"
    )
    show((_person(row) for row in found), as_json=as_json, empty="no users")


def _person(row: Membership) -> dict[str, object]:
    level = next(level for level in Level if getattr(row, f"{level.value}_id"))
    return {
        "user": row.user.username,
        "level": level.value,
        "tenant": getattr(row, f"{level.value}_id"),
        "name": getattr(row, level.value).name,
        "active": row.user.is_active,
        "last_sign_in": row.user.last_login,
    }


@users.command("add")
@click.argument("username")
@click.option("--operator", is_flag=True, help="Acts for the operator.")
@click.option("--reseller", type=int, help="Acts for this reseller (number).")
@click.option("--customer", type=int, help="Acts for this customer (number).")
@click.option("--password", default="", help="[default: a generated one, printed once]")
@click.option(
    "--language",
    type=click.Choice(["ja", "en"]),
    default="ja",
    show_default=True,
    help="Of their portal and mails.",
)
def add_user(
    username: str, reseller: int | None, customer: int | None, password: str, language: str, *, operator: bool
) -> None:
    """Add a person who acts for exactly one operator, reseller or customer."""
    tenants = {
        Level.OPERATOR: queries.operator_of(CLI).pk if operator else None,
        Level.RESELLER: reseller,
        Level.CUSTOMER: customer,
    }
    chosen = [operations.Belonging(level, tenant) for level, tenant in tenants.items() if tenant is not None]
    if len(chosen) != 1:
        raise Invalid("give one of --operator, --reseller, --customer")
    chosen_password = password or secrets.token_urlsafe(15)
    operations.add_user(CLI, username, chosen_password, chosen[0], language=language)
    if not password:
        print(chosen_password)


@click.group()
def tokens() -> None:
    """List, add and remove keys of the operators' API."""


@tokens.command("list")
@json_option
def list_tokens(*, as_json: bool) -> None:
    """All keys, without their secrets."""
    rows = [
        {
            "token": row.public,
            "name": row.name,
            "user": row.user.username,
            "created": row.created,
            "expires": row.expires,
            "last_used": row.last_used,
        }
        for row in Token.objects.select_related("user").order_by("pk")
    ]
    show(rows, as_json=as_json, empty="no tokens")


@tokens.command("add")
@click.argument("username")
@click.option("--name", default="command line", show_default=True, help="What it is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it works.  [default: until removed]")
def add_token(username: str, name: str, days: int | None) -> None:
    """Add a key that acts as that person; prints it, this once."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise Invalid(f"no user {username[:60]!r}")
    lifetime = timedelta(days=days) if days else None
    print(operations.add_token(CLI, user, name, lifetime=lifetime, now=datetime.now(UTC)))


@tokens.command("remove")
@click.argument("token")
def remove_token(token: str) -> None:
    """Remove a key by its public part, as `list` shows it."""
    operations.remove_token(CLI, token)


@click.command()
@limit_option
@json_option
def audit(limit: int, *, as_json: bool) -> None:
    """Who changed what, newest first."""
    rows = [
        {
            "at": row.at,
            "actor": row.actor,
            "operation": row.operation,
            "target": row.target,
            "details": row.details,
        }
        for row in queries.audit(CLI)[:limit]
    ]
    show(rows, as_json=as_json, empty="nothing was changed")
