"""Best-of-N that stops drawing once one more draw is not worth its price."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, stdtr

from heedful.core import Bound, Budget, Floats, Honesty, InputError, Item, Parts, Samples, UsageError
from heedful.evidence import lowered
from heedful.sampling.batches import draws, refuse_no_contexts
from heedful.sampling.best_of_n import best_of_n_kl_bound, greatest
from heedful.sampling.scoring import Scoring
from heedful.target import Target


class ScoreLaw(Protocol):
    """What is believed of the score of one more draw."""

    def improvement(self, score: Floats) -> Floats:
        """E[max(next − greatest, 0)] [c] in nats, of scores [c, k] drawn so far; +inf where it cannot be told yet."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class KnownScores:
    """Scores `value` [m] of known `probability` [m], the same in each context; equal ones where it is not given.

    Raises InputError where they are no distribution, or a score is NaN or +inf.
    """

    value: Floats
    probability: Floats

    @classmethod
    def of(cls, value: ArrayLike, probability: ArrayLike | None = None) -> KnownScores:
        scores = np.asarray(value, dtype=np.float64)
        share = (
            np.full(scores.shape, 1 / max(scores.size, 1)) if probability is None else np.asarray(probability, float)
        )
        if scores.ndim != 1 or share.shape != scores.shape or not (scores < np.inf).all():
            raise InputError("scores [m] below +inf and as many probabilities are needed", where="KnownScores")
        if not (share >= 0).all() or not math.isclose(share.sum(), 1.0, abs_tol=1e-9):
            raise InputError(f"the probabilities add up to {share.sum():.9g}, not 1", where="KnownScores")
        order = np.argsort(-scores)
        return cls(scores[order], share[order])

    def improvement(self, score: Floats) -> Floats:
        best = score.max(axis=1)
        gain = np.maximum(self.value - np.where(np.isfinite(best), best, 0.0)[:, None], 0.0) @ self.probability
        return np.where(np.isneginf(best), np.inf, gain)

    def reservation(self, price: float) -> float:
        """The score r of which E[max(next − r, 0)] = price (nats): the least worth stopping for.

        That is the greatest, over j, of (Σ p v − price) / Σ p of the j greatest scores, since the expectation is the
        greatest of Σ p (v − r) over sets of scores.
        """
        held = (self.probability > 0) & np.isfinite(self.value)
        value, share = self.value[held], self.probability[held]
        return float(((np.cumsum(share * value) - price) / np.cumsum(share)).max(initial=-np.inf))


@dataclass(frozen=True, slots=True)
class NormalScores:
    """Normal scores of unknown mean and width in each context, told by its own draws: the next is Student-t.

    By the usual flat prior of mean and log width. Draws ruled out (−inf) tell only how often that happens. With fewer
    than `least` others it goes on; where `least` or more are all equal, it takes them for all there is. It pays where
    contexts differ; where all are alike, `KnownScores` of a few hundred earlier scores stop better.
    """

    least: int = 4

    def __post_init__(self) -> None:
        if self.least < 3:
            raise UsageError(f"a width takes 3 draws or more, not {self.least}", where="NormalScores")

    def improvement(self, score: Floats) -> Floats:
        held = np.isfinite(score)
        k = held.sum(axis=1)
        enough = k >= self.least
        gain = np.full(len(score), np.inf)
        own, count = np.where(held, score, 0.0)[enough], k[enough]
        mean = own.sum(axis=1) / count
        spread = np.sqrt(np.where(held[enough], (own - mean[:, None]) ** 2, 0.0).sum(axis=1) / (count - 1))
        width = spread * np.sqrt(1 + 1 / count)
        best = score[enough].max(axis=1)
        gain[enough] = count / score.shape[1] * _expected_excess(best - mean, width, count - 1.0)
        return gain


def _expected_excess(above: Floats, width: Floats, df: Floats) -> Floats:
    """E[max(width · T − above, 0)] of Student's T with df > 1 degrees of freedom.

    = width · ((df + z²) / (df − 1) · f(z) − z · P(T > z)) with z = above / width and f the density of T.
    """
    z = np.divide(above, width, out=np.zeros_like(above), where=width > 0)
    log_density = gammaln((df + 1) / 2) - gammaln(df / 2) - np.log(df * np.pi) / 2 - (df + 1) / 2 * np.log1p(z**2 / df)
    return np.asarray(width * ((df + z**2) / (df - 1) * np.exp(log_density) - z * stdtr(df, -z)))


@dataclass(frozen=True, slots=True)
class EarlyBestOfN:
    """The best of at most `n` draws per context; it stops where one more would add less than `price` nats on average.

    With the law of scores known this is the rule of greatest E[score] − price · draws there is (Weitzman 1979, "Optimal
    search for the best alternative"): draw until the score is at least `KnownScores.reservation(price)`, which is
    also what score and price then come to, on average and without a cap. With a law learnt from the draws it looks one
    draw ahead (Kalayci, Raman and Dughmi 2025, "Optimal stopping vs best-of-N for inference time optimization").

    price      nats of score that a draw costs
    law        what is believed of scores
    pessimism  posterior standard deviations taken off each score, as in `BestOfN`
    batch      draws at a time

    All that n draws cost is reserved, and what is not needed given back. The KL is at most what best-of-N's is.
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
        size, scoring = len(contexts), Scoring(target)
        most = float(self.n * size)
        budget.reserve(samples=most, scores=most)
        value = np.full((size, self.n), np.nan)
        items: list[list[Item]] = [[] for _ in contexts]
        rows, k = np.arange(size), 0
        while len(rows):
            more = min(self.batch, self.n - k)
            for row in rows.tolist():
                items[row] += draws(target.base, contexts[row], more, rng)
            drawn = scoring([item for row in rows.tolist() for item in items[row][k:]])
            k += more
            value[rows, k - more : k] = lowered(drawn, self.pessimism).reshape(len(rows), more)
            worth = self.law.improvement(value[rows, :k]) > self.price
            rows = rows[worth] if k < self.n else rows[:0]
        kept = greatest(value, rng)
        cost = {"samples": float(sum(map(len, items))), "scores": float(len(scoring))}
        budget.release(**{unit: most - spent for unit, spent in cost.items()})
        best = tuple(own[column] for own, column in zip(items, kept.tolist(), strict=True))
        return Samples(
            items=best,
            context_index=np.arange(size),
            log_weights=np.zeros(size),
            scores=scoring(best),
            cost=cost,
            kl=(Bound(best_of_n_kl_bound(self.n), "upper"),) * size,
        )
