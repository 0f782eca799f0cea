"""The release pipeline of signature packs: collect, compile, judge, compare, sign as a canary; and a report of all that.

Either every gate is passed and one pack is signed, or nothing is signed and every reason is told. The same copies of the
same feeds give the same bytes: the pack's date is when the newest of them changed, not when it was built.
"""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from omamori.protocol.version import Version
from omamori.protocol.wire import to_wire
from omamori.signing import operations
from omamori.signing.packs import channels, gates
from omamori.signing.packs.collecting import Collected, Collector
from omamori.signing.packs.description import Description, Progress
from omamori.signing.packs.download import Client
from omamori.signing.packs.errors import GateError, PackError
from omamori.signing.packs.shelf import Shelf
from omamori.signing.packs.workshop import Stock, Workshop
from omamori.signing.repository import Repository, describe, write_file


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it. `difference` is that of `omamori engine pack compare`; None where there was no pack before."""

    version: str
    outcome: str
    """`signed`, `dry run`, `unchanged` or `refused`."""
    sha256: str
    size: int
    before: str
    counts: dict[str, Any]
    feeds: tuple[Collected, ...]
    loading: dict[str, Any]
    judgement: dict[str, Any]
    difference: dict[str, Any] | None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller of one build wants."""

    version: Version | None = None
    output: Path | None = None
    """Where a copy of the pack is put."""
    anyway: bool = False
    """Also where nothing changed, or where a pack of the same feeds was withdrawn."""
    dry: bool = False
    ca: Path | None = None


class Pipeline:
    """One build in a repository; `now` is one moment for all of it."""

    def __init__(
        self, repository: Repository, now: datetime, progress: Progress, workshop: Workshop | None = None
    ) -> None:
        self._repository, self._now, self._progress = repository, now, progress
        self._shelf = Shelf(repository.place / "feeds")
        self._workshop = workshop or Workshop()

    def build(self, description: Description, wishes: Wishes) -> Report:
        """Raises SigningError; GateError once the refused report is written. OSError."""
        collected = self.fetch(description, wishes)
        last = self._last()
        if last and not wishes.anyway and not wishes.version and _feeds(collected) == last.feeds:
            return Report(
                str(last.version), "unchanged", "", 0, str(last.version), {}, tuple(collected), {}, {}, None
            )
        if not wishes.anyway:
            self._prove_not_withdrawn(_feeds(collected))
        version = wishes.version or self._next()
        with tempfile.TemporaryDirectory(prefix="omamori-pack-") as aside:
            made = Path(aside) / f"{version}.pack"
            return self._made(description, wishes, version, collected, last, made)

    def fetch(self, description: Description, wishes: Wishes) -> list[Collected]:
        """Only the feeds. Raises FeedError where one that is required is missing, OSError."""
        with self._repository.locked(), Client(wishes.ca) as client:
            return Collector(client, self._shelf, self._now, self._progress).collect(description.feeds)

    def _made(
        self,
        description: Description,
        wishes: Wishes,
        version: Version,
        collected: Sequence[Collected],
        last: "Last | None",
        made: Path,
    ) -> Report:
        stocks = self._stocks(description, collected)
        created = max(each.changed for each in collected if each.changed)
        self._progress(f"compiling {version}")
        built = self._workshop.build(
            stocks, description.gates, version, created, made, test_file=description.test_file
        )
        self._progress("judging")
        judged = self._workshop.judge(made, last.path if last else None, description.gates)
        compared = judged.pop("difference")
        wrong = gates.reasons(gates.Facts(built, judged, compared), description.gates)
        report = Report(
            str(version),
            "refused" if wrong else "dry run" if wishes.dry else "signed",
            describe("", made).hashes["sha256"],
            made.stat().st_size,
            str(last.version) if last else "",
            built["counts"],
            tuple(collected),
            built["loading"],
            judged,
            compared,
            wrong,
        )
        return self._finish(report, wishes, version, made)

    def _finish(self, report: Report, wishes: Wishes, version: Version, made: Path) -> Report:
        if wishes.output:
            shutil.copyfile(made, wishes.output)
        if not wishes.dry:
            text = json.dumps(to_wire(asdict(report)), indent=1).encode()
            write_file(self._repository.place / "reports" / f"{version}-{report.outcome}.json", text)
        if report.reasons:
            raise GateError(report.reasons)
        custom = channels.entered(channels.CANARY, self._now) | {"feeds": _feeds(report.feeds)}
        operations.add_pack(
            self._repository, made, version, self._now, replace=False, dry=wishes.dry, custom=custom
        )
        return report

    def _stocks(self, description: Description, collected: Sequence[Collected]) -> list[Stock]:
        """What there is of each feed, in the description's order."""
        there = {each.feed for each in collected if each.state != "missing"}
        stocks = []
        for feed in description.feeds:
            if feed.name in there and (copy := self._shelf.last(feed.name)):
                files = tuple(self._shelf.files(feed.name, copy))
                stocks.append(Stock(feed, self._shelf.folder(feed.name, copy), files))
        if not stocks:
            raise PackError("no feed was had, so there is nothing to make a pack of")
        return stocks

    def _prove_not_withdrawn(self, feeds: dict[str, str]) -> None:
        """Raises PackError where the same feeds made a pack that was taken back: a timer would sign it anew."""
        for target in channels.signed(self._repository):
            found = channels.standing(target)
            if found.channel == channels.WITHDRAWN and (target.custom or {}).get("feeds") == feeds:
                raise PackError(
                    f"the same feeds made {found.version}, which was withdrawn ({found.reason}): leave out or tune the"
                    " feed, or wait until it changes (--anyway builds)"
                )

    def _last(self) -> "Last | None":
        """The newest pack that was not withdrawn."""
        for found in channels.standings(self._repository):
            if found.channel != channels.WITHDRAWN:
                return self._found(found.version)
        return None

    def _found(self, version: Version) -> "Last":
        signed = channels.signed(self._repository)
        target = next(each for each in signed if channels.standing(each).version == version)
        path = self._repository.targets / target.get_prefixed_paths()[0]
        return Last(version, path, dict((target.custom or {}).get("feeds", {})))

    def _next(self) -> Version:
        """By the date: year, month, and day times a hundred, so that a day has room for more than one. Newer than all there ever were."""
        version = Version(self._now.year, self._now.month, self._now.day * 100)
        newest = max((each.version for each in channels.standings(self._repository)), default=None)
        if newest is None or version > newest:
            return version
        return Version(newest.major, newest.minor, newest.patch + 1)


@dataclass(frozen=True, slots=True)
class Last:
    """A pack in the repository, and the feeds it was made of by their hashes."""

    version: Version
    path: Path
    feeds: dict[str, str]


def _feeds(collected: Sequence[Collected]) -> dict[str, str]:
    return {each.feed: each.sha256 for each in collected if each.sha256}
