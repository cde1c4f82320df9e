"""Best-of-N that stops drawing once one more draw is not worth its price."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from heedful.core import Base, Bound, Budget, BudgetExceededError, Honesty, Item, Parts, Samples, UsageError
from heedful.evidence import lowered
from heedful.sampling.batches import refuse_no_contexts
from heedful.sampling.best_of_n import best_of_n_kl_bound, greatest
from heedful.sampling.score_laws import NormalScores, ScoreLaw
from heedful.sampling.scoring import Scoring
from heedful.sampling.spending import refuse_beyond, writing_plan
from heedful.sampling.writing import base_draws
from heedful.target import Target


@dataclass(frozen=True, slots=True)
class EarlyBestOfN:
    """The best of at most `n` draws per context; it stops where one more would add less than `price` nats on average.

    With the law of scores known this is the rule of greatest E[score] − price · draws there is (Weitzman 1979, "Optimal
    search for the best alternative"): draw until the score is at least `KnownScores.reservation(price)`, which is
    also what score and price then come to, on average and without a cap. With a law learnt from the draws it looks one
    draw ahead (Kalayci, Raman and Dughmi 2025, "Optimal stopping vs best-of-N for inference time optimization").

    price      nats of score that a draw costs
    law        what is believed of scores, lowered by `pessimism` as they are
    pessimism  posterior standard deviations taken off each score, as in `BestOfN`
    batch      draws at a time; models that read the context anew for each time are better off with several

    A budget that n draws do not fit is refused. Where reading the contexts anew uses it up, that ends it. The KL is at
    most what best-of-N's is.
    """

    n: int
    price: float
    law: ScoreLaw = field(default_factory=NormalScores)
    pessimism: float = 0.0
    batch: int = 1
    honesty: Honesty = "maximiser"

    def __post_init__(self) -> None:
        if self.n < 1 or self.batch < 1:
            raise UsageError(f"at most {self.n} draws, {self.batch} at a time", where="EarlyBestOfN")
        for name, value in (("price", self.price), ("pessimism", self.pessimism)):
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{name} is a finite number of 0 or more, not {value}", where="EarlyBestOfN")

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        """Raises BudgetExceededError before drawing, InputError where a score is NaN or +inf."""
        refuse_no_contexts(contexts)
        size, scoring, cost = len(contexts), Scoring(target, budget), Counter[str]()
        refuse_beyond(budget, self._plan(target.base, contexts, 1))
        value = np.full((size, self.n), np.nan)
        items: list[list[Item]] = [[] for _ in contexts]
        rows, k = np.arange(size), 0
        while len(rows):
            more = min(self.batch, self.n - k)
            try:
                drawn, spent = base_draws(target.base, [contexts[row] for row in rows.tolist()], more, budget, rng)
            except BudgetExceededError:  # by reading contexts again: the best of what there is
                if not k:
                    raise
                break
            cost.update(spent)
            for place, row in enumerate(rows.tolist()):
                items[row] += drawn[place * more : (place + 1) * more]
            value[rows, k : k + more] = lowered(scoring(drawn), self.pessimism).reshape(len(rows), more)
            k += more
            worth = self.law.improvement(value[rows, :k]) > self.price
            rows = rows[worth] if k < self.n else rows[:0]
        kept = greatest(value, rng)
        best = tuple(own[column] for own, column in zip(items, kept.tolist(), strict=True))
        return Samples(
            items=best,
            context_index=np.arange(size),
            log_weights=np.zeros(size),
            scores=scoring(best),
            cost={**cost, "scores": float(len(scoring))},
            kl=(Bound(best_of_n_kl_bound(self.n), "upper"),) * size,
        )

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost, contexts read for every batch."""
        return self._plan(base, contexts, -(-self.n // self.batch))

    def _plan(self, base: Base, contexts: Sequence[Parts], rounds: int) -> dict[str, float]:
        return writing_plan(base, contexts, self.n, rounds=rounds) | {"scores": float(self.n * len(contexts))}
