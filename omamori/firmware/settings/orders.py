"""What the page leaves and what it is told: an order in, an outcome out. The page's directory is not trusted."""

import json
import os
import stat
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from omamori.firmware.host import files
from omamori.firmware.host.settings import FILE_CAP


class BadOrder(ValueError):  # noqa: N818 - the page's word for it
    """No order can be read from the file."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants."""

    id: str
    code: str = field(repr=False)
    settings: dict[str, str] = field(default_factory=dict, repr=False)
    """May have the access point's passphrase."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`settings/outcome.json`: `state` is `trying`, `kept`, `taken back`, `radio failed`, `wrong code`, `closed`, `refused`,
    or nothing where no order was worked on since the start.
    """

    id: str
    state: str
    detail: str = ""
    until: str | None = None
    """When a trial ends at the latest, or when the gate opens."""
    settings: dict[str, str] = field(default_factory=dict)
    """What is in force."""


def take(path: Path) -> Order | None:
    """Read and remove it; None where there is none. Raises BadOrder, OSError."""
    try:
        raw = _read(path)
    except FileNotFoundError:
        return None
    finally:
        path.unlink(missing_ok=True)
    try:
        value = json.loads(raw)
        wanted = value["settings"]
        texts = [value["id"], value["code"], *wanted, *wanted.values()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadOrder("the page left something that is no order") from error
    if not all(isinstance(text, str) and len(text) < 300 for text in texts):
        raise BadOrder("the page left something that is no order")
    return Order(value["id"], value["code"], wanted)


def tell(path: Path, outcome: Outcome) -> None:
    """Raises OSError."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    body = json.dumps({"time": now, **asdict(outcome)}, ensure_ascii=False)
    files.write_atomic(path, body.encode("utf-8", "replace"), mode=0o644)


def _read(path: Path) -> bytes:
    """A plain file only: a link could lead anywhere, a pipe would wait for ever. Raises BadOrder, OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadOrder("the page left something that is no file") from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadOrder("the page left something that is no file")
        raw = file.read(FILE_CAP + 1)
    if len(raw) > FILE_CAP:
        raise BadOrder("the page left a file that is too large")
    return raw
