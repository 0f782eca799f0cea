"""Every feed's files, new or the last good ones, each with what became of it. A feed that fails never stops the others.

The mirrors of a feed are tried in turn; the first whose content is proven, unpacks and has not shrunk beyond belief is
taken. Where none is, the last good copy stands in until it is too old. What happened is told for every feed.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from omamori.signing.packs import proof, unpacking
from omamori.signing.packs.description import Feed, Progress
from omamori.signing.packs.download import Answer, Client, Known
from omamori.signing.packs.errors import FeedError
from omamori.signing.packs.shelf import Copy, Shelf


@dataclass(frozen=True, slots=True)
class Collected:
    """`state` is `new`, `unchanged`, `kept` (the last good copy, because the feed failed) or `missing`."""

    feed: str
    state: str
    lines: int
    before: int
    """Lines of the copy before this run."""
    sha256: str
    changed: datetime | None
    age_hours: float
    """Since a server last confirmed it."""
    problems: tuple[str, ...] = ()
    """Of each mirror that failed."""


class Collector:
    """`now` is one moment for the whole run."""

    def __init__(self, client: Client, shelf: Shelf, now: datetime, progress: Progress) -> None:
        self._client, self._shelf, self._now, self._progress = client, shelf, now, progress

    def collect(self, feeds: Sequence[Feed]) -> list[Collected]:
        """Raises FeedError at the end, where feeds that are required are missing, naming all of them; OSError."""
        found = [self._one(feed) for feed in feeds]
        required = {feed.name for feed in feeds if feed.required}
        lost = [each for each in found if each.state == "missing" and each.feed in required]
        if lost:
            raise FeedError("\n".join(f"feed {each.feed}: {'; '.join(each.problems)}" for each in lost))
        return found

    def _one(self, feed: Feed) -> Collected:
        last = self._shelf.last(feed.name)
        last = last if last and last.form == feed.form else None
        problems: list[str] = []
        for url in feed.urls:
            self._progress(f"{feed.name}: {url}")
            try:
                copy, state = self._from_mirror(feed, url, last)
            except FeedError as error:
                problems.append(str(error))
                self._progress(f"FAILED {error}")
            else:
                return self._told(feed, state, copy, last, problems)
        return self._stand_in(feed, last, problems)

    def _from_mirror(self, feed: Feed, url: str, last: Copy | None) -> tuple[Copy, str]:
        """Raises FeedError."""
        self._shelf.place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._shelf.place, prefix=".new-") as aside:
            content, limit = Path(aside) / "content", feed.time.total_seconds()
            known = last.known if last else Known()
            answer = self._client.fetch(url, content, known, most=feed.largest, seconds=limit)
            if not answer.changed:
                return self._confirmed(feed, url, last)
            digest = proof.check(content, url, feed.proof, self._getter(limit))
            if last and digest == last.sha256:
                return self._renamed(feed, last, answer)
            return self._taken(feed, answer, digest, content, last), "new"

    def _confirmed(self, feed: Feed, url: str, last: Copy | None) -> tuple[Copy, str]:
        if last is None:
            raise FeedError(f"{url}: the server says that nothing changed, and nothing was had before")
        return self._shelf.confirm(feed.name, last, self._now), "unchanged"

    def _renamed(self, feed: Feed, last: Copy, answer: Answer) -> tuple[Copy, str]:
        """The same content again, perhaps from another mirror or under another ETag."""
        same = replace(last, url=answer.url, etag=answer.etag, modified=answer.modified)
        return self._shelf.confirm(feed.name, same, self._now), "unchanged"

    def _taken(self, feed: Feed, answer: Answer, digest: str, content: Path, last: Copy | None) -> Copy:
        unpacked = content.with_name("unpacked")
        lines = unpacking.count_lines(unpacking.unpack(content, feed, unpacked))
        if lines == 0:
            raise FeedError(f"{answer.url}: nothing but comments in it")
        if last and lines < last.lines * feed.shrink:
            raise FeedError(
                f"{answer.url}: {lines:,} lines, and {last.lines:,} in the last good copy: less than the share"
                f" {feed.shrink:g} that is believed (shrink)"
            )
        copy = Copy(digest, feed.form, answer.url, answer.etag, answer.modified, lines, self._now, self._now)
        self._shelf.put(feed.name, copy, unpacked)
        return copy

    def _getter(self, seconds: float) -> Callable[[str, Path], None]:
        def get(url: str, to: Path) -> None:
            self._client.fetch(url, to, Known(), most=proof.CAP, seconds=seconds)

        return get

    def _stand_in(self, feed: Feed, last: Copy | None, problems: list[str]) -> Collected:
        if last is None:
            return Collected(feed.name, "missing", 0, 0, "", None, 0.0, tuple(problems))
        if (age := self._now - last.confirmed) > feed.stale:
            problems.append(
                f"the last good copy is {_days(age)} old, {_days(feed.stale)} are allowed (stale-days)"
            )
            return Collected(
                feed.name, "missing", 0, last.lines, "", last.changed, _hours(age), tuple(problems)
            )
        self._progress(
            f"WARNING {feed.name}: every mirror failed; the last good copy, {_days(age)} old, is used"
        )
        return self._told(feed, "kept", last, last, problems)

    def _told(self, feed: Feed, state: str, copy: Copy, last: Copy | None, problems: list[str]) -> Collected:
        age, before = self._now - copy.confirmed, last.lines if last else 0
        return Collected(
            feed.name, state, copy.lines, before, copy.sha256, copy.changed, _hours(age), tuple(problems)
        )


def _hours(age: timedelta) -> float:
    return round(age / timedelta(hours=1), 2)


def _days(age: timedelta) -> str:
    return f"{age / timedelta(days=1):.1f} days"
