"""Scores of whole outputs, each different one asked for once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from scipy.special import logsumexp

from heedful.core import Budget, Floats, Item, Samples, Scores
from heedful.sampling.batches import concatenated, selected, target_divergence
from heedful.target import Target


@dataclass(slots=True, eq=False)
class Scoring:
    """The target's scores of outputs met so far; `len` is how many different ones were scored.

    Each is reserved before it is scored; those that a failing potential was asked for stay so.
    """

    target: Target
    budget: Budget
    _place: dict[Item, tuple[Scores, int]] = field(default_factory=dict)  # the scores it came with, and its row

    def __len__(self) -> int:
        return len(self._place)

    def __call__(self, items: Sequence[Item]) -> Scores:
        """The scores of n outputs, n at least 1."""
        places = self._places(items)
        runs = [[*run] for _, run in groupby(places, key=lambda place: id(place[0]))]
        return concatenated([selected(run[0][0], [row for _, row in run]) for run in runs])

    def mean(self, items: Sequence[Item]) -> Floats:
        """The exponent [n] of the target, for any number of outputs."""
        return np.array([scores.mean[row] for scores, row in self._places(items)], dtype=np.float64)

    def _places(self, items: Sequence[Item]) -> list[tuple[Scores, int]]:
        fresh = [item for item in dict.fromkeys(items) if item not in self._place]
        if fresh:
            self.budget.reserve(scores=float(len(fresh)))
            scores = self.target.scores(fresh)
            self._place.update({item: (scores, row) for row, item in enumerate(fresh)})
        return [self._place[item] for item in items]


def weighted(
    items: tuple[Item, ...], log_weight: Floats, told: Floats, scoring: Scoring, cost: Mapping[str, float]
) -> Samples:
    """n outputs a context with `log_weight` [c, n], beside what weights `told` [c] before they were drawn anew."""
    size, n = log_weight.shape
    proper = told[:, None] + log_weight - np.log(n)
    log_normalizer, scores = logsumexp(proper, axis=1), scoring(items)
    return Samples(
        items=items,
        context_index=np.repeat(np.arange(size), n),
        log_weights=proper.ravel(),
        scores=scores,
        cost={**cost, "scores": float(len(scoring))},
        kl=tuple(map(target_divergence, proper, scores.mean.reshape(size, n), log_normalizer)),
        log_normalizer=log_normalizer,
    )
