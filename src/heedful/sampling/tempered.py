"""Tempering: whole outputs tilted little by little, and moved after each step, until they are weighed by the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp

from heedful.core import Base, Budget, Floats, Honesty, Parts, Samples, UsageError
from heedful.sampling.batches import joined, portions, refuse_no_contexts
from heedful.sampling.metropolis import Edits, Outputs, moved
from heedful.sampling.resampling import Resampling, checked_resampling, chosen_by, effective_size, multiplied
from heedful.sampling.scoring import Scoring, weighted
from heedful.sampling.spending import refuse_beyond, writing_plan
from heedful.sampling.writing import Writing, token_base
from heedful.target import Target


@dataclass(frozen=True, slots=True)
class TemperedSamples(Samples):
    """Weighted outputs; `exponents` holds the steps of each context, 1 the last."""

    exponents: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Tempered:
    """n weighted outputs per context: draws of the base whose exponent rises to the target's, moved after each step.

    At exponent λ they stand for base · exp(λ · score). A step to λ' multiplies weights by exp((λ' − λ) · score), draws
    anew where they tell as much as fewer than threshold · n of equal weight do, and makes `moves` moves that leave
    base · exp(λ' · score) as it is: outputs cut and written on, as in `Metropolis(proposal="edit")`. It scores whole
    outputs alone, and so serves rewards that say nothing of prefixes.

    schedule    exponents that rise to 1: weights are then proper as those of `Particles` are. (): each step goes as
                far as weights still tell `threshold` of what they tell once outputs ruled out are gone; the last of
                `steps` goes to 1 whatever that does. Steps that look at the outputs they move make Ẑ biased, by about
                1/n: such draws are consistent
    steps       the most steps of an adaptive schedule

    Source: Del Moral, Doucet and Jasra 2006, "Sequential Monte Carlo samplers", section 3.3.2.3; adaptive: Beskos,
    Jasra, Kantas and Thiery 2016, "On the convergence of adaptive sequential Monte Carlo methods". Costs model tokens
    like n chains of `steps` · `moves` moves at most; contexts that have come to 1 cost nothing more.
    """

    n: int
    schedule: tuple[float, ...] = ()
    threshold: float = 0.5
    moves: int = 2
    steps: int = 20
    resampling: Resampling = "systematic"

    def __post_init__(self) -> None:
        if self.n < 1 or self.moves < 0 or self.steps < 1:
            raise UsageError(f"{self.n} outputs, {self.moves} moves in each of {self.steps} steps", where="Tempered")
        if not 0 < self.threshold <= 1 or (self.threshold == 1 and not self.schedule):
            raise UsageError(f"a threshold is a share of n below 1, not {self.threshold}", where="Tempered")
        rising = all(first < second for first, second in pairwise((0.0, *self.schedule)))
        if self.schedule and not (rising and self.schedule[-1] == 1.0):
            raise UsageError(f"exponents rise from above 0 to 1, not {self.schedule}", where="Tempered(schedule=...)")
        checked_resampling(self.resampling, "Tempered")

    @property
    def honesty(self) -> Honesty:
        return "proper" if self.schedule else "consistent"

    @property
    def _rounds(self) -> int:
        return len(self.schedule) or self.steps

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> TemperedSamples:
        """Raises BudgetExceededError before anything is written, UsageError where the base is no token model."""
        refuse_no_contexts(contexts)
        base = token_base(target, "Tempered")
        refuse_beyond(budget, self.plan(base, contexts))
        pieces = []
        for portion in portions(base, contexts, self.n):
            rows = [context for context in portion for _ in range(self.n)]
            with Writing.begun(base, rows, (), budget, times=self._times) as writing:
                pieces.append(self._tempered(Scoring(target, budget), Edits(writing, rng), rng))
        return _with_exponents(joined(pieces), tuple(own for piece in pieces for own in piece.exponents))

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost."""
        written = writing_plan(base, contexts, self.n, times=self._times)
        return written | {"scores": written["samples"]}

    @property
    def _times(self) -> int:
        return 1 + self._rounds * self.moves

    def _tempered(self, scoring: Scoring, edits: Edits, rng: np.random.Generator) -> TemperedSamples:
        """Of contexts whose outputs are moved side by side."""
        n, size = self.n, len(edits.begun.state) // self.n
        now, reached, told = edits.next(None), np.zeros(size), np.zeros(size)
        log_weight, path = np.zeros(size * n), [reached]
        chosen = chosen_by(self.resampling, self.threshold if self.schedule else 1.0)
        while (reached < 1).any():
            score = scoring.mean(now.items)
            ahead = self._ahead(len(path) - 1, reached, score.reshape(size, n))
            gap = np.repeat(ahead - reached, n)
            log_weight += np.multiply(gap, score, out=np.zeros(size * n), where=gap > 0)
            now = now.kept(multiplied(log_weight, told, reached == 1, chosen, rng))
            now = self._moved(now, np.flatnonzero(gap), np.repeat(ahead, n), edits, scoring, rng)
            reached = ahead
            path.append(reached)
        samples = weighted(now.items, log_weight.reshape(size, n), told, scoring, edits.begun.cost)
        return _with_exponents(samples, tuple(tuple(dict.fromkeys(own.tolist())) for own in np.array(path[1:]).T))

    def _ahead(self, step: int, reached: Floats, score: Floats) -> Floats:
        """The next exponent [c] after so many steps, of outputs of equal weight where it is to be found."""
        if self.schedule:
            return np.full(len(reached), self.schedule[step])
        if step == self.steps - 1:
            return np.ones(len(reached))
        found = [_furthest(*own, self.threshold) for own in zip(reached.tolist(), score, strict=True)]
        return np.array(found)

    def _moved(
        self,
        now: Outputs,
        rows: NDArray[np.intp],
        strength: Floats,
        edits: Edits,
        scoring: Scoring,
        rng: np.random.Generator,
    ) -> Outputs:
        """Some rows moved, by the strength [n] of each."""
        part = now.kept(rows)
        for _ in range(self.moves if len(rows) else 0):
            part, _ = moved(part, edits.next(part, rows), scoring, strength[rows], rng)
        return now.put(rows, part)


def _with_exponents(samples: Samples, exponents: tuple[tuple[float, ...], ...]) -> TemperedSamples:
    shared = {field.name: getattr(samples, field.name) for field in fields(Samples)}
    return TemperedSamples(**shared, exponents=exponents)


def _furthest(reached: float, score: Floats, threshold: float) -> float:
    """The greatest exponent, 1 at most, at which outputs of these scores [n] tell as much as `threshold` of them would.

    Those ruled out do not count: they are gone at any exponent above 0.
    """
    alive = score[np.isfinite(score)]

    def enough(exponent: float) -> float:
        log_weight = (exponent - reached) * alive
        return effective_size(np.exp(log_weight - logsumexp(log_weight))) / len(alive) - threshold

    if reached == 1 or not len(alive) or enough(1.0) >= 0:
        return 1.0
    return float(brentq(enough, reached, 1.0))
