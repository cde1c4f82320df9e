"""Proposers made of proposers: in turn, side by side, chosen from by a surrogate, told a direction or a history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from heedful.core import Budget, UsageError
from heedful.rewriting.directions import Direction
from heedful.rewriting.propagating import added
from heedful.rewriting.proposing import Proposed, Proposer, Situation, Tried, distinct
from heedful.rewriting.surrogates import Surrogate, expected_improvement


@dataclass(frozen=True, slots=True)
class Begun:
    """One proposer in the first rounds, as a warm start, and another behind them."""

    first: Proposer
    then: Proposer
    rounds: int = 1

    def __call__(self, situation: Situation, *, budget: Budget, rng: np.random.Generator) -> Proposed:
        proposer = self.first if situation.round < self.rounds else self.then
        return proposer(situation, budget=budget, rng=rng)


@dataclass(frozen=True, slots=True)
class Joined:
    """What several proposers propose, one after the other, each value once."""

    proposers: Sequence[Proposer]

    def __call__(self, situation: Situation, *, budget: Budget, rng: np.random.Generator) -> Proposed:
        made = [proposer(situation, budget=budget, rng=rng) for proposer in self.proposers]
        found = distinct(situation, [value for own in made for value in own.values])
        return Proposed(
            found.values,
            sum(own.unread for own in made),
            sum(own.repaired for own in made),
            found.same + sum(own.same for own in made),
            added(*(own.cost for own in made)),
            sum(own.passed_over for own in made),
        )


@dataclass(frozen=True, slots=True)
class BySurrogate:
    """Of what a proposer proposes, the `keep` that a surrogate expects to improve most on the best that was tried
    (expected improvement); the others are passed over before any run is spent on them. Candidates of which the
    surrogate knows nothing come last, equal ones in random order.

    start  trials before the surrogate is asked; until then the first `keep` are taken
    """

    proposer: Proposer
    surrogate: Surrogate
    keep: int = 1
    start: int = 2

    def __post_init__(self) -> None:
        if min(self.keep, self.start) < 1:
            raise UsageError("keep and start are 1 or more", where="BySurrogate")

    def __call__(self, situation: Situation, *, budget: Budget, rng: np.random.Generator) -> Proposed:
        made = self.proposer(situation, budget=budget, rng=rng)
        passed = made.passed_over + max(len(made.values) - self.keep, 0)
        measured = [own.mean for own in situation.measured]
        if len(measured) < self.start or len(made.values) <= self.keep:
            return replace(made, values=made.values[: self.keep], passed_over=passed)
        foreseen = self.surrogate(situation, made.values, budget=budget, rng=rng)
        gain = np.nan_to_num(expected_improvement(foreseen.mean, foreseen.sd, max(measured)), nan=-1.0)
        order = np.lexsort((rng.random(len(gain)), -gain))[: self.keep]
        return replace(
            made,
            values=tuple(made.values[place] for place in order),
            unread=made.unread + foreseen.missing,
            cost=added(made.cost, foreseen.cost),
            passed_over=passed,
        )


@dataclass(frozen=True, slots=True)
class Directed:
    """A proposer that is told, beside what was said, in which direction to go."""

    proposer: Proposer
    direction: Direction

    def __call__(self, situation: Situation, *, budget: Budget, rng: np.random.Generator) -> Proposed:
        found = self.direction(situation, budget=budget, rng=rng)
        made = self.proposer(replace(situation, said=(*situation.said, *found.said)), budget=budget, rng=rng)
        return replace(made, unread=made.unread + found.missing, cost=added(made.cost, found.cost))


@dataclass(frozen=True, slots=True)
class Resumed:
    """A proposer that knows what an earlier run tried, `history`, as that of its result, beside what this one did.

    Give it no more than was learnt on examples for training: with the same examples, `Splits.of` sets the same apart.
    """

    proposer: Proposer
    history: Sequence[Tried]

    def __call__(self, situation: Situation, *, budget: Budget, rng: np.random.Generator) -> Proposed:
        return self.proposer(replace(situation, history=(*self.history, *situation.history)), budget=budget, rng=rng)
