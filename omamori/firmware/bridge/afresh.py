"""A nursery as a program of its own, without anything that its supervisor has in memory: `python3 -m omamori.firmware.bridge.afresh`.

Its arguments are the root, the number of flows, and as JSON what the supervisor would have handed to one that it forks.
"""

import json
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NoReturn

from omamori.firmware.bridge.nursery import Load, Loaded, Post, be_nursery
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.rules import Queues


def become(command: Sequence[str], path: Path, post: Post, channel: socket.socket) -> NoReturn:
    """Go on as another program, which calls `resume` with its last argument. Raises OSError."""
    os.set_inheritable(channel.fileno(), True)
    handed = {"pack": str(path), "post": asdict(post), "channel": channel.fileno()}
    os.execv(command[0], [*command, json.dumps(handed)])  # noqa: S606 - our own interpreter, no shell


def resume(handed: str, load: Load) -> NoReturn:
    """The nursery's whole life."""
    told = json.loads(handed)
    post = Post(**{**told["post"], "queues": Queues(**told["post"]["queues"])})
    channel = socket.socket(fileno=told["channel"])
    channel.set_inheritable(False)
    be_nursery(Path(told["pack"]), post, load, channel)


def _load(paths: Paths, flows: int, path: Path) -> Loaded:
    from omamori.firmware.bridge import inspection

    return inspection.load(path, paths, flows)


def main() -> None:
    root, flows, handed = sys.argv[1:]
    resume(handed, partial(_load, Paths(Path(root)), int(flows)))


if __name__ == "__main__":
    main()
