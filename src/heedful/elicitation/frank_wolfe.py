"""Continuous D-optimal designs, by Frank and Wolfe's method with away steps: how often to ask which question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg
from scipy.optimize import brentq

from heedful.core import Floats, InputError, UsageError
from heedful.elicitation.designs import greedy_design
from heedful.elicitation.information import systematic
from heedful.elicitation.lists import Indices, Lists, conditioned

# Directions of which the pool tells less than this share of what it tells of any are taken as not told of at all.
_RANK = 1e-10
# A direction of which this share is left beside others is taken as not told of.
_ROUNDING = 1e-13
# The prior covariance with which the first questions are chosen, in units of what the whole pool leaves: so little is
# known beforehand that what tells of a new direction comes before what does not.
_VAGUE = 1e6
# Steps after which rounding is cleared away by computing everything anew.
_RENEW = 1000
# A round on a sample ends where the excess leverage is down to this part: more would fit the design to the sample.
_PART = 0.5
# The most weight that one step gives to a list, in units of what all others have.
_LONGEST = 1e6


@dataclass(frozen=True)
class Design:
    """Shares of the questions of a pool, and the certificate of how near to optimal they are.

    `rows` [s] of the pool have the `weights` [s], which sum to 1. `log_det` is log det of Σ weight · information about
    the `dimension` directions that the pool tells of, over that of asking all its questions alike (nats). The leverage
    of a question is the trace of its information in the inverse of the design's: the dimension on average over the
    design, and nowhere in the pool above it exactly where the design is optimal (Kiefer and Wolfowitz 1960). `gap` is
    the greatest leverage less the dimension; no design has a log det greater by more than that.
    """

    rows: Indices
    weights: Floats
    log_det: float
    gap: float
    dimension: int
    steps: int

    @property
    def efficiency(self) -> float:
        """What share of this design's questions the best would need to tell as much, at least: exp(−gap/dimension)."""
        return float(np.exp(-max(self.gap, 0.0) / self.dimension))

    def draw(self, count: int, rng: np.random.Generator) -> Indices:
        """Rows of the pool to ask about [count], each ⌊count · weight⌋ times or once more, on average its share."""
        return np.sort(self.rows[systematic(self.weights, count, rng)])


def frank_wolfe_design(
    features: ArrayLike,
    lists: Lists,
    *,
    tolerance: float = 0.01,
    steps: int = 100_000,
    sample: int | None = None,
    rng: np.random.Generator | None = None,
) -> Design:
    """The weights π of n lists that maximise log det Σ π_i X_iᵀ L_i L_iᵀ X_i, for items of features X [m, d].

    Stops where no leverage is above (1 + `tolerance`) · dimension, or after so many `steps`; the `gap` says which. A
    step gives weight to the list of greatest leverage, or takes it from that of least, by exact line search; leverages
    follow by an update of low rank, in O(m d r + n K r) (Todd and Yildirim 2007, "On Khachiyan's algorithm for the
    computation of minimum-volume enclosing ellipsoids"; lists for points as in Mukherjee et al. 2024, equation 4).

    With `sample`, a round of steps looks at so many random lists beside those that have weight (Thekumparampil et al.
    2024, "Comparing few to rank many", draw for each step). Where a fresh sample has nothing to give, the whole pool is
    looked at, and the lists of greatest leverage are added: the certificate is always of the whole pool.
    Raises UsageError for a sample without `rng`, InputError where the pool tells nothing.
    """
    if tolerance <= 0 or (sample is not None and (rng is None or sample < 1)):
        what = f"a tolerance is above 0 and a sample of 1 or more is drawn by an rng, not {tolerance} and {sample}"
        raise UsageError(what, where="frank_wolfe_design")
    search = _Search(_whitened(np.asarray(features, dtype=np.float64), lists), lists)
    if rng is None or sample is None or sample >= len(lists):
        search.begin(np.arange(len(lists)))
        search.climb(np.arange(len(lists)), tolerance, steps)
    else:
        search.rounds(sample, tolerance, steps, rng)
    return search.design()


