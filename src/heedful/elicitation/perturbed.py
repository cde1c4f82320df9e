"""Duels of a perturbed best item and its most hopeful challenger: two weights, set once for small budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.core import Floats, InputError, Item, Queries, UsageError
from heedful.elicitation.asking import check_batch, nothing
from heedful.elicitation.beliefs import Beliefs, Indices, Tallies
from heedful.elicitation.dueling import grouped

# Chosen by benchmarks/robust_duels.py: of its grid, the weights whose loss in the worst of its worlds is the least
# above that of the weights that are best there. Weights nearby, (0, 2) and (0.3, 2), are as good within its error.
ROBUST = (0.0, 4.0)


@dataclass(frozen=True)
class Perturbed:
    """Duels of the best item under noise and of the one that may be better than it by most.

    Bengs et al. 2022, "Stochastic contextual dueling bandits under linear stochastic transitivity models" (CoLSTIM):
    the first has the greatest mean + `noise` · ε · sd, with ε standard Gumbel noise of each item, which imitates how
    people's choices scatter; the second the greatest mean(u_j − u_i) + `bonus` · sd(u_j − u_i). Means and standard
    deviations are those of a posterior's draws, an item's about the mean of its group. With no `noise` and no `bonus`
    it is greedy. Groups and batches are those of `DoubleThompson`.

    The weights given are robust ones for a few dozen questions: of a grid, those whose loss is nowhere far above that
    of the best weights, over worlds from easy to hopeless (`minimax_regret`, benchmarks/robust_duels.py; after Zhang et
    al. 2021, "Learning to actively learn: a robust approach", whose policies are networks).
    """

    batch: int = 10
    noise: float = ROBUST[0]
    bonus: float = ROBUST[1]

    def __post_init__(self) -> None:
        check_batch(self.batch)
        if not (self.noise >= 0 and self.bonus >= 0):
            raise UsageError(f"weights are at least 0, not {self.noise} and {self.bonus}", where="Perturbed")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        """Raises UsageError for counts of duels, which have no utilities, and with fewer than two draws."""
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        draws = varied(beliefs, rng, "Perturbed")

        def choose(items: Indices, left: NDArray[np.bool_]) -> tuple[int, int]:
            own = draws[:, items] - draws[:, items].mean(axis=1, keepdims=True)
            noise = rng.gumbel(size=len(items))
            places = perturbed_pair(own.mean(axis=0), np.cov(own.T), noise, left, self.noise, self.bonus)
            return int(places[0]), int(places[1])

        return grouped(beliefs, self.batch, choose, rng)


def varied(beliefs: Beliefs, rng: np.random.Generator, rule: str) -> Floats:
    """Draws of utilities [k, n], of unknown items guessed. Raises UsageError where there are not two of them."""
    if isinstance(beliefs.view, Tallies):
        raise UsageError("this rule is for utilities, and counts of duels have none", where=rule)
    draws = beliefs.view.guessed(rng).draws
    if len(draws) < 2:
        raise UsageError("one draw has no spread: a posterior with two or more is needed", where=rule)
    return draws


def perturbed_pair(
    mean: Floats, covariance: Floats, gumbel: Floats, left: NDArray[np.bool_], noise: float, bonus: float
) -> tuple[Indices, Indices]:
    """The places [...] of the duels that `Perturbed` chooses in so many games.

    Means and noise [..., m], covariances and which pairs are left [..., m, m].
    """
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    value = np.where(left.any(axis=-1), mean + noise * gumbel * np.sqrt(variance), -np.inf)
    first = value.argmax(axis=-1)
    row = first[..., None]
    together = np.take_along_axis(covariance, row[..., None], axis=-2)[..., 0, :]
    free = np.take_along_axis(left, row[..., None], axis=-2)[..., 0, :]
    spread = np.sqrt(np.maximum(variance + np.take_along_axis(variance, row, axis=-1) - 2 * together, 0.0))
    return first, np.where(free, mean + bonus * spread, -np.inf).argmax(axis=-1)


def minimax_regret(loss: ArrayLike) -> tuple[int, Floats]:
    """Which of p policies has the least regret in its worst of c classes of problems, and the regrets [p, c].

    `loss` [p, c] is what each policy loses in each class on average; its regret there is how much more that is than
    the best policy's, so that a class in which all must fail weighs no more than one in which none need. Raises
    InputError where it is not such an array of finite numbers.
    """
    given = np.asarray(loss, dtype=np.float64)
    if given.ndim != 2 or not given.size or not np.isfinite(given).all():
        raise InputError("finite losses of shape [policies, classes] are needed", where="minimax_regret")
    regret = given - given.min(axis=0)
    return int(regret.max(axis=1).argmin()), regret
