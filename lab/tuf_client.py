"""The unit's TUF client behind the command line of the public conformance suite (theupdateframework/tuf-conformance).

    python -m lab.tuf_client --metadata-dir DIR init TRUSTED_ROOT
    python -m lab.tuf_client --metadata-dir DIR --metadata-url URL refresh
    python -m lab.tuf_client --metadata-dir DIR --metadata-url URL --target-name PATH
        --target-base-url URL --target-dir DIR download

The suite takes it as its entry point, with this project in `PYTHONPATH` and an interpreter by its whole path:
`pytest tuf_conformance --entrypoint "$PWD/.venv/bin/python -m lab.tuf_client"`. More than one `--target-name` is fetched in
turn by one client. Trust, limits and transfer are the unit's own (`firmware/update/trust.py`, `fetch.py`); only the places differ, and nothing of this is on
the unit. Exit codes: 0 done, 1 refused or failed (the reason is on standard error), 2 a wrong command line.
"""

import argparse
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import TargetFile

from omamori.firmware.update.errors import UpdateError
from omamori.firmware.update.fetch import Fetcher
from omamori.firmware.update.trust import Places, Trust

SEALED = "sealed-root"
"""What the image would hold: every start begins from it, never from the cache alone. Not `.json`: the suite counts those."""
OPTIONS = ("--metadata-url", "--target-base-url")


def main(words: list[str] | None = None) -> int:
    """One command."""
    options = _parser().parse_args(words)
    try:
        return _run(options)
    except (UpdateError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    if options.command == "init":
        shutil.copyfile(options.trusted_root, options.metadata_dir / SEALED)
    trust = _trust(options)
    try:
        if options.command == "refresh":
            trust.refresh()
        elif options.command == "download":
            for name in options.target_name:
                _download(trust, name, options.target_dir)
    finally:
        trust.close()
    return 0


def _trust(options: argparse.Namespace) -> Trust:
    """Nothing is sent yet, so `init` may make one too: a root that is none is refused there."""
    directory: Path = options.metadata_dir
    places = Places(options.metadata_url, options.target_base_url, directory, directory / "downloads")
    return Trust(places, root=(directory / SEALED).read_bytes(), fetcher=Fetcher(None))


def _download(trust: Trust, name: str, directory: Path) -> None:
    """A file that is there already and is what was signed is not fetched again."""
    wanted = directory / quote(name, "")
    if not _is(trust.find(name), wanted):
        shutil.move(trust.fetch(name), wanted)


def _is(target: TargetFile, path: Path) -> bool:
    try:
        with path.open("rb") as file:
            target.verify_length_and_hashes(file)
    except (FileNotFoundError, LengthOrHashMismatchError):
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab.tuf_client", description=__doc__.splitlines()[0])
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path, default=Path())
    for option in OPTIONS:
        parser.add_argument(option, default="")
    parser.add_argument("--target-name", action="append", default=[])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("trusted_root", type=Path)
    for command in ("refresh", "download"):
        commands.add_parser(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