class _Search:
    """A design in the making: `weights` [n], and the inverse `covariance` [d, d] of its information."""

    def __init__(self, rows: Floats, lists: Lists) -> None:
        self.rows, self.lists, self.steps = rows, lists, 0
        self.weights = np.zeros(len(lists))
        self.covariance = np.eye(rows.shape[1])

    @property
    def dimension(self) -> int:
        return int(self.rows.shape[1])

    def begin(self, among: Indices) -> bool:
        """Start from greedily chosen lists `among` the pool; False where these do not tell of all directions."""
        vague, lists = _VAGUE * np.eye(self.dimension), self.lists.take(among)
        some = min(2 * -(-self.dimension // lists.loadings.shape[2]), self.dimension)
        for count in (some, self.dimension):
            chosen, _ = greedy_design(self.rows, lists, count, covariance=vague)
            self.weights[:] = 0
            self.weights[among[chosen]] = 1 / len(chosen)
            if self.renew():
                return True
        return False

    def renew(self) -> bool:
        """The covariance anew from the weights; False where it has none, as they leave a direction out."""
        told = self._information()
        try:
            factor = linalg.cholesky(told, lower=True)
        except linalg.LinAlgError:
            return False
        if (np.diag(factor) ** 2 <= _ROUNDING * np.diag(told)).any():
            return False
        self.covariance = linalg.cho_solve((factor, True), np.eye(self.dimension))
        return True

    def _information(self) -> Floats:
        held = np.flatnonzero(self.weights)
        return np.asarray(
            self.rows.T @ (self.lists.take(held).laplacian(self.weights[held], len(self.rows)) @ self.rows)
        )

    def leverages(self, lists: Lists) -> Floats:
        return lists.leverages(self.rows @ linalg.cholesky(self.covariance, lower=True))

    def climb(self, looked: Indices, tolerance: float, steps: int, *, part: float = 0.0) -> bool:
        """Step among these lists until none has a leverage above (1 + tolerance) · dimension, or the excess of the
        greatest has fallen to this `part` of what it was; whether there was anything to gain."""
        lists, weights, begun = self.lists.take(looked), self.weights[looked], self.steps
        leverage = self.leverages(lists)
        tolerance = max(tolerance, part * (float(leverage.max()) / self.dimension - 1))
        while self.steps < steps:
            best, worst = int(leverage.argmax()), int(np.where(weights > 0, leverage, np.inf).argmin())
            if leverage[best] <= (1 + tolerance) * self.dimension:
                break
            away = self.dimension - leverage[worst] > leverage[best] - self.dimension
            row = worst if away else best
            amount = self._line_search(lists.about(row, self.rows), float(weights[row]), away)
            leverage = self._step(lists, leverage, row, amount)
            weights[row] = max(weights[row] + amount, 0.0)
            weights /= weights.sum()
            self.steps += 1
            if self.steps % _RENEW == 0:
                self.weights[looked] = weights
                self.renew()
                leverage = self.leverages(lists)
        self.weights[looked] = weights
        return self.steps > begun

    def _line_search(self, direction: Floats, weight: float, away: bool) -> float:
        """The amount t that maximises log det (V + t A Aᵀ) − dimension · log(1 + t), t ≥ −weight.

        With μ the eigenvalues of Aᵀ V⁻¹ A, the derivative by log(1 + t) is Σ μ (1 + t) / (1 + t μ) − dimension.
        """
        size = linalg.eigvalsh(direction.T @ self.covariance @ direction)

        def slope(t: float) -> float:
            return float((size * (1 + t) / (1 + t * size)).sum()) - self.dimension

        if not away:
            return float(brentq(slope, 0.0, _LONGEST)) if slope(_LONGEST) < 0 else _LONGEST
        most = -weight
        if 1 + most * size[-1] > 1e-9 and slope(most) <= 0:
            return most
        return float(brentq(slope, most * (1 - 1e-9), 0.0))

    def _step(self, lists: Lists, leverage: Floats, row: int, amount: float) -> Floats:
        """Add `amount` of one list and scale all back to a sum of 1; the leverages [n] after that."""
        known, change = conditioned(self.covariance, lists.about(row, self.rows), amount)
        self.covariance = known * (1 + amount)
        moved = (lists.along(self.rows @ change) ** 2).sum(axis=(1, 2))
        return np.asarray((leverage - np.sign(amount) * moved) * (1 + amount))

    def rounds(self, sample: int, tolerance: float, steps: int, rng: np.random.Generator) -> None:
        """Climb on random samples, and where one has nothing left to give, on the best of the whole pool."""
        every, first = np.arange(len(self.lists)), max(sample, 4 * self.dimension)
        if not self.begin(np.sort(rng.choice(every, min(first, len(every)), replace=False))):
            self.begin(every)
        while self.steps < steps:
            new = rng.choice(every, sample, replace=False)
            if self.climb(self._beside(new), tolerance, steps, part=_PART):
                continue
            self.renew()
            new = np.argpartition(-self.leverages(self.lists), sample - 1)[:sample]
            if not self.climb(self._beside(new), tolerance, steps, part=_PART):
                break

    def _beside(self, rows: Indices) -> Indices:
        return np.union1d(np.flatnonzero(self.weights), rows)

    def design(self) -> Design:
        self.renew()
        held, leverage = np.flatnonzero(self.weights), self.leverages(self.lists)
        log_det = float(np.linalg.slogdet(self._information())[1])
        gap = float(leverage.max()) - self.dimension
        return Design(held, self.weights[held], log_det, gap, self.dimension, self.steps)


def _whitened(features: Floats, lists: Lists) -> Floats:
    """Features [m, d'] in the d' directions that the pool tells of, such that asking all alike tells the identity."""
    told = features.T @ (lists.laplacian(np.full(len(lists), 1 / max(len(lists), 1)), len(features)) @ features)
    values, vectors = linalg.eigh(told)
    held = values > _RANK * max(values[-1], 0.0)
    if not held.any():
        raise InputError("the pool tells nothing of any direction", where="frank_wolfe_design")
    return np.asarray(features @ (vectors[:, held] / np.sqrt(values[held])))
