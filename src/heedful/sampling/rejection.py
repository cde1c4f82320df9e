"""Rejection: draws of the base, each accepted with the probability that makes the accepted ones exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from heedful.core import Budget, Estimate, Floats, Honesty, InputError, Interval, Item, Parts, Samples, Scores, UsageError
from heedful.sampling.batches import by_context, concatenated, selected, target_divergence
from heedful.stats import confidence_sequence
from heedful.target import Target

_ROUNDING = 1e-9  # nats by which a score may exceed the bound: sums of floats in another order


@dataclass(frozen=True, slots=True)
class Certificate:
    """What rejection in one context has shown: of `wanted` outputs `accepted` were found in `tries` draws of the base.

    `rate` is that of acceptance, Z · e^−bound, and `log_normalizer` log Z: both intervals hold at whatever draw it
    stopped. By the lower end of `rate`, KL(target ‖ base) ≤ −log rate, whatever the potentials.
    """

    wanted: int
    accepted: int
    tries: int
    rate: Interval
    log_normalizer: Interval

    @property
    def missing(self) -> int:
        return self.wanted - self.accepted


@dataclass(frozen=True, slots=True)
class Accepted(Samples):
    """Exact draws, with a `Certificate` for each context asked for; fewer rows than asked for where some are missing."""

    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """One exact draw per context (repeat a context for more) from a target whose scores are at most `bound` nats.

    A draw of the base is accepted with probability exp(score − bound), so that an output takes e^bound / Z draws on
    average (von Neumann 1951). A higher score than the bound is an error: what was accepted before it is then of
    another law.

    tries   draws of the base per output at most. Where they, or the budget's samples, are used up, what is missing is
            counted in `certificates`, and no row stands for it: what was accepted until then is exact all the same
    batch   draws per missing output in one round, before it is seen which are accepted
    level   of the intervals of the certificates

    `log_normalizer` and `kl` (of the target) are estimated from the scores of all draws, accepted or not.
    """

    bound: float
    tries: int = 1000
    batch: int = 4
    level: float = 0.95
    honesty: Honesty = "exact"

    def __post_init__(self) -> None:
        if not math.isfinite(self.bound):
            raise UsageError(f"a bound is a finite number of nats, not {self.bound}", where="Rejection")
        if self.tries < 1 or self.batch < 1:
            raise UsageError(f"{self.tries} tries in batches of {self.batch}", where="Rejection")
        if not 0 < self.level < 1:
            raise UsageError(f"a level lies between 0 and 1, not {self.level}", where="Rejection")

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Accepted:
        """Raises BudgetExceededError where no draw fits, InputError where a score exceeds the bound, is NaN or +inf."""
        trials = {context: _Trials(own) for context, own in by_context(contexts).items()}
        budget.reserve(samples=1.0)
        budget.release(samples=1.0)
        for context, own in trials.items():
            while own.missing and (size := self._affordable(own, budget)):
                budget.reserve(samples=float(size))
                items = target.base.sample(context, size, rng=rng)
                self._try(own, items, target.scores(items), rng)
        return self._accepted(list(trials.values()), len(contexts))
