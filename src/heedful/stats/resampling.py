"""Bootstraps of whole clusters, and exact tests by resampling signs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from heedful.core import Floats, InputError, Interval
from heedful.stats.clusters import Codes, groupings

_EXACT_FLIPS = 14  # up to 2^14 sign patterns are listed; beyond, they are drawn


def cluster_bootstrap(
    statistic: Callable[[Floats], float],
    clusters: int | NDArray[np.integer[Any]],
    *,
    draws: int = 1000,
    rng: np.random.Generator,
) -> Floats:
    """Replicates [draws] of a statistic when whole clusters are drawn with replacement.

    `statistic` takes the weights [clusters] (how often each cluster was drawn) and returns a number, or NaN where it is
    undefined for such a sample. Where many clusters are alike, `clusters` may be how many there are of each kind [k];
    the weights are then of kinds. Raises InputError where there are no clusters.
    """
    counts = np.ones(clusters, np.intp) if isinstance(clusters, int) else np.asarray(clusters)
    total = int(counts.sum())
    if total < 1:
        raise InputError("a bootstrap needs at least one cluster", where="clusters")
    share = counts / total
    return np.array([statistic(rng.multinomial(total, share).astype(np.float64)) for _ in range(draws)])


def percentile_interval(replicates: Floats, *, level: float = 0.95) -> Interval | None:
    """The middle `level` of replicates, those that are NaN left out; None where half or more are (Efron 1979)."""
    known = replicates[~np.isnan(replicates)]
    if 2 * len(known) <= len(replicates):
        return None
    tail = (1 - level) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(low), float(high), "confidence", level)


def sign_flip_test(
    differences: ArrayLike, *, clusters: Sequence[Codes] = (), draws: int = 10_000, rng: np.random.Generator
) -> float:
    """Two-sided p-value of "differences are symmetric about 0", flipping the sign of each cluster's sum.

    Exact at any sample size: with up to 14 clusters of nonzero sum all patterns are listed, else `draws` of them are
    drawn and the one observed is counted among them (Phipson and Smyth 2010). One clustering only. Raises InputError
    for more, since crossed clusters cannot be flipped independently.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(clusters) > 1:
        raise InputError("signs can be flipped for one clustering only", where="clusters")
    sums = groupings(clusters, len(values))[0].sums(values)
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    reach = abs(sums.sum()) * (1 - 1e-12)
    if len(sums) <= _EXACT_FLIPS:
        patterns = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float((np.abs(patterns @ sums) >= reach).mean())
    found = sum(_flips_beyond(sums, reach, size, rng) for size in _batches(draws, len(sums)))
    return float((found + 1) / (draws + 1))


def _batches(draws: int, width: int) -> list[int]:
    """Sizes of batches that together are `draws` and each hold at most about 10^7 signs."""
    size = max(1, 10_000_000 // width)
    return [min(size, draws - done) for done in range(0, draws, size)]


def _flips_beyond(sums: Floats, reach: float, size: int, rng: np.random.Generator) -> int:
    signs = rng.integers(0, 2, (size, len(sums)), dtype=np.int8) * np.int8(2) - np.int8(1)
    return int((np.abs(signs @ sums) >= reach).sum())


def mcnemar(first: ArrayLike, second: ArrayLike) -> float:
    """Exact two-sided p-value that two classifiers are right equally often on independent records (McNemar 1947).

    `first` and `second` [n] are 1 where right, 0 where wrong; records where both are alike say nothing.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    only_first, only_second = int((one > two).sum()), int((two > one).sum())
    split = only_first + only_second
    return min(1.0, float(2 * special.bdtr(min(only_first, only_second), split, 0.5))) if split else 1.0


def permutation_test(first: ArrayLike, second: ArrayLike, *, draws: int = 10_000, rng: np.random.Generator) -> float:
    """One-sided p-value of "the values of first [m] and second [n] are exchangeable", where first has a greater mean.

    Valid at any sample size and with any ties: which of all values are called first is drawn anew, and the one way
    observed is counted among the draws (Phipson and Smyth 2010). Raises InputError where either is empty.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not (len(one) and len(two)):
        raise InputError("two groups of values are needed", where="permutation_test")
    values, counts = np.unique(np.concatenate([one, two]), return_counts=True)
    drawn = rng.multivariate_hypergeometric(counts, len(one), size=draws, method="marginals") @ values
    found = int((drawn >= one.sum() - 1e-9 * max(1.0, np.abs(values).max() * len(one))).sum())
    return (found + 1) / (draws + 1)
