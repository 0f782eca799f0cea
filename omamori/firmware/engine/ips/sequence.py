"""The steps of a section over one value of its buffer, with Suricata's semantics and bounded work.

As in Suricata's `detect-engine-content-inspection.c`: steps are taken in order; a match moves the position that relative
steps count from; when a relative step fails, the match it hangs on is tried again further on. Each try costs one from the
budget, so no rule and no data can make the work unbounded.
"""

from collections.abc import Sequence

from omamori.firmware.engine.ips.asn1 import Asn1
from omamori.firmware.engine.ips.datasets import NO_DATASETS, Datasets, InDataset, table
from omamori.firmware.engine.ips.encodings import base64_prefix
from omamori.firmware.engine.ips.expressions import Expression
from omamori.firmware.engine.ips.moves import (
    Asn1Move,
    DataAtMove,
    DatasetMove,
    ExtractMove,
    JumpMove,
    MathMove,
    Move,
    NumberMove,
    Run,
    SizeMove,
    TestMove,
    go,
)
from omamori.firmware.engine.ips.rule import (
    Base64Decode,
    BufferSize,
    ByteExtract,
    ByteJump,
    ByteMath,
    ByteTest,
    Content,
    DataAt,
    NumberIs,
    Regex,
    Step,
)
from omamori.firmware.engine.ips.views import View


class Steps:
    """Compiled steps."""

    __slots__ = ("_needed", "_steps")

    def __init__(self, steps: Sequence[Step], datasets: Datasets = NO_DATASETS) -> None:
        self._steps = [_compile(step, _retried(steps, index), datasets) for index, step in enumerate(steps)]
        self._needed = literals_of(steps) if len(steps) > 1 else ()

    def matches(self, run: Run) -> bool:
        for pattern, nocase in self._needed:
            if (run.lower if nocase else run.data).find(pattern) < 0:
                return False
        return go(self._steps, run, 0)


def literals_of(steps: Sequence[Step]) -> Sequence[tuple[bytes, bool]]:
    """Literals without which nothing can match, the rarest first: one look each before any step is taken."""
    contents = [step for step in steps if isinstance(step, Content) and not step.negated]
    contents.sort(key=lambda content: (not content.fast, -len(content.pattern)))
    return [
        (content.pattern.lower() if content.nocase else content.pattern, content.nocase)
        for content in contents
    ]


def _retried(steps: Sequence[Step], index: int) -> bool:
    """Does a later step count from this step's match?"""
    for step in steps[index + 1 :]:
        relative = _is_relative(step)
        if relative:
            return True
        if isinstance(step, Content | Regex) and not step.negated:
            return False
        if isinstance(step, ByteJump | ByteExtract | ByteMath):
            return False
    return False


def _is_relative(step: Step) -> bool:
    match step:
        case ByteTest() | ByteJump() | ByteExtract() | ByteMath():
            return step.read.relative
        case BufferSize() | NumberIs() | InDataset():
            return False
        case _:
            return step.relative


class _Content(Move):
    __slots__ = ("_content", "_pattern", "_retried", "_size")

    def __init__(self, content: Content, *, retried: bool) -> None:
        self._content = content
        self._pattern = content.pattern.lower() if content.nocase else content.pattern
        self._size = len(self._pattern)
        self._retried = retried

    def run(self, steps: "Sequence[Move]", run: Run, index: int) -> bool:
        content = self._content
        data = run.lower if content.nocase else run.data
        low, high = self._bounds(run)
        if content.negated:
            return self._find(data, low, high) < 0 and go(steps, run, index + 1)
        start, before, reach = low, run.at, run.reach
        if index + 1 == len(steps) and reach <= run.beyond:
            start = max(start, run.beyond - self._size + 1)
        while True:
            found = self._find(data, start, high)
            if found < 0:
                return False
            run.at = found + self._size
            run.reach = max(reach, run.at)
            if go(steps, run, index + 1):
                return True
            run.at, run.reach, start = before, reach, found + 1
            if not (self._retried or run.beyond) or run.budget < 0:
                return False

    def _find(self, data: bytes, low: int, high: int) -> int:
        content = self._content
        if low > high:
            return -1
        if content.endswith:
            at = len(data) - self._size
            if at < low or len(data) > high or (content.startswith and at):
                return -1
            return at if data.endswith(self._pattern) else -1
        if content.startswith:
            return 0 if low <= 0 and self._size <= high and data.startswith(self._pattern) else -1
        return data.find(self._pattern, low, high)

    def _bounds(self, run: Run) -> tuple[int, int]:
        """Where the match may lie: from `low` on, ending at `high` at most."""
        content, size = self._content, len(run.data)
        low = run.number(content.offset) if content.offset is not None else 0
        if not content.relative:
            return low, min(size, low + run.number(content.depth)) if content.depth is not None else size
        distance = run.number(content.distance) if content.distance is not None else 0
        high = size
        if content.within is not None:
            high = min(high, run.at + distance + run.number(content.within))
        if content.depth is not None:
            high = min(high, run.at + low + run.number(content.depth))
        return max(low, run.at + distance, 0), high


