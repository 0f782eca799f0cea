"""The steps of a section over one value of its buffer, with Suricata's semantics and bounded work.

As in Suricata's `detect-engine-content-inspection.c`: steps are taken in order; a match moves the position that relative
steps count from; when a relative step fails, the match it hangs on is tried again further on. Each try costs one from the
budget, so no rule and no data can make the work unbounded.
"""

from collections.abc import Sequence

from omamori.firmware.engine.ips.encodings import base64_prefix
from omamori.firmware.engine.ips.expressions import Expression
from omamori.firmware.engine.ips.numbers import compare, read
from omamori.firmware.engine.ips.rule import (
    Base64Decode,
    BufferSize,
    ByteExtract,
    ByteJump,
    ByteMath,
    ByteTest,
    Content,
    DataAt,
    Number,
    Regex,
    Step,
)
from omamori.firmware.engine.ips.views import View

BUDGET = 3000
"""Tries for one value of one section; Suricata's inspection-recursion-limit."""
STEPS = 60_000
"""Steps of all regular expressions over one value of one section; below 10 ms."""


class Run:
    """One evaluation: where it stands in the data and what was extracted."""

    __slots__ = ("_view", "at", "beyond", "budget", "data", "reach", "steps", "values")

    def __init__(self, view: View, values: dict[str, int], beyond: int = 0) -> None:
        self._view = view
        self.data = view.data
        self.values = values
        self.at = 0
        self.reach = 0
        """The furthest end of a match: what part of the data the decision rests on."""
        self.beyond = beyond
        """Matches must reach beyond this index: what lies before was looked at already."""
        self.budget = BUDGET
        self.steps = STEPS
        """What regular expressions may still take of it."""

    @property
    def lower(self) -> bytes:
        return self._view.lower

    def number(self, value: Number) -> int:
        return value if isinstance(value, int) else self.values.get(value, 0)


class Steps:
    """Compiled steps."""

    __slots__ = ("_needed", "_steps")

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = [_compile(step, _retried(steps, index)) for index, step in enumerate(steps)]
        self._needed = _needed(steps) if len(steps) > 1 else ()

    def matches(self, run: Run) -> bool:
        for pattern, nocase in self._needed:
            if pattern not in (run.lower if nocase else run.data):
                return False
        return _go(self._steps, run, 0)


def _needed(steps: Sequence[Step]) -> Sequence[tuple[bytes, bool]]:
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
        if isinstance(step, ByteJump):
            return False
    return False


def _is_relative(step: Step) -> bool:
    match step:
        case ByteTest() | ByteJump() | ByteExtract() | ByteMath():
            return step.read.relative
        case BufferSize():
            return False
        case _:
            return step.relative


def _go(steps: "list[_Step]", run: Run, index: int) -> bool:
    if index == len(steps):
        return not run.reach or run.reach > run.beyond
    run.budget -= 1
    return run.budget >= 0 and steps[index].run(steps, run, index)


class _Step:
    __slots__ = ()

    def run(self, steps: "list[_Step]", run: Run, index: int) -> bool:
        """Tries this step and all that follow."""
        if not self.holds(run):
            return False
        return _go(steps, run, index + 1)

    def holds(self, run: Run) -> bool:
        raise NotImplementedError


class _Content(_Step):
    __slots__ = ("_content", "_pattern", "_retried", "_size")

    def __init__(self, content: Content, *, retried: bool) -> None:
        self._content = content
        self._pattern = content.pattern.lower() if content.nocase else content.pattern
        self._size = len(self._pattern)
        self._retried = retried

    def run(self, steps: "list[_Step]", run: Run, index: int) -> bool:
        content = self._content
        data = run.lower if content.nocase else run.data
        low, high = self._bounds(run)
        if content.negated:
            return self._find(data, low, high) < 0 and _go(steps, run, index + 1)
        start, before, reach = low, run.at, run.reach
        if index + 1 == len(steps) and reach <= run.beyond:
            start = max(start, run.beyond - self._size + 1)
        while True:
            found = self._find(data, start, high)
            if found < 0:
                return False
            run.at = found + self._size
            run.reach = max(reach, run.at)
            if _go(steps, run, index + 1):
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


