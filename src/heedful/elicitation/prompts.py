"""Batches that reach over prompts: what answers tell, with the entropy of the prompts asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma, gammaln

from heedful.core import Floats, InputError, Item, Parts, Queries, UsageError
from heedful.elicitation.asking import nothing, queries, single_gains
from heedful.elicitation.beliefs import Beliefs

PromptFeatures = Callable[[Sequence[Parts]], Floats]


@dataclass(frozen=True)
class PromptEntropy:
    """BAL-PM: the `batch` pairs whose answers tell most, spread over the prompts: argmax gain + `weight` · novelty.

    Melo et al. 2024, "Deep Bayesian active learning for preference modeling in large language models". The gain is the
    information of each answer in nats, the novelty of a prompt x what it adds, per dimension, to the entropy of the
    prompts asked about in the space of `features`: log ε(x) − ψ(n(x) + 1)/d, with ε the distance to its k-th nearest
    prompt of the pool and n the number asked about so far within it (`asked_entropy`). A question is chosen after
    another; `asked` are the contexts of earlier ones. Prompts of equal features count as one prompt. `expected_gain` is
    each question's own information.
    """

    features: PromptFeatures
    asked: Sequence[Parts] = ()
    batch: int = 10
    weight: float = 0.1
    neighbours: int = 10

    def __post_init__(self) -> None:
        if self.batch < 1 or self.neighbours < 1 or not 0 <= self.weight < np.inf:
            what = f"a batch of {self.batch}, {self.neighbours} neighbours and a weight of {self.weight}"
            raise UsageError(what, where="PromptEntropy", fix="each is at least 1, 1 and 0")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        """Raises InputError where features are not finite or the pool has fewer than two different prompts."""
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        gains = single_gains(beliefs)
        contexts = [pair[0].context for pair in beliefs.pairs]
        every = np.asarray(self.features([*contexts, *self.asked]), dtype=np.float64)
        spread = _Asked.of(every[: len(contexts)], every[len(contexts) :], self.neighbours)
        value, chosen = gains.copy(), []
        for _ in range(min(self.batch, len(beliefs))):
            best = int((value + self.weight * spread.novelty()).argmax())
            chosen.append(best)
            value[best] = -np.inf
            spread.ask(best)
        return queries(beliefs, np.array(chosen, dtype=np.intp), gains[chosen])


@dataclass
class _Asked:
    """Prompts of the pool by question: points [q, d], distance to the k-th nearest [q], and how many asked lie within.

    A question's own prompt is within, so that asking about one prompt again is worth less.
    """

    points: Floats
    radius: Floats
    within: Floats

    @classmethod
    def of(cls, points: Floats, asked: Floats, neighbours: int) -> _Asked:
        made = cls(points, kth_distance(points, points, neighbours), np.zeros(len(points)))
        for point in asked:
            made._count(point)
        return made

    def novelty(self) -> Floats:
        return np.asarray(np.log(self.radius) - digamma(self.within + 1) / self.points.shape[1])

    def ask(self, question: int) -> None:
        self._count(self.points[question])

    def _count(self, point: Floats) -> None:
        self.within += ((self.points - point) ** 2).sum(axis=1) < self.radius**2


def kth_distance(points: Floats, pool: Floats, k: int) -> Floats:
    """The distance of each point [n, d] to its k-th nearest of the pool's different points but itself [n].

    Of fewer than k, the farthest. Raises InputError for points that are not finite, and a pool of one point.
    """
    if points.ndim != 2 or not (np.isfinite(points).all() and np.isfinite(pool).all()):
        raise InputError("features of prompts are finite numbers, of shape [n, d]", where="features")
    distinct = np.unique(pool, axis=0)
    if len(distinct) < 2:
        raise InputError("fewer than two prompts differ in their features", where="features")
    near, _ = cKDTree(distinct).query(points, k=min(k + 1, len(distinct)))
    # The first is at distance 0 where the point is of the pool.
    own = near[:, 0] == 0
    return np.asarray(np.where(own, near[:, -1], near[:, max(near.shape[1] - 2, 0)]))


def asked_entropy(asked: Floats, pool: Floats, neighbours: int = 10) -> float:
    """The entropy in nats of the density that points [n, d] are from, on the scale of a pool [m, d] of its region.

    H = ψ(n) + log c_d + mean(d log ε − ψ(n_ε + 1)), with n_ε the other points within ε, ε the distance to the k-th
    nearest of the pool and c_d the volume of the unit ball (Kraskov, Stögbauer and Grassberger 2004, "Estimating mutual
    information", equation 22: a marginal entropy on the scale of the joint). Raises InputError for fewer than two.
    """
    n, d = asked.shape
    if n < 2:
        raise InputError(f"the entropy of {n} point is not estimated", where="asked_entropy")
    radius = kth_distance(asked, pool, neighbours)
    within = np.array([len(near) - 1 for near in cKDTree(asked).query_ball_point(asked, radius * (1 - 1e-12))])
    ball = d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)
    return float(digamma(n) + ball + (d * np.log(radius) - digamma(within + 1)).mean())
