"""What miniatures of duels share: a Bradley-Terry posterior of a few items, quick enough to fit after each duel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from heedful.core import Floats, Item, Scores


@dataclass(frozen=True)
class Drawn:
    """A posterior of items by draws [k, n] of their utilities."""

    names: tuple[Item, ...]
    draws: Floats

    def __call__(self, items: Sequence[Item]) -> Scores:
        draws = self.draws[:, [self.names.index(item) for item in items]]
        return Scores(draws.mean(axis=0), draws)


def laplace(wins: Floats, mean: Floats, sd: float = 1.0) -> tuple[Floats, Floats]:
    """Laplace's approximation of utilities under N(0, sd²): means [..., n] and covariances [..., n, n].

    `wins` [..., n, n] of the row's item over the column's; four steps of Newton's method from `mean` [..., n], which
    is meant to be that of a duel ago.
    """
    asked = wins + wins.swapaxes(-1, -2)
    for _ in range(4):
        p = expit(mean[..., :, None] - mean[..., None, :])
        weight = asked * p * (1 - p)
        information = np.eye(wins.shape[-1]) * (sd**-2 + weight.sum(axis=-1))[..., None] - weight
        slope = (wins - asked * p).sum(axis=-1) - mean / sd**2
        mean = mean + np.linalg.solve(information, slope[..., None])[..., 0]
    return mean, np.asarray(np.linalg.inv(information))