class _Regex(_Step):
    __slots__ = ("_expression", "_regex", "_retried")

    def __init__(self, regex: Regex, *, retried: bool) -> None:
        self._regex = regex
        self._retried = retried
        self._expression = Expression(regex.expression, regex.flags)

    def run(self, steps: "list[_Step]", run: Run, index: int) -> bool:
        base = run.at if self._regex.relative else 0
        data = run.data[base:] if base else run.data
        if self._regex.negated:
            return not self._found(run, data, 0) and _go(steps, run, index + 1)
        last = index + 1 == len(steps)
        if self._retried or (run.beyond and not last):
            return self._each(steps, run, index, data)
        # Nobody counts from here: only whether it is there matters, and that it reaches what is new.
        beyond = max(run.beyond - base, 0) if run.reach <= run.beyond else 0
        if not self._found(run, data, beyond):
            return False
        run.reach = max(run.reach, base + beyond + 1)
        return _go(steps, run, index + 1)

    def _found(self, run: Run, data: bytes, beyond: int) -> bool:
        found = self._expression.found(data, beyond, budget=run.steps)
        run.steps -= self._expression.taken
        return found

    def _each(self, steps: "list[_Step]", run: Run, index: int, data: bytes) -> bool:
        """Match after match, until what follows holds, too."""
        before, reach, base = run.at, run.reach, len(run.data) - len(data)
        at = len(data) + 1 if self._expression.excluded(data) else 0
        while at <= len(data) and run.steps > 0 and run.budget >= 0:
            found = self._expression.search(data, at, budget=run.steps)
            run.steps -= self._expression.taken
            if found is None:
                break
            run.at = base + found[1]
            run.reach = max(reach, run.at)
            if _go(steps, run, index + 1):
                return True
            run.at, run.reach, at = before, reach, found[0] + 1
        return False


class _DataAt(_Step):
    __slots__ = ("_step",)

    def __init__(self, step: DataAt) -> None:
        self._step = step

    def holds(self, run: Run) -> bool:
        count = run.number(self._step.count)
        there = run.at + count <= len(run.data) if self._step.relative else count < len(run.data)
        return there is not self._step.negated


class _Size(_Step):
    __slots__ = ("_step",)

    def __init__(self, step: BufferSize) -> None:
        self._step = step

    def holds(self, run: Run) -> bool:
        return compare(self._step.comparison, len(run.data))


class _Test(_Step):
    __slots__ = ("_step",)

    def __init__(self, step: ByteTest) -> None:
        self._step = step

    def holds(self, run: Run) -> bool:
        found = read(self._step.read, run.data, run.at, run.number)
        if found is None:
            return False
        value, wanted = found[0], run.number(self._step.value)
        match self._step.operator:
            case "&":
                holds = bool(value & wanted)
            case "^":
                holds = bool(value ^ wanted)
            case "<":
                holds = value < wanted
            case ">":
                holds = value > wanted
            case "<=":
                holds = value <= wanted
            case ">=":
                holds = value >= wanted
            case _:
                holds = value == wanted
        return holds is not self._step.negated


class _Jump(_Step):
    __slots__ = ("_step",)

    def __init__(self, step: ByteJump) -> None:
        self._step = step

    def holds(self, run: Run) -> bool:
        step = self._step
        found = read(step.read, run.data, run.at, run.number)
        if found is None:
            return False
        value, behind = found
        value *= step.multiplier
        if step.align:
            value += -value % step.align
        value += run.number(step.post_offset)
        if step.from_beginning:
            target = value
        elif step.from_end:
            target = len(run.data) + value
        else:
            target = behind + value
        if target >= len(run.data):
            return False
        run.at = max(target, 0)
        return True


class _Extract(_Step):
    __slots__ = ("_step",)

    def __init__(self, step: ByteExtract) -> None:
        self._step = step

    def holds(self, run: Run) -> bool:
        found = read(self._step.read, run.data, run.at, run.number)
        if found is None:
            return False
        value = found[0] * self._step.multiplier
        if self._step.align:
            value += -value % self._step.align
        run.values[self._step.name] = value
        return True


class _Math(_Step):
    __slots__ = ("_step",)

    def __init__(self, step: ByteMath) -> None:
        self._step = step

    def holds(self, run: Run) -> bool:
        found = read(self._step.read, run.data, run.at, run.number)
        if found is None:
            return False
        value = _calculated(found[0], self._step.operator, run.number(self._step.operand))
        if value is None:
            return False
        run.values[self._step.result] = value & 0xFFFFFFFFFFFFFFFF
        return True


def _calculated(value: int, operator: str, operand: int) -> int | None:
    match operator:
        case "+":
            return value + operand
        case "-":
            return value - operand
        case "*":
            return value * operand
        case "/":
            return value // operand if operand else None
        case "<<":
            return value << operand if 0 <= operand < 64 else 0
        case _:
            return value >> operand if operand >= 0 else None


class _Base64(_Step):
    __slots__ = ("_nested", "_step")

    def __init__(self, step: Base64Decode) -> None:
        self._step = step
        self._nested = Steps(step.steps)

    def holds(self, run: Run) -> bool:
        start = (run.at if self._step.relative else 0) + self._step.offset
        end = start + self._step.count if self._step.count else len(run.data)
        decoded = base64_prefix(run.data[start:end])
        return bool(decoded) and self._nested.matches(Run(View(decoded), run.values))


def _compile(step: Step, retried: bool) -> _Step:  # noqa: FBT001 - a local table
    match step:
        case Content():
            return _Content(step, retried=retried)
        case Regex():
            return _Regex(step, retried=retried)
        case DataAt():
            return _DataAt(step)
        case BufferSize():
            return _Size(step)
        case ByteTest():
            return _Test(step)
        case ByteJump():
            return _Jump(step)
        case ByteExtract():
            return _Extract(step)
        case ByteMath():
            return _Math(step)
        case Base64Decode():
            return _Base64(step)
