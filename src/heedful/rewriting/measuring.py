"""Runs of a program with what they earned, what they cost, and which of them failed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import Budget, Finding, Floats
from heedful.rewriting.affording import Held
from heedful.rewriting.costs import Limits
from heedful.rewriting.judging import Worth
from heedful.rewriting.running import Runner, Task
from heedful.rewriting.splits import Inputs, Splits, written
from heedful.rewriting.tracing import Run
from heedful.rewriting.versus import Versus

# Numbers of runs there; those of training have the number of the round.
VALIDATION, HELD_OUT, AGAIN = 1_000_000, 1_000_001, 1_000_002
_KINDS = {VALIDATION: "validation", HELD_OUT: "held-out"}


@dataclass(slots=True)
class _Made:
    """Runs on examples of one kind: how many, how many of them failed, and the first error."""

    runs: int = 0
    failed: int = 0
    first: str = ""


class Bench:
    """Where programs are run and judged. Runs are reserved on the budget before they are made."""

    def __init__(
        self,
        runner: Runner,
        worth: Worth | Versus,
        splits: Splits,
        limits: Limits,
        budget: Budget,
        held: tuple[Held, Held],
    ) -> None:
        self.runner, self.worth, self.splits, self.limits = runner, worth, splits, limits
        self.budget, self.held = budget, held
        self.made: dict[str, _Made] = {}
        self._validated: dict[tuple[str, int], float] = {}
        self._started: dict[tuple[str, int], float] = {}
        self._begun = self._round = time.monotonic()
        self._longest = self._running = 0.0
        self._ran = 0
        self._costs: dict[str, list[float]] = {}

    def scored(
        self, inputs: Sequence[Inputs], candidates: Sequence[Mapping[str, Any]], draw: int
    ) -> tuple[Sequence[Run], Floats]:
        """Runs of each of the candidates on all inputs, one candidate after the other, and the evidence of them."""
        self.budget.reserve(runs=float(len(inputs) * len(candidates)))
        tasks = [Task(own, values, draw) for values in candidates for own in inputs]
        training = draw < VALIDATION
        began = time.monotonic()
        with self.held[0].learning(len(tasks), *self.held[1:]) if training else nullcontext():
            runs = self.runner(tasks)
            scores = self.worth.scores(runs)
        self._running, self._ran = self._running + time.monotonic() - began, self._ran + len(tasks)
        made = self.made.setdefault(_KINDS.get(draw, "training"), _Made())
        for task, run in zip(tasks, runs, strict=True):
            made.runs, made.failed = made.runs + 1, made.failed + bool(run.error)
            made.first = made.first or run.error
            if training:  # what validation runs cost must not say which candidate is tried next
                self._costs.setdefault(written(task.values), []).append(self.limits.cost(run))
        return runs, scores

    def earned(
        self, inputs: Sequence[Inputs], candidates: Sequence[Mapping[str, Any]], draw: int
    ) -> tuple[Sequence[Run], Floats]:
        """`scored`, with what was earned in the place of the evidence."""
        runs, scores = self.scored(inputs, candidates, draw)
        earned = self.worth.ranked if draw < VALIDATION else self.worth.unit
        if not self.worth.against_start:
            return runs, earned(scores)
        names = [(written(own), draw) for own in inputs]
        if list(candidates) == [{}]:
            self._started.update(zip(names, map(float, scores), strict=True))
        return runs, earned(scores, np.tile(self._at_start(inputs, names, draw), len(candidates)))

    def validated(self, values: Mapping[str, Any], places: Sequence[int]) -> Floats:
        """The evidence on validation examples, each run once with each of the values that are tried."""
        name = written(values)
        new = [place for place in places if (name, place) not in self._validated]
        _, scores = self.scored([self.splits.validation[place] for place in new], [values], VALIDATION)
        self._validated.update({(name, place): own for place, own in zip(new, scores, strict=True)})
        return np.array([self._validated[name, place] for place in places])

    def cost(self, values: Mapping[str, Any]) -> float:
        """What a run with these values cost in training, in the mean (`Limits.cost`); NaN where there was none."""
        costs = self._costs.get(written(values))
        return float(np.mean(costs)) if costs else float("nan")

    def late(self, seconds: float) -> bool:
        """Asked before each round: whether after another, as long as the longest so far, the runs that are held back
        would end more than so many seconds after all began, at the pace of those that were made."""
        now, yet = time.monotonic(), sum(held.runs for held in self.held)
        self._longest, self._round = max(self._longest, now - self._round), now
        return now - self._begun + self._longest + yet * self._running / max(self._ran, 1) > seconds

    @property
    def failed(self) -> Counter[str]:
        return Counter(failed=sum(own.failed for own in self.made.values()))

    def failures(self) -> tuple[Finding, ...]:
        """A finding for each kind of examples that decide or measure where runs failed: they earned nothing there."""
        return tuple(
            Finding(
                "rewriting.failed_runs",
                "warning",
                f"{own.failed} of {own.runs} runs on {kind} examples failed ({own.failed / own.runs:.0%}) and earned "
                f"nothing, the first by {own.first}",
                "mend what raises, or leave out examples that the program cannot be run on",
                own.failed,
            )
            for kind, own in self.made.items()
            if own.failed and kind != "training"
        )

    def _at_start(self, inputs: Sequence[Inputs], names: Sequence[tuple[str, int]], draw: int) -> Floats:
        """The evidence of what the program gave at the start [n], in runs of these names; run where it was not yet."""
        new = [place for place, name in enumerate(names) if name not in self._started]
        _, scores = self.scored([inputs[place] for place in new], [{}], draw)
        self._started.update({names[place]: float(own) for place, own in zip(new, scores, strict=True)})
        return np.array([self._started[name] for name in names])
