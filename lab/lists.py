"""What lists of sites cost: builds a pack of made-up entries, loads it in a process of its own, and looks things up.

`python -m lab.lists [--entries N] [--json]`. N domains, N URLs and N addresses; prints the size of the pack, the seconds of its
loading, the memory that loading took (the process's own, and pages of the file), and microseconds for one look-up of each kind.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

from omamori.firmware.signatures import pack
from omamori.firmware.signatures.lists import DomainList
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Guard

LOOKUPS = 20_000


def main() -> None:
    """Build, then measure in a fresh process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(measured(options.load, options.entries)))
        return
    with tempfile.TemporaryDirectory(prefix="omamori-lists-") as folder:
        path = Path(folder) / "lists.pack"
        began = time.monotonic()
        pack.build(
            path, Version.parse("1.0.0"), datetime.now(UTC), pack.Content(lists=[made(options.entries)])
        )
        told = {"entries of each kind": options.entries, "build s": round(time.monotonic() - began, 1)}
        told["pack MB"] = round(path.stat().st_size / 1e6, 1)
        command = [sys.executable, "-m", "lab.lists", "--load", str(path), "--entries", str(options.entries)]
        told |= json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print(json.dumps(told, indent=2) if options.json else "\n".join(f"{key:24} {told[key]}" for key in told))


def made(entries: int) -> DomainList:
    """The same each time."""
    chance = random.Random(7)  # noqa: S311 - made-up entries
    return DomainList(
        "phishing",
        [f"host{number:07d}.listed.example" for number in range(entries)],
        [f"page{number:07d}.example/a/{number}" for number in range(entries)],
        [str(IPv4Address(chance.randrange(1 << 24, 223 << 24))) for _ in range(entries)],
    )


def measured(path: Path, entries: int) -> dict[str, float]:
    """Of loading and looking up."""
    own, mapped = _memory()
    began = time.monotonic()
    loaded = pack.load(path)
    told = {"load s": round(time.monotonic() - began, 3)}
    after = _memory()
    told |= {
        "own memory MB": round((after[0] - own) / 1000, 1),
        "pages of the file MB": round((after[1] - mapped) / 1000, 1),
    }
    chance = random.Random(9)  # noqa: S311 - what is looked up
    numbers = [chance.randrange(2 * entries) for _ in range(LOOKUPS)]
    names, urls, addresses = loaded.domains[Guard.WG], loaded.urls[Guard.WG], loaded.addresses[Guard.WG]
    began = time.process_time()
    for number in numbers:
        names.lookup(f"www.host{number:07d}.listed.example")
    told["domain us"] = _each(began)
    began = time.process_time()
    for number in numbers:
        urls.lookup(f"page{number:07d}.example", b"/a/%d/c?x=1" % number)
    told["URL us"] = _each(began)
    began = time.process_time()
    for number in numbers:
        addresses.lookup(number.to_bytes(4, "big"))
    told["address us"] = _each(began)
    return told


def _each(began: float) -> float:
    return round((time.process_time() - began) * 1e6 / LOOKUPS, 1)


def _memory() -> tuple[int, int]:
    """(the process's own, pages of files) in kB."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    return found["RssAnon"], found["RssFile"]


if __name__ == "__main__":
    main()
