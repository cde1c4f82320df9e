"""Duels of the two items least known against each other, of those that may still be the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, Item, Queries, UsageError
from heedful.elicitation.asking import check_batch, nothing
from heedful.elicitation.beliefs import Beliefs, Indices
from heedful.elicitation.dueling import grouped
from heedful.elicitation.perturbed import varied


@dataclass(frozen=True)
class Undominated:
    """Duels of the pair whose difference of utility is least known, among items that no other is surely better than.

    Pacchiano et al. 2021, "Dueling RL: reinforcement learning with trajectory preferences": an item (there a policy) is
    dominated where another has mean(u_j − u_i) > `width` · sd(u_j − u_i); of the others, the pair with the greatest
    sd(u_j − u_i) is asked about. Items that are linear in features have sd ‖φ_j − φ_i‖ in the posterior covariance,
    which is here that of a posterior's draws; what else is not known, as where policies lead, widens draws too, and so
    takes the place of the work's bonus terms. Where no such pair is left to ask about, the width grows until one is:
    the work would try the one policy left against itself. Groups and batches are those of `DoubleThompson`.
    """

    batch: int = 10
    width: float = 2.0

    def __post_init__(self) -> None:
        check_batch(self.batch)
        if not self.width >= 0:
            raise UsageError(f"a width is at least 0, not {self.width}", where="Undominated")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        """Raises UsageError for counts of duels, which have no utilities, and with fewer than two draws."""
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        draws = varied(beliefs, rng, "Undominated")

        def choose(items: Indices, left: NDArray[np.bool_]) -> tuple[int, int]:
            own = draws[:, items]
            deviation = deviations(np.cov(own.T))
            needed = np.maximum(width_needed(own.mean(axis=0), deviation), self.width)
            wide = np.where(left, np.maximum(needed, needed[:, None]), np.inf)
            first, second = divmod(int(np.where(wide == wide.min(), deviation, -np.inf).argmax()), len(items))
            return first, second

        return grouped(beliefs, self.batch, choose, rng)


def deviations(covariance: Floats) -> Floats:
    """Standard deviations [m, m] of the differences of m utilities with this covariance."""
    variance = np.diag(covariance)
    return np.asarray(np.sqrt(np.maximum(variance + variance[:, None] - 2 * covariance, 0.0)))


def width_needed(mean: Floats, deviation: Floats) -> Floats:
    """The least width [m] at which no other is surely better: the largest lead of another in deviations [m, m]."""
    lead = mean - mean[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(lead > 0, lead / deviation, 0.0).max(axis=1))
