"""Intervals for means, proportions and paired differences, of independent or clustered rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse, special
from scipy.sparse.csgraph import maximum_bipartite_matching

from heedful.core import Estimate, Floats, InputError, Interval, Promise
from heedful.stats.clusters import Codes, Grouping, MeanVariance, groupings, mean_variance

# Where the promises hold, measured on 1,500 to 3,000 simulated sets per case: normal, exponential and binary values
# (p = 0.5 to 0.95, n = 200 and 1,000), clusters in one or two ways with equal, geometric, log-normal or Zipf sizes, and
# correlations of 0 to 0.4 each way.
#
# Fewest clusters for any interval. With 40 or more, coverage of 95 % intervals was 0.935 to 0.965, but for 0.93 at
# p = 0.95 with a correlation of 0.4; with 30, down to 0.925 there and where exponential effects are strong; with 20,
# 0.91; with 12, 0.90; with 4, 0.88.
MIN_CLUSTERS = 30
# Fewest effective clusters (see MeanVariance) for `confidence`, in one way and crossed; with fewer, the degrees of
# freedom are held to that number, and coverage was 0.95 to 1.0, `at least` (0.93 in the hard cases just named).
CONFIDENCE_EFFECTIVE = (8.0, 16.0)
MIN_EFFECTIVE = 2.0
# Fewest effective successes or failures for Wilson's interval in clustered data. Without the exact interval below it,
# coverage at p = 0.95 and a correlation of 0.4 falls from 0.95 to 0.91. Also the fewest values unlike the most frequent
# one that can show how values vary.
MIN_MINORITY = 10.0


def wilson(successes: float, n: float, *, level: float = 0.95) -> Interval:
    """Score interval of a proportion of independent trials (Wilson 1927).

    Raises InputError unless 0 <= successes <= n, n > 0.
    """
    _check_counts(successes, n, level)
    return _wilson(successes / n, n, normal_quantile(level), level, "confidence")


def clopper_pearson(successes: float, n: float, *, level: float = 0.95) -> Interval:
    """Exact interval of a proportion of independent trials: it covers at the level or more (Clopper and Pearson 1934).

    Counts need not be whole: beta quantiles interpolate. Raises InputError unless 0 <= successes <= n, n > 0.
    """
    _check_counts(successes, n, level)
    tail = (1 - level) / 2
    low = float(special.betaincinv(successes, n - successes + 1, tail)) if successes > 0 else 0.0
    high = float(special.betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return Interval(low, high, "at least", level)


def mean_estimate(values: ArrayLike, *, clusters: Sequence[Codes] = (), level: float = 0.95) -> Estimate:
    """Mean of values [n] with its t-interval, robust to any dependence within the clusterings given.

    Variance and degrees of freedom as in `mean_variance`. The promise is `confidence` where the clusters are many
    and even enough, `at least` where they are uneven; where they are too few there is no interval, and `note` says so.
    Raises InputError where values are not finite or there are none.
    """
    array = _checked(values, "values")
    mean = float(array.mean())
    if len(array) < 2:
        return Estimate(mean, len(array), note="one value has no interval")
    found = mean_variance(_residuals(array), clusters)
    promise, note = _promise(found)
    interval = None
    if 0 < (unlike := _unlike(array)) < MIN_MINORITY and promise is not None:
        promise, note = None, f"all but {unlike:g} values are equal: too few to show how they vary"
    if promise is not None:
        half = _t_quantile(level, _df(found)) * np.sqrt(found.variance)
        interval = Interval(float(mean - half), float(mean + half), promise, level)
    return Estimate(mean, len(array), found.variance, interval, note=note)


def proportion(values: ArrayLike, *, clusters: Sequence[Codes] = (), level: float = 0.95) -> Estimate:
    """Proportion of ones among values [n] in [0, 1] (a half counts half), with an interval that respects clusters.

    Independent zeros and ones: Wilson's interval. Otherwise Wilson's interval for the effective number of trials
    p(1 − p)/variance with a t quantile (Korn and Graubard 1998, with Wilson's in place of the exact interval), for the
    degrees of freedom that the tails of the clusters' sums leave. With few effective successes or failures: the exact
    interval for the effective number, reduced for few degrees of freedom (ibid.), which keeps the whole procedure at
    its level. Where all clustered values are 0 or all 1: the exact interval for the largest set of rows that share no
    cluster, since these are independent.

    Raises InputError where values lie outside [0, 1] or there are none.
    """
    array = _checked(values, "values")
    if array.min() < 0 or array.max() > 1:
        raise InputError("a proportion is of values in [0, 1]", where="values")
    n, mean = len(array), float(array.mean())
    groups = groupings(clusters, n)
    if groups[0].groups == n and bool(((array == 0) | (array == 1)).all()):
        return Estimate(mean, n, mean * (1 - mean) / n, wilson(array.sum(), n, level=level))
    if mean in (0.0, 1.0):
        return _unanimous(mean, groups, n, level)
    if n < 2:
        return Estimate(mean, n, note="one value has no interval")
    found = mean_variance(_residuals(array), [group.code for group in groups])
    return _effective_proportion(mean, n, found, level, _unlike(array))


def paired_difference(
    first: ArrayLike, second: ArrayLike, *, clusters: Sequence[Codes] = (), level: float = 0.95
) -> tuple[Estimate, float]:
    """Mean of first − second over the same rows [n]: clustered t-interval and two-sided p-value of no difference.

    The p-value is below 1 − level exactly where the interval excludes zero. It is 1 where every pair is equal, and
    NaN where there is no interval for another reason. Raises InputError where the lengths differ.
    """
    first, second = _checked(first, "first"), _checked(second, "second")
    if first.shape != second.shape:
        raise InputError(f"pairs need equal lengths, not {len(first)} and {len(second)}")
    difference = first - second
    estimate = mean_estimate(difference, clusters=clusters, level=level)
    if not difference.any():
        return estimate, 1.0
    if estimate.interval is None:
        return estimate, float("nan")
    found = mean_variance(_residuals(difference), clusters)
    return estimate, float(2 * special.stdtr(_df(found), -abs(estimate.value) / np.sqrt(found.variance)))


def _unlike(values: Floats) -> float:
    """How many values are not the most frequent one."""
    return float(len(values) - np.unique(values, return_counts=True)[1].max())


def _residuals(values: Floats) -> Floats:
    """Values less their mean; exactly zero where all are equal, however their sum is rounded."""
    return values - values.mean() if np.ptp(values) else np.zeros_like(values)


def _unanimous(mean: float, groups: Sequence[Grouping], n: int, level: float) -> Estimate:
    """The exact interval of independent rows; its promise is that of the design, since which rule applies is chance."""
    free = independent_rows(groups)
    exact = clopper_pearson(mean * free, free, level=level)
    promise = _design(mean_variance(np.zeros(n), [group.code for group in groups]))
    note = f"unanimous: the interval rests on {free} rows that share no cluster"
    return Estimate(mean, n, 0.0, Interval(exact.low, exact.high, promise or "at least", level), note=note)


def independent_rows(groups: Sequence[Grouping]) -> int:
    """The size of a set of rows no two of which share a group: the largest, but for three groupings or more."""
    if len(groups) == 1:
        return groups[0].groups
    if len(groups) == 2:
        one, two = groups
        links = sparse.csr_array((np.ones(len(one.code)), (one.code, two.code)), shape=(one.groups, two.groups))
        return int((maximum_bipartite_matching(links) >= 0).sum())
    taken: set[tuple[int, int]] = set()
    for codes in zip(*(group.code.tolist() for group in groups), strict=True):
        if taken.isdisjoint(enumerate(codes)):
            taken.update(enumerate(codes))
    return len(taken) // len(groups)


def _effective_proportion(mean: float, n: int, found: MeanVariance, level: float, unlike: float) -> Estimate:
    """`unlike` counts the values that are not the most frequent one: among many ties, a rate rests on these alone."""
    promise, note = _promise(found)
    if promise is None:
        return Estimate(mean, n, found.variance, note=note)
    trials = mean * (1 - mean) / found.variance
    if min(trials * min(mean, 1 - mean), unlike) >= MIN_MINORITY:
        heavy = _t_quantile(level, min(_df(found), found.heavy_df))
        return Estimate(mean, n, found.variance, _wilson(mean, trials, heavy, level, promise), note=note)
    quantile = _t_quantile(level, _df(found))
    trials = min(trials, n) * (normal_quantile(level) / quantile) ** 2
    exact = clopper_pearson(mean * trials, trials, level=level)
    return Estimate(mean, n, found.variance, Interval(exact.low, exact.high, promise, level), note=note)


def _df(found: MeanVariance) -> float:
    """Degrees of freedom for t quantiles: no more than the effective clusters where these are few."""
    return found.df if _many(found) else min(found.df, found.effective)


def _many(found: MeanVariance) -> bool:
    return found.effective >= CONFIDENCE_EFFECTIVE[found.crossed]


def _design(found: MeanVariance) -> Promise | None:
    """What an interval from so many clusters of such sizes can promise, whatever the values."""
    if found.groups < MIN_CLUSTERS or found.effective < MIN_EFFECTIVE:
        return None
    return "confidence" if _many(found) else "at least"


def too_few_clusters(clusters: Sequence[Codes], n: int) -> str:
    """Why n rows in these clusters allow no interval, whatever their values; "" where they do, or share no cluster."""
    groups = groupings(clusters, n)
    if groups[0].groups == n:
        return ""
    found = mean_variance(np.zeros(n), [group.code for group in groups])
    return "" if _design(found) else _too_few(found)


def _promise(found: MeanVariance) -> tuple[Promise | None, str]:
    """What an interval can promise, and a note where it is not `confidence`."""
    promise = _design(found)
    if promise is None:
        return None, _too_few(found)
    if found.variance <= 0:
        return None, "all values are equal, so nothing shows how they vary"
    return promise, "" if promise == "confidence" else f"{_described(found)}: the interval errs on the wide side"


def _too_few(found: MeanVariance) -> str:
    limits = f"fewer than {MIN_CLUSTERS} in all, or {MIN_EFFECTIVE:g} equal"
    return f"{_described(found)} are too few for an interval ({limits})"


def _described(found: MeanVariance) -> str:
    return f"{found.groups} clusters with the weight of {found.effective:.1f} equal ones"


def _wilson(p: float, n: float, quantile: float, level: float, promise: Promise) -> Interval:
    square = quantile**2 / n
    centre = (p + square / 2) / (1 + square)
    half = np.sqrt(square * p * (1 - p) + square**2 / 4) / (1 + square)
    return Interval(float(max(centre - half, 0.0)), float(min(centre + half, 1.0)), promise, level)


def _t_quantile(level: float, df: float) -> float:
    return float(special.stdtrit(df, (1 + _checked_level(level)) / 2))


def normal_quantile(level: float) -> float:
    return float(special.ndtri((1 + _checked_level(level)) / 2))


def _checked_level(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"a level lies between 0 and 1, not {level}", where="level")
    return level


def _check_counts(successes: float, n: float, level: float) -> None:
    _checked_level(level)
    if not (n > 0 and 0 <= successes <= n):
        raise InputError(f"{successes} successes of {n} trials cannot be", where="successes")


def _checked(values: ArrayLike, where: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise InputError(f"values are needed, of shape [n], not {list(array.shape)}", where=where)
    if not np.isfinite(array).all():
        raise InputError(f"{int((~np.isfinite(array)).sum())} of {len(array)} values are not finite", where=where)
    return array
