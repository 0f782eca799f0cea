"""`python3 -m omamori.firmware.bridge`: the entry point of the data path.

It settles first whether the engine's hot modules run compiled; everything else of the process is imported afterwards.
"""

from pathlib import Path

import click

from omamori.firmware.bridge import compiled
from omamori.firmware.host.paths import Paths

MOST_WORKERS = 4
"""More would be idle: four inspect several times what the two ports carry."""


@click.command()
@click.option(
    "--root", type=click.Path(path_type=Path), envvar="OMAMORI_ROOT", default=Path("/"), show_default=True
)
@click.option("--bridge", default="br0", show_default=True)
@click.option("--wan", default="wan0", show_default=True, help="Bridge port on the router's side.")
@click.option("--lan", default="lan0", show_default=True, help="Bridge port on the hub's side.")
@click.option("--first-queue", default=0, show_default=True, help="First of the queue numbers to use.")
@click.option(
    "--queues",
    type=click.IntRange(1, MOST_WORKERS),
    default=None,
    help="Workers; each has its scan and its suspect queue. [default: processors, at most 4]",
)
@click.option(
    "--flows",
    type=click.IntRange(min=100),
    default=16_000,
    show_default=True,
    help="Remembered by all workers together.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=16),
    default=160,
    show_default=True,
    help="Megabytes for flows, all workers together.",
)
def main(
    root: Path, bridge: str, wan: str, lan: str, first_queue: int, queues: int | None, flows: int, memory: int
) -> None:
    """Inspect what crosses the bridge, until SIGTERM."""
    paths = Paths(root)
    why = compiled.choose(paths)
    from omamori.firmware.bridge import process

    place = process.Place(bridge, wan, lan, first_queue, queues or process.processors(MOST_WORKERS))
    process.run(paths, place, flows=flows, memory=memory << 20, pure=why)


if __name__ == "__main__":
    main()
