"""Batches of questions that tell much and differ from one another, cheaply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from heedful.core import Floats, InputError, Item, Queries, UsageError
from heedful.elicitation.asking import nothing, queries, single_gains
from heedful.elicitation.beliefs import Beliefs, Indices
from heedful.elicitation.determinantal import one_by_one

QuestionFeatures = Callable[[Sequence[tuple[Item, ...]]], Floats]


@dataclass(frozen=True)
class Diverse:
    """The `batch` pairs that tell much and differ: no answer to any of them is imagined, so that it costs little.

    how   "k-means++": the first in proportion to its gain, each next to gain · squared distance to the nearest chosen
          (Arthur and Vassilvitskii 2007; Ash et al. 2020, "Deep batch active learning by diverse, uncertain gradient
          lower bounds"); "dpp": greedily the most probable set of a determinantal point process of kernel
          √g_i cos(x_i, x_j) √g_j (Chen, Zhang and Zhou 2018, "Fast greedy MAP inference for determinantal point
          process"); once the features span no more, the rest are those of greatest gain
    features   of questions [n, d]; None: by how much the first is better in each of the posterior's draws

    `expected_gain` is each question's own information in nats.

    Beside asking at random it was ahead on simulated texts and HH-RLHF alone, nowhere beyond doubt (docs/benchmarks.md,
    What asking saves).
    """

    batch: int = 10
    how: Literal["k-means++", "dpp"] = "k-means++"
    features: QuestionFeatures | None = None

    def __post_init__(self) -> None:
        if self.batch < 1 or self.how not in ("k-means++", "dpp"):
            what = f"a batch of {self.batch} by {self.how!r}"
            raise UsageError(what, where="Diverse", fix="at least 1, by 'k-means++' or 'dpp'")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        gains = single_gains(beliefs)
        points = (
            _differences(beliefs) if self.features is None else np.asarray(self.features(beliefs.pairs), np.float64)
        )
        if points.shape[:1] != (len(beliefs),) or points.ndim != 2 or not np.isfinite(points).all():
            raise InputError(f"features of {len(beliefs)} questions are finite numbers [n, d]", where="Diverse")
        size = min(self.batch, len(beliefs))
        chosen = _k_means(points, gains, size, rng) if self.how == "k-means++" else _dpp(points, gains, size)
        return queries(beliefs, chosen, gains[chosen])


def _differences(beliefs: Beliefs) -> Floats:
    """By how much the first is better in each draw [n, k], centred; of pairs with an unknown item none."""
    gap = beliefs.view.margin(beliefs.first, beliefs.second).T
    return np.asarray(np.where(beliefs.known()[:, None], gap - gap.mean(axis=1, keepdims=True), 0.0))


def _k_means(points: Floats, gains: Floats, size: int, rng: np.random.Generator) -> Indices:
    weight, nearest, chosen = np.maximum(gains, 0.0), np.ones(len(points)), list[int]()
    for _ in range(size):
        value = weight * nearest
        if not value.sum() > 0:
            value = np.where(np.isin(np.arange(len(points)), chosen), 0.0, np.maximum(weight, 1e-300))
        chosen.append(int(rng.choice(len(points), p=value / value.sum())))
        away = ((points - points[chosen[-1]]) ** 2).sum(axis=1)
        nearest = away if len(chosen) == 1 else np.minimum(nearest, away)
    return np.array(chosen, dtype=np.intp)


def _dpp(points: Floats, gains: Floats, size: int) -> Indices:
    """Greedily what has most left once those chosen are projected out; the rest by their gains."""
    norms = np.linalg.norm(points, axis=1)
    rows = points / np.where(norms > 0, norms, 1.0)[:, None] * np.sqrt(np.maximum(gains, 0.0))[:, None]
    least = 1e-12 * max(float(gains.max()), 1e-300)
    chosen = one_by_one(rows, size, lambda left: int(left.argmax()) if left.max() > least else None)
    free = ~np.isin(np.arange(len(points)), chosen)
    rest = np.argsort(np.where(free, -gains, np.inf), kind="stable")[: size - len(chosen)]
    return np.array([*chosen, *rest.tolist()], dtype=np.intp)
