"""One evaluation of a section, and the steps that hold or do not at the place where it stands: sizes, numbers, jumps.

Steps that look for a place, and try another one when what follows fails, are in `sequence.py`.
"""

from collections.abc import Sequence

from omamori.firmware.engine.hashed import HashTable
from omamori.firmware.engine.ips.asn1 import Asn1, suspicious
from omamori.firmware.engine.ips.numbers import compare, read
from omamori.firmware.engine.ips.rule import (
    BufferSize,
    ByteExtract,
    ByteJump,
    ByteMath,
    ByteTest,
    DataAt,
    Number,
    NumberIs,
)
from omamori.firmware.engine.ips.views import View

BUDGET = 3000
"""Tries for one value of one section; Suricata's inspection-recursion-limit."""
STEPS = 60_000
"""Steps of all regular expressions over one value of one section; below 10 ms."""
_DIGITS = 20


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


def go(moves: "Sequence[Move]", run: Run, index: int) -> bool:
    if index == len(moves):
        return not run.reach or run.reach > run.beyond
    run.budget -= 1
    return run.budget >= 0 and moves[index].run(moves, run, index)


class Move:
    __slots__ = ()

    def run(self, moves: "Sequence[Move]", run: Run, index: int) -> bool:
        """Tries this step and all that follow."""
        if not self.holds(run):
            return False
        return go(moves, run, index + 1)

    def holds(self, run: Run) -> bool:
        raise NotImplementedError


class DataAtMove(Move):
    __slots__ = ("_step",)

    def __init__(self, step: DataAt) -> None:
        self._step = step

    def holds(self, run: Run) -> bool:
        count = run.number(self._step.count)
        there = run.at + count <= len(run.data) if self._step.relative else count < len(run.data)
        return there is not self._step.negated


class SizeMove(Move):
    __slots__ = ("_step",)

    def __init__(self, step: BufferSize) -> None:
        self._step = step

    def holds(self, run: Run) -> bool:
        return compare(self._step.comparison, len(run.data))


class NumberMove(Move):
    __slots__ = ("_step",)

    def __init__(self, step: NumberIs) -> None:
        self._step = step

    def holds(self, run: Run) -> bool:
        return (
            run.data.isdigit() and len(run.data) <= _DIGITS and compare(self._step.comparison, int(run.data))
        )


class Asn1Move(Move):
    __slots__ = ("_step",)

    def __init__(self, step: Asn1) -> None:
        self._step = step

    def holds(self, run: Run) -> bool:
        return suspicious(self._step, run.data, run.at)


class DatasetMove(Move):
    __slots__ = ("_negated", "_table")

    def __init__(self, table: HashTable, *, negated: bool) -> None:
        self._table, self._negated = table, negated

    def holds(self, run: Run) -> bool:
        return (self._table.get(run.data.decode("latin-1")) is None) is self._negated


class TestMove(Move):
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


class JumpMove(Move):
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
        if target > len(run.data):
            return False
        run.at = max(target, 0)
        return True


class ExtractMove(Move):
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
        run.at = found[1]
        return True


class MathMove(Move):
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
        run.at = found[1]
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
