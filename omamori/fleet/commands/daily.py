"""`daily`: what the fleet does once a day, and may be asked to do more often; `notices`: messages to customers about their hosts."""

from datetime import UTC, datetime

import click

from omamori.fleet.accounts.actor import System
from omamori.fleet.commands.output import json_option, show, show_one
from omamori.fleet.ingest.operations import prune
from omamori.fleet.lan import history
from omamori.fleet.notices import operations, post, queries

CLI = System("command line")
_SITE = click.option("--site", type=click.IntRange(0, 2**63 - 1), help="Only of this site.")


@click.command()
@json_option
def daily(*, as_json: bool) -> None:
    """Count every site's coverage, write and send messages about hosts, drop what is old; `serve` runs it, too."""
    now = datetime.now(UTC)
    done = {"sites_counted": history.snapshot(now=now), "notices": operations.gather(now=now)}
    done |= {f"letters_{name}": count for name, count in post.deliver(now=now).items()}
    done["dropped_notices"] = operations.prune(now=now)
    show_one(done | {f"dropped_{name}": count for name, count in prune(now=now).items()}, as_json=as_json)


@click.group()
def notices() -> None:
    """Show messages about hosts and where their letters stand; say who gets them."""


@notices.command("list")
@_SITE
@json_option
def list_notices(site: int | None, *, as_json: bool) -> None:
    """What was told, newest first; at most one a day for each site."""
    rows = (
        {"notice": row.pk, "site": row.site_id, "day": f"{row.day}", "news": row.news}
        for row in queries.notices(CLI, site=site)[:100]
    )
    show(rows, as_json=as_json, empty="nothing was told")


@notices.command("letters")
@_SITE
@json_option
def list_letters(site: int | None, *, as_json: bool) -> None:
    """Letters, newest first."""
    columns = ("subject", "created", "sent", "tries", "problem")
    rows = (
        {"letter": row.pk, "site": row.notice.site_id, "to": row.recipient.address}
        | {column: getattr(row, column) for column in columns}
        for row in queries.letters(CLI, site=site)[:100]
    )
    show(rows, as_json=as_json, empty="no letters")


@notices.command("recipients")
@_SITE
@json_option
def list_recipients(site: int | None, *, as_json: bool) -> None:
    """Who gets the messages, and who stopped them."""
    columns = ("address", "language", "added", "stopped")
    rows = (
        {"recipient": row.pk, "site": row.site_id} | {column: getattr(row, column) for column in columns}
        for row in queries.recipients(CLI, site=site)
    )
    show(rows, as_json=as_json, empty="nobody gets messages")


@notices.command("add")
@click.argument("address")
@click.option("--site", type=click.IntRange(0, 2**63 - 1), required=True, help="The site's number.")
@click.option(
    "--language",
    type=click.Choice(operations.LANGUAGES),
    default="ja",
    show_default=True,
    help="Of the letters.",
)
def add(address: str, site: int, language: str) -> None:
    """Send the messages of a site to this mail address."""
    operations.add(CLI, site, address, language=language)


@notices.command("stop")
@click.argument("recipient", type=click.IntRange(0, 2**63 - 1))
def stop(recipient: int) -> None:
    """Send no more to a recipient (by its number)."""
    operations.remove(CLI, recipient)
