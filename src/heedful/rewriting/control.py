"""A number of a program steered until what it gives measures as much as wanted: P, PI and PID control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from heedful.core import Budget, Estimate, InputError, Item
from heedful.rewriting.judging import item_of
from heedful.rewriting.parameters import Number
from heedful.rewriting.running import Runner, Task
from heedful.rewriting.splits import Inputs
from heedful.stats import mean_estimate


@dataclass(frozen=True, slots=True)
class Control:
    """A controller and its state (Karn 2025, "Linear Feedback Control Systems for Iterative Prompt Optimization"):

        value = start + proportional · e + integral · Σ e + derivative · (e − e before),  e = wanted − measured

    `low` and `high` bound the value; while it is at a bound the sum grows no further that way (no wind-up).
    Raises InputError where the start lies outside of them, or nothing is fed back.
    """

    start: float
    proportional: float = 0.0
    integral: float = 0.0
    derivative: float = 0.0
    low: float = -np.inf
    high: float = np.inf
    summed: float = 0.0
    before: float | None = None

    def __post_init__(self) -> None:
        if not self.low <= self.start <= self.high:
            raise InputError(f"a start of {self.start:g} lies outside of its bounds", where="Control")
        if not (self.proportional or self.integral or self.derivative):
            raise InputError("nothing is fed back", where="Control", fix="give proportional, integral or derivative")

    def after(self, error: float) -> tuple[Control, float]:
        """The controller after an error, and the next value."""
        change = 0.0 if self.before is None else error - self.before
        summed = self.summed + error
        rest = self.start + self.proportional * error + self.derivative * change
        value = float(np.clip(rest + self.integral * summed, self.low, self.high))
        if value != rest + self.integral * summed and (value - self.start) * error > 0:
            summed = self.summed
        return replace(self, summed=summed, before=error), value


@dataclass(frozen=True, slots=True)
class Steered:
    """Values that a number had, round by round, and what was measured with each, over runs of the examples."""

    values: tuple[float, ...]
    measured: tuple[Estimate, ...]

    @property
    def value(self) -> float:
        """The last value, not yet measured."""
        return self.values[-1]


def steer(
    runner: Runner,
    number: Number,
    examples: Sequence[Inputs],
    measure: Callable[[Item], float],
    wanted: float,
    control: Control,
    *,
    rounds: int,
    budget: Budget | None = None,
) -> Steered:
    """Run a program on all examples, round by round, its number set by the controller from how far the mean of what was
    measured is from what is wanted. Runs are reserved on the budget as `runs`.

    Raises InputError where the controller may give what the number cannot be, or a run fails.
    """
    for bound in (control.low, control.high):
        if fault := number.fault(bound):
            fix = f"bound the controller by those of the number, {number.low:g} and {number.high:g}"
            raise InputError(f"a value of {bound:g} {fault}", where=f"number {number.name!r}", fix=fix)
    spent = Budget() if budget is None else budget
    values, told = [control.start], []
    for place in range(rounds):
        spent.reserve(runs=float(len(examples)))
        value = round(values[-1]) if number.whole else values[-1]
        runs = runner([Task(own, {number.name: value}, place) for own in examples])
        if failed := next((run.error for run in runs if run.error), None):
            raise InputError(f"a run failed: {failed}", where="steer")
        told.append(mean_estimate(np.array([measure(item_of(run)) for run in runs])))
        control, new = control.after(wanted - told[-1].value)
        values.append(new)
    return Steered(tuple(values), tuple(told))