class _Regex(Move):
    __slots__ = ("_expression", "_regex", "_retried")

    def __init__(self, regex: Regex, *, retried: bool) -> None:
        self._regex = regex
        self._retried = retried
        self._expression = Expression(regex.expression, regex.flags)

    def run(self, steps: "Sequence[Move]", run: Run, index: int) -> bool:
        base = run.at if self._regex.relative else 0
        data = run.data[base:] if base else run.data
        if self._regex.negated:
            return not self._found(run, data, 0) and go(steps, run, index + 1)
        last = index + 1 == len(steps)
        if self._retried or (run.beyond and not last):
            return self._each(steps, run, index, data)
        # Nobody counts from here: only whether it is there matters, and that it reaches what is new.
        beyond = max(run.beyond - base, 0) if run.reach <= run.beyond else 0
        if not self._found(run, data, beyond):
            return False
        run.reach = max(run.reach, base + beyond + 1)
        return go(steps, run, index + 1)

    def _found(self, run: Run, data: bytes, beyond: int) -> bool:
        found = self._expression.found(data, beyond, budget=run.steps)
        run.steps -= self._expression.taken
        return found

    def _each(self, steps: "Sequence[Move]", run: Run, index: int, data: bytes) -> bool:
        """Match after match, until what follows holds, too."""
        before, reach, base = run.at, run.reach, len(run.data) - len(data)
        at = 0
        while at <= len(data) and run.steps > 0 and run.budget >= 0:
            found = self._expression.search(data, at, budget=run.steps)
            run.steps -= self._expression.taken
            if found is None:
                break
            run.at = base + found[1]
            run.reach = max(reach, run.at)
            if go(steps, run, index + 1):
                return True
            run.at, run.reach, at = before, reach, found[0] + 1
        return False


class _Base64(Move):
    __slots__ = ("_nested", "_step")

    def __init__(self, step: Base64Decode, datasets: Datasets) -> None:
        self._step = step
        self._nested = Steps(step.steps, datasets)

    def holds(self, run: Run) -> bool:
        start = (run.at if self._step.relative else 0) + self._step.offset
        end = start + self._step.count if self._step.count else len(run.data)
        decoded = base64_prefix(run.data[start:end])
        return bool(decoded) and self._nested.matches(Run(View(decoded), run.values))


def _compile(step: Step, retried: bool, datasets: Datasets) -> Move:  # noqa: FBT001 - a local table
    match step:
        case Content():
            return _Content(step, retried=retried)
        case Regex():
            return _Regex(step, retried=retried)
        case DataAt():
            return DataAtMove(step)
        case BufferSize():
            return SizeMove(step)
        case NumberIs():
            return NumberMove(step)
        case Asn1():
            return Asn1Move(step)
        case InDataset():
            return DatasetMove(table(step, datasets), negated=step.negated)
        case ByteTest():
            return TestMove(step)
        case ByteJump():
            return JumpMove(step)
        case ByteExtract():
            return ExtractMove(step)
        case ByteMath():
            return MathMove(step)
        case Base64Decode():
            return _Base64(step, datasets)
