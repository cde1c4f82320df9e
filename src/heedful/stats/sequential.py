"""Inference that stays valid however often one looks and whenever one stops.

Values are bounded, independent or not, as long as each has the same conditional mean given the past. Betting on them
gives a nonnegative martingale; by Ville's inequality it exceeds 1/alpha with probability at most alpha, ever.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heedful.core import Floats, InputError, Interval

_TRUNCATION = 0.5  # the share of the wealth that a bet may lose (Waudby-Smith and Ramdas 2024, c = 1/2)
_BISECTIONS = 50


def confidence_sequence(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Interval for the mean of values [n] in [0, 1], valid at every n at once: stop, or go on, when you like.

    The hedged capital process with predictable plug-in bets, intersected over all times up to n (Waudby-Smith and
    Ramdas 2024, theorem 3, with equal hedging). Before the first value it is [0, 1].
    Raises InputError where values lie outside [0, 1].
    """
    if not 0 < level < 1:
        raise InputError(f"a level lies between 0 and 1, not {level}", where="level")
    array = _bounded(values)
    if not len(array):
        return Interval(0.0, 1.0, "at least", level)
    # Each half of the hedge starts with half the wealth, so it must double as much: 1 / (alpha / 2).
    bar = np.log(2 / (1 - level))
    low = _lowest_mean(array, bar, 1 - level)
    high = 1 - _lowest_mean(1 - array, bar, 1 - level)
    # Both ends hold at once with the promised probability. Where they cross, no constant mean fits: rarer still.
    return Interval(min(low, high), max(low, high), "at least", level)


def difference_sequence(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Interval:
    """Interval for the mean of first − second, of values [n] in [0, 1] on the same tasks, valid at every n at once.

    The two may depend on each other as they like: the differences are bet on. Raises InputError where values lie
    outside [0, 1] or lengths differ.
    """
    one, other = _bounded(first), _bounded(second)
    if one.shape != other.shape:
        raise InputError(f"pairs need equal lengths, not {len(one)} and {len(other)}", where="difference_sequence")
    half = confidence_sequence((one - other + 1) / 2, level=level)
    return Interval(2 * half.low - 1, 2 * half.high - 1, half.promise, level)


def e_process(values: ArrayLike, mean: float, *, alpha: float = 0.05) -> Floats:
    """Evidence [n] against "the mean is at most `mean`" after each of the values [n] in [0, 1].

    Under that hypothesis its expectation is at most 1 at any stopping time, so rejecting once it reaches 1/α has an
    error of at most α. The capital of one who bets on larger values, with predictable plug-in bets sized for `alpha`
    (Waudby-Smith and Ramdas 2024). Raises InputError unless 0 <= mean < 1 and values lie in [0, 1].
    """
    if not 0 <= mean < 1:
        raise InputError(f"the mean under test lies in [0, 1), not {mean}", where="mean")
    array = _bounded(values)
    with np.errstate(over="ignore"):
        return np.exp(_log_capital(array, mean, _bets(array, alpha)))


def _bounded(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not ((array >= 0) & (array <= 1)).all():
        raise InputError("values of shape [n] in [0, 1] are needed", where="values", fix="rescale them by known bounds")
    return array


def _bets(values: Floats, alpha: float) -> Floats:
    """Bets [n], each a function of the values before it only (ibid.).

    λ_t = sqrt(2 log(2/α) / (σ²_{t−1} t log(1 + t))), with σ² and the mean it uses shrunk toward 1/4 and 1/2.
    """
    n = len(values)
    time = np.arange(1, n + 1)
    mean = (0.5 + np.cumsum(values)) / (time + 1)
    variance = (0.25 + np.cumsum((values - mean) ** 2)) / (time + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    return np.asarray(np.sqrt(2 * np.log(2 / alpha) / (before * time * np.log1p(time))))


def _log_capital(values: Floats, mean: float, bets: Floats) -> Floats:
    """log Π (1 + λ_i (x_i − m)), with bets cut at c/m so that the capital stays positive."""
    held = np.minimum(bets, _TRUNCATION / mean) if mean > 0 else bets
    return np.cumsum(np.log1p(held * (values - mean)))


def _lowest_mean(values: Floats, bar: float, alpha: float) -> float:
    """The largest m such that every smaller mean is rejected: the capital falls in m, so it is found by bisection."""
    bets = _bets(values, alpha)

    def rejected(mean: float) -> bool:
        return bool(_log_capital(values, mean, bets).max() >= bar)

    low, high = 0.0, 1.0
    if not rejected(low):
        return 0.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low
