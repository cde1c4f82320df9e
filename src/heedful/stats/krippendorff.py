"""Krippendorff's alpha: agreement beyond chance of any number of raters, with gaps, on any scale."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.core import Estimate, Floats, InputError
from heedful.stats.resampling import cluster_bootstrap, percentile_interval

Metric = Literal["nominal", "ordinal", "interval"]
METRICS: tuple[Metric, ...] = ("nominal", "ordinal", "interval")

# Fewest units for a bootstrap interval. Measured on 2,000 simulated sets each, three raters, four categories, alpha of
# 0.16 and 0.81, each metric: coverage of 95 % intervals was 0.936 to 0.953 with 100 units, 0.944 to 0.951 with 300; on
# 300 sets each, 0.90 to 0.95 with 30.
MIN_UNITS = 100


def krippendorff_alpha(
    units: NDArray[np.integer[Any]], values: ArrayLike, *, metric: Metric, level: float = 0.95, rng: np.random.Generator
) -> Estimate:
    """Alpha = 1 − observed / expected disagreement (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability").

    `units` [n] says what was rated, `values` [n] how; each row is the value that one rater gave. Units with one value
    say nothing and are left out. Disagreement of two values is: nominal, 1 where they differ; interval, their squared
    difference; ordinal, the squared number of values from one to the other, the two ends counted by half. The interval
    is of a bootstrap over units; with fewer than 100 there is none. Not identified where all values are equal.
    Raises InputError for values that are not finite or an unknown metric.
    """
    if metric not in METRICS:
        raise InputError(f"the metric is one of {', '.join(METRICS)}, not {metric!r}", where="metric")
    array = np.asarray(values, np.float64)
    if array.shape != units.shape or not np.isfinite(array).all():
        raise InputError("units [n] and finite values [n] are needed", where="values")
    code, rated = _pairable(units, array)
    if not len(code):
        return Estimate(float("nan"), 0, identified=False, note="no unit was rated twice")
    kinds, counts, alpha = _kinds(code, rated, metric)
    value = alpha(counts.astype(np.float64) @ kinds)
    total = int(counts.sum())
    if np.isnan(value):
        return Estimate(value, total, identified=False, note="all values are equal, so chance agreement is perfect too")
    if total < MIN_UNITS:
        return Estimate(value, total, note=f"fewer than {MIN_UNITS} units: a bootstrap interval would be too short")
    replicates = cluster_bootstrap(lambda weights: alpha(weights @ kinds), counts, rng=rng)
    interval = percentile_interval(replicates, level=level)
    return Estimate(value, total, float(np.nanvar(replicates)), interval)


def _pairable(units: NDArray[np.integer[Any]], values: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Units as codes 0 .. and values, of the units rated at least twice."""
    _, code, count = np.unique(units, return_inverse=True, return_counts=True)
    several = count[code] > 1
    return np.unique(code[several], return_inverse=True)[1], values[several]


class _Alpha:
    """Alpha from the sums over units of what `_kinds` lists for each."""

    def __init__(self, metric: Metric, categories: int) -> None:
        self.metric, self.categories = metric, categories

    def __call__(self, sums: Floats) -> float:
        observed, expected = self._interval(sums) if self.metric == "interval" else self._categories(sums)
        return 1 - observed / expected if expected > 0 else float("nan")

    def _interval(self, sums: Floats) -> tuple[float, float]:
        n, first, second, within = sums
        return within / n, 2 * (n * second - first**2) / (n * (n - 1))

    def _categories(self, sums: Floats) -> tuple[float, float]:
        coincidences = sums.reshape(self.categories, self.categories)
        margin = coincidences.sum(axis=0)
        n = margin.sum()
        if self.metric == "nominal":
            distance = 1 - np.eye(self.categories)
        else:
            middle = np.cumsum(margin) - margin / 2
            distance = (middle[:, None] - middle[None, :]) ** 2
        return float((coincidences * distance).sum() / n), float(margin @ distance @ margin / (n * (n - 1)))


def _kinds(code: NDArray[np.intp], values: Floats, metric: Metric) -> tuple[Floats, NDArray[np.intp], _Alpha]:
    """What alpha needs of each kind of unit [kinds, k], how many units are of each kind, and alpha itself."""
    if metric == "interval":
        values = values - values.mean()  # alpha does not change, and squares lose fewer digits
        n, first, second = (np.bincount(code, weights) for weights in (np.ones_like(values), values, values**2))
        within = 2 * (n * second - first**2) / (n - 1)
        return np.stack([n, first, second, within], axis=1), np.ones(len(n), np.intp), _Alpha(metric, 0)
    category = np.unique(values, return_inverse=True)[1]
    c = int(category.max()) + 1
    table = np.bincount(code * c + category, minlength=(int(code.max()) + 1) * c).reshape(-1, c)
    patterns, counts = np.unique(table, axis=0, return_counts=True)
    pairs = patterns[:, :, None] * patterns[:, None, :] - np.eye(c) * patterns[:, None, :]
    coincidences = pairs / (patterns.sum(axis=1) - 1)[:, None, None]
    return coincidences.reshape(len(patterns), c * c), counts.astype(np.intp), _Alpha(metric, c)
