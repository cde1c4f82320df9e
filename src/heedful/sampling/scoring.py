"""Scores of whole outputs, each different one asked for once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import logsumexp

from heedful.core import Floats, Item, Samples, Scores
from heedful.sampling.batches import concatenated, selected, target_divergence
from heedful.target import Target


@dataclass(slots=True, eq=False)
class Scoring:
    """The target's scores of outputs met so far; `len` is how many different ones were scored."""

    target: Target
    _place: dict[Item, int] = field(default_factory=dict)
    _pieces: list[Scores] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._place)

    def __call__(self, items: Sequence[Item]) -> Scores:
        """The scores of n outputs, n at least 1."""
        fresh = [item for item in dict.fromkeys(items) if item not in self._place]
        if fresh:
            self._pieces = [concatenated([*self._pieces, self.target.scores(fresh)])]
            self._place.update({item: len(self._place) + number for number, item in enumerate(fresh)})
        return selected(self._pieces[0], [self._place[item] for item in items])

    def mean(self, items: Sequence[Item]) -> Floats:
        """The exponent [n] of the target, for any number of outputs."""
        return self(items).mean if items else np.zeros(0)


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
