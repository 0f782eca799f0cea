"""What the unit has to say and the fleet has not yet confirmed, in SQLite.

A segment of a spool and the memory that it was taken are one transaction, so a crash neither loses nor repeats it.
The box is bounded: over its limit the oldest logs go first and detections last, and what went is counted. A full disk
raises OutboxFull, changes nothing, and never keeps what was confirmed from being removed: a reserve file is given up for that.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from omamori.firmware.agent.errors import OutboxFull
from omamori.firmware.agent.fitting import fitted
from omamori.protocol import TooLarge
from omamori.protocol.ids import BootId, UnitId
from omamori.protocol.messages import (
    CHANNELS,
    Detection,
    Hosts,
    Log,
    State,
    UpBody,
    Upward,
    Wiring,
    encode_up,
)
from omamori.protocol.topics import Up

_SCHEMA: Final = """
PRAGMA locking_mode=EXCLUSIVE;
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
PRAGMA wal_autocheckpoint=50;
CREATE TABLE IF NOT EXISTS message (
  id INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL, sequence INTEGER NOT NULL, rank INTEGER NOT NULL,
  channel TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (boot, sequence));
CREATE INDEX IF NOT EXISTS message_rank ON message (rank, id);
CREATE TABLE IF NOT EXISTS taken (segment TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_RANKS: Final[dict[type, int]] = {Log: 0, State: 1, Hosts: 2, Wiring: 2, Detection: 3}
"""The lower, the earlier it is given up."""
_CHUNK: Final = 100
_TIGHT_CHUNK: Final = 10
"""Messages confirmed in one transaction: on a full disk its log of changed pages must fit what the reserve left."""
T = TypeVar("T")

_STATE_RANK: Final = _RANKS[State]


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How much the box may hold, and keeps back."""

    bytes: int = 48 * 1024 * 1024
    reserve: int = 1024 * 1024
    """Disk space given up when the disk is full, so that confirmed messages can still be removed."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message ready to send."""

    id: int
    channel: Up
    payload: bytes


class Outbox:
    """One process has it open. Every method that writes raises OutboxFull on a full or broken disk."""

    def __init__(
        self, path: Path, unit: UnitId, boot: BootId, *, first: int = 1, limits: OutboxLimits | None = None
    ) -> None:
        """`first`: the first sequence number of this boot if the box knows none, e.g. milliseconds since boot, so that
        a box that was lost does not use a number again. Raises OutboxFull where no box can be made.
        """
        self._path, self._unit, self._boot = path, unit, boot
        self._limits = limits or OutboxLimits()
        self._first = max(1, first)
        self._database = self._open()
        self._held = self._one("SELECT coalesce(sum(length(body)), 0) FROM message")
        self._keep_reserve()

    # --- in ---------------------------------------------------------------------------------------------------

    def put(self, body: UpBody) -> None:
        """One message of the agent's own; a state replaces older ones that wait."""

        def work() -> None:
            if isinstance(body, State):
                self._delete("rank = ?", (_STATE_RANK,))
            self._insert([body])

        self._write(work)

    def take(self, segment: str, bodies: Iterable[UpBody]) -> bool:
        """A segment's messages, once: False where it was taken before."""

        def work() -> bool:
            marked = self._database.execute("INSERT OR IGNORE INTO taken VALUES (?)", (segment,))
            if marked.rowcount:
                self._insert(bodies)
            return bool(marked.rowcount)

        self._keep_reserve()
        if not self._reserve_kept():
            raise OutboxFull("the disk is full")
        return self._write(work, from_reserve=False)

    def forget_segments(self, gone: Callable[[str], bool]) -> None:
        """Drop the memory of taken segments that no longer exist."""
        names = [(name,) for (name,) in self._database.execute("SELECT segment FROM taken") if gone(name)]
        if names:
            self._write(lambda: self._database.executemany("DELETE FROM taken WHERE segment = ?", names))

    # --- out --------------------------------------------------------------------------------------------------

    def after(self, id_: int, limit: int) -> list[Letter]:
        """The oldest messages behind `id_`."""
        query = "SELECT id, channel, body FROM message WHERE id > ? ORDER BY id LIMIT ?"
        return [
            Letter(row, Up(channel), body)
            for row, channel, body in self._database.execute(query, (id_, limit))
        ]

    def letter(self, id_: int) -> Letter | None:
        """One message, if it still waits."""
        return next((letter for letter in self.after(id_ - 1, 1) if letter.id == id_), None)

    def confirm(self, boot: BootId, sequences: Iterable[int]) -> list[int]:
        """Forget what the fleet committed; the ids that were here."""
        keys, ids = [(boot, sequence) for sequence in sequences], []
        step = _CHUNK if self._reserve_kept() else _TIGHT_CHUNK
        for start in range(0, len(keys), step):
            ids += self._write(partial(self._delete_keys, keys[start : start + step]))
        return ids

    # --- about ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._one("SELECT count(*) FROM message")

    @property
    def dropped(self) -> int:
        """Messages given up since the box was made."""
        return self._one("SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'dropped'")

    def close(self) -> None:
        """Leaves a box that opens again."""
        self._database.close()

    # --- inside -----------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return _connected(self._path)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._path.replace(self._path.with_suffix(".broken"))
                for tail in ("-wal", "-shm"):
                    Path(f"{self._path}{tail}").unlink(missing_ok=True)
                return _connected(self._path)
        except (OSError, sqlite3.Error) as error:
            raise OutboxFull(f"the outbox cannot be opened: {error}") from error

    def _write(self, work: Callable[[], T], *, from_reserve: bool = True) -> T:
        """One transaction; where the disk is full, tried once more without the reserve. On failure nothing changed."""
        try:
            return self._transaction(work)
        except OutboxFull:
            if not self._give_reserve() or not from_reserve:
                raise
            return self._transaction(work)

    def _transaction(self, work: Callable[[], T]) -> T:
        held = self._held
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                return work()
        except sqlite3.Error as error:
            self._held = held
            raise OutboxFull(f"the outbox takes nothing: {error}") from error

    def _insert(self, bodies: Iterable[UpBody]) -> None:
        for body in bodies:
            try:
                for part in fitted(body, self._unit, self._boot):
                    self._insert_one(part)
            except TooLarge:
                self._count_dropped(1)
        while self._held > self._limits.bytes:
            if not (gone := self._delete_oldest()):
                break
            self._count_dropped(gone)

    def _insert_one(self, body: UpBody) -> None:
        sequence = self._next_sequence()
        payload = encode_up(Upward(self._unit, self._boot, sequence, body))
        channel = CHANNELS.get(type(body), Up.LOG)
        row = (self._boot, sequence, _RANKS.get(type(body), 0), channel.value, payload)
        self._database.execute(
            "INSERT INTO message (boot, sequence, rank, channel, body) VALUES (?,?,?,?,?)", row
        )
        self._held += len(payload)

    def _next_sequence(self) -> int:
        upsert = """INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"""
        return int(self._database.execute(upsert, (f"boot {self._boot}", self._first)).fetchone()[0])

    def _delete_keys(self, keys: list[tuple[BootId, int]]) -> list[int]:
        return [id_ for key in keys for id_ in self._delete("boot = ? AND sequence = ?", key)]

    def _delete_oldest(self) -> int:
        """The least important hundredth or so, so that a full box does not delete for each message."""
        return len(self._delete("id IN (SELECT id FROM message ORDER BY rank, id LIMIT 50)", ()))

    def _delete(self, where: str, values: tuple[object, ...]) -> list[int]:
        query = f"DELETE FROM message WHERE {where} RETURNING id, length(body)"  # noqa: S608 - only texts of this module
        gone = self._database.execute(query, values).fetchall()
        self._held -= sum(size for _, size in gone)
        return [id_ for id_, _ in gone]

    def _count_dropped(self, number: int) -> None:
        upsert = "INSERT INTO counter VALUES ('dropped', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
        self._database.execute(upsert, (number,))

    def _one(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])

    # --- the reserve ------------------------------------------------------------------------------------------

    @property
    def _reserve(self) -> Path:
        return self._path.with_suffix(".reserve")

    def _reserve_kept(self) -> bool:
        return not self._limits.reserve or self._reserve.exists()

    def _give_reserve(self) -> bool:
        with contextlib.suppress(OSError):
            self._reserve.unlink()
            return True
        return False

    def _keep_reserve(self) -> None:
        """Only where twice as much is free, so that it does not come and go."""
        with contextlib.suppress(OSError):
            free = os.statvfs(self._path.parent)
            if self._reserve_kept() or free.f_bavail * free.f_frsize < 2 * self._limits.reserve:
                return
            descriptor = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._limits.reserve)
            finally:
                os.close(descriptor)


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        database.executescript(_SCHEMA)
        database.execute("SELECT count(*) FROM message").fetchone()
    except sqlite3.Error:
        database.close()
        raise
    return database
