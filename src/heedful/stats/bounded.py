"""Means of bounded values by betting, for at most so many values as are known to be there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from heedful.core import Floats, InputError, Interval

# The capital of 16 bets is within 2 % of that of endlessly many.
_BETS = 16
_BISECTIONS = 40


@dataclass(frozen=True, eq=False)
class Bets:
    """Bets against "the mean is at most `mean`", each on all values to come: `stake` λ and `weight` [bets].

    The capital Σ weight Π (1 + λ (x/mean − 1)) of values x in [0, 1] is a nonnegative supermartingale that starts at 1,
    if no value's mean, given all before, is above `mean`: it ever reaches 1/α with probability at most α (Ville).
    """

    mean: float
    stake: Floats
    weight: Floats

    @classmethod
    def within(cls, n: int, alpha: float, mean: float) -> Bets:
        """Bets for at most n values and an error rate: spread evenly in log λ from sqrt(2 log(1/α) / n), the one that
        suits the smallest effect that n values may prove, to 1 (bets as in Waudby-Smith and Ramdas 2024; a mixture as
        in Robbins 1970). Raises InputError unless n >= 1, 0 < alpha < 1 and 0 < mean <= 1."""
        if not (n >= 1 and 0 < alpha < 1 and 0 < mean <= 1):
            what = f"no bets suit {n} values, an error rate of {alpha:g} and a mean of {mean:g}"
            raise InputError(what, where="Bets")
        smallest = min(0.5, float(np.sqrt(-2 * np.log(alpha) / n)))
        nodes, weights = _nodes()
        return cls(mean, smallest**nodes, weights)

    def growth(self, values: ArrayLike) -> Floats:
        """By how much each of the values [n] raises the log of each bet's capital [bets, n]. Raises InputError for
        values outside [0, 1]."""
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 1 or not ((array >= 0) & (array <= 1)).all():
            what = "values of shape [n] in [0, 1] are needed"
            raise InputError(what, where="values", fix="rescale them by known bounds")
        return np.log1p(np.multiply.outer(self.stake, array / self.mean - 1))

    def log_e(self, growth: Floats) -> Floats:
        """The log of the evidence [...], of the summed growth of each bet [bets, ...]."""
        most = growth.max(axis=0)
        return np.asarray(most + np.log(np.tensordot(self.weight, np.exp(growth - most), axes=1)))


@cache
def _nodes() -> tuple[Floats, Floats]:
    """Gauss-Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(_BETS)
    return (1 - nodes) / 2, weights / 2


def bounded_interval(values: ArrayLike, *, level: float = 0.95) -> tuple[Interval, float]:
    """Interval for the mean of n independent values in [0, 1], whatever their distribution, and the p-value of a mean
    of 1/2: below 1 − level exactly where the interval excludes 1/2.

    It covers at the level or more at any n: means are left out that `Bets` have evidence of 2/(1 − level) against, from
    either side. Raises InputError for values outside [0, 1], or none.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        raise InputError("an interval needs values", where="values")
    if not 0 < level < 1:
        raise InputError(f"a level lies between 0 and 1, not {level}", where="level")
    half = (1 - level) / 2
    low, high = _lowest(array, half), 1 - _lowest(1 - array, half)
    most = max(_against(array, 0.5, half), _against(1 - array, 0.5, half))
    return Interval(min(low, high), max(low, high), "at least", level), float(min(1.0, 2 * np.exp(-most)))


def _against(values: Floats, mean: float, alpha: float) -> float:
    bets = Bets.within(len(values), alpha, mean)
    return float(bets.log_e(bets.growth(values).sum(axis=1)))


def _lowest(values: Floats, alpha: float) -> float:
    """The greatest mean that the evidence rejects, by bisection: the evidence falls in the mean."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _against(values, middle, alpha) >= -np.log(alpha) else (low, middle)
    return low
