"""Choosing one question after another within a budget, a batch and what each rater will take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Floats
from heedful.elicitation.beliefs import Indices
from heedful.elicitation.respondents import Respondent

Asked = list[tuple[int, float]]
"""Numbers of questions in the order asked, each with what its answer tells given those before it, in nats."""


@dataclass(frozen=True)
class Limits:
    """What may be spent on questions of `cost` [n] to `raters`, of whom `rater` [n] gives each question's number."""

    cost: Floats
    rater: Indices
    raters: Sequence[Respondent]
    budget: float
    batch: int

    def greedy(self, step: Callable[[Indices], tuple[int, float]]) -> Asked:
        """Ask, until nothing more fits, what `step` picks of the numbers of the questions that still may be asked."""
        waiting, left = np.ones(len(self.cost), bool), self.budget
        room = np.array([np.inf if rater.capacity is None else rater.capacity for rater in self.raters])
        found: Asked = []
        while len(found) < self.batch:
            possible = np.flatnonzero(waiting & (room[self.rater] > 0) & (self.cost <= left))
            if not len(possible):
                break
            number, gain = step(possible)
            found.append((number, gain))
            waiting[number], left = False, left - float(self.cost[number])
            room[self.rater[number]] -= 1
        return found

    def or_one(self, asked: Asked, alone: Floats) -> Asked:
        """`asked`, or the one question within a finite budget that tells more `alone` [n] than all of these."""
        taken = np.array([rater.capacity != 0 for rater in self.raters])[self.rater]
        possible = np.flatnonzero(taken & (self.cost <= self.budget))
        if not len(possible) or not np.isfinite(self.budget):
            return asked
        best = int(possible[alone[possible].argmax()])
        return [(best, float(alone[best]))] if alone[best] > sum(gain for _, gain in asked) else asked
