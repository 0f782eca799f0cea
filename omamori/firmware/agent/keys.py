"""`python3 -m omamori.firmware.agent.keys {open,seal}`: the unit's key and its TPM. Root, short-lived, only where there is a TPM.

`open`, before the agent starts: the key is opened into memory, for the agent alone. A unit that has none yet gets one, so that
it never lies plain on the disk. Where what is there does not open (another box, a cleared TPM, a machine made to start
anything), a spare one is made beside it: the fleet does not know it until it is activated again, and should the old one
open at a later start, that one holds.

`seal`, once the running version is healthy and committed: a key that lies plain, from firmware that knew no sealed ones, is
sealed. Not before: a trial that fails goes back to that firmware, which needs it as it is.
"""

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths, from_environment
from omamori.firmware.host.sealing import Kept, SealFailed, Tpm, Unopenable, tpm_of

log = logging.getLogger("omamori.keys")

_CAP: Final = 64 * 1024


def open_key(paths: Paths, tpm: Tpm) -> None:
    """Raises SealFailed, OSError; then the agent goes on without: it makes a plain key where it needs one."""
    paths.opened_key.unlink(missing_ok=True)
    kept = Kept(paths.unit_key, tpm)
    if kept.plain.exists():
        return
    for sealed in (paths.sealed_key, paths.spare_key):
        try:
            secret = kept.opened(sealed)
        except FileNotFoundError:
            continue
        except (Unopenable, OSError) as error:
            log.error("%s", error)  # noqa: TRY400 - the reason is enough
            continue
        _hand_over(paths, secret)
        return
    _hand_over(paths, _made(paths, kept))


def seal_key(paths: Paths, tpm: Tpm) -> None:
    """Raises SealFailed, OSError; then it stays plain."""
    if not _is_good(paths):
        log.info("this version is not committed yet: nothing is sealed")
        return
    key = Kept(paths.unit_key, tpm)
    if key.plain.exists():
        _hand_over(paths, files.read_capped(key.plain, cap=_CAP))
    if key.settle():
        log.info("the unit's key is sealed now")


def _made(paths: Paths, kept: Kept) -> bytes:
    """A new key, sealed where nothing is overwritten."""
    from omamori.firmware.agent import certificates  # loads a large library, once in a unit's life

    secret = certificates.new_key()
    kept.seal(secret, paths.spare_key if paths.sealed_key.exists() else paths.sealed_key)
    return secret


def _hand_over(paths: Paths, secret: bytes) -> None:
    """To the owner of the agent's state, and nobody else."""
    owner = paths.agent_state.stat()
    new = files.temporary_name(paths.opened_key)
    try:
        files.write_new(new, secret, durable=False, mode=0o400)
        os.chown(new, owner.st_uid, owner.st_gid)
        new.replace(paths.opened_key)
    finally:
        new.unlink(missing_ok=True)


def _is_good(paths: Paths) -> bool:
    """What the updater said in this boot, before this one started."""
    try:
        return json.loads(files.read_capped(paths.update_state))["healthy"] is True
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def main() -> int:
    """Exit codes: 0 done, or no TPM; 1 not."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = argparse.ArgumentParser(prog="omamori.firmware.agent.keys")
    parser.add_argument("verb", choices=("open", "seal"))
    parser.add_argument(
        "--root", type=Path, help="where the unit's files hang (default: $OMAMORI_ROOT, or /)"
    )
    options = parser.parse_args()
    paths = Paths(options.root) if options.root else from_environment()
    tpm = tpm_of(paths)
    try:
        if tpm:
            (open_key if options.verb == "open" else seal_key)(paths, tpm)
    except (SealFailed, OSError) as error:
        log.error("%s", error)  # noqa: TRY400 - the reason is enough
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
