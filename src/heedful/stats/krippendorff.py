"""Krippendorff's alpha: agreement beyond chance of any number of raters, with gaps, on any scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.core import Estimate, Floats, InputError, Interval
from heedful.stats.clusters import Codes
from heedful.stats.intervals import MIN_MINORITY, mean_estimate

Metric = Literal["nominal", "ordinal", "interval"]
METRICS: tuple[Metric, ...] = ("nominal", "ordinal", "interval")


def krippendorff_alpha(
    units: NDArray[np.integer[Any]],
    values: ArrayLike,
    *,
    metric: Metric,
    clusters: Sequence[Codes] = (),
    level: float = 0.95,
) -> Estimate:
    """Alpha = 1 − observed / expected disagreement (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability").

    `units` [n] says what was rated, `values` [n] how; each row is the value that one rater gave. Units with one value
    say nothing and are left out. Disagreement of two values is: nominal, 1 where they differ; interval, their squared
    difference; ordinal, the squared number of values from one to the other, the two ends counted by half.

    `clusters` [n] each say which units belong together, such as those of one prompt. The interval is a t-interval of
    log(1 − alpha), the logarithm of a ratio, by its linear approximation in the units (the delta method: the mean of
    their influences, with the clustered variance, promise and limits of `mean_estimate`), carried back to alpha. There
    is none where raters differ on fewer than 10 units. Not identified where all values are equal. Raises InputError for
    values that are not finite, an unknown metric, or a unit in two clusters.
    """
    if metric not in METRICS:
        raise InputError(f"the metric is one of {', '.join(METRICS)}, not {metric!r}", where="metric")
    array = np.asarray(values, np.float64)
    if array.shape != units.shape or not np.isfinite(array).all():
        raise InputError("units [n] and finite values [n] are needed", where="values")
    rows, code = _pairable(units)
    if not len(rows):
        return Estimate(float("nan"), 0, identified=False, note="no unit was rated twice")
    total, rated = int(code.max()) + 1, array[rows]
    if not np.ptp(rated):
        note = "all values are equal, so chance agreement is perfect too"
        return Estimate(float("nan"), total, identified=False, note=note)
    parts, kind = _number_parts(code, rated) if metric == "interval" else _category_parts(code, rated)
    ratio, gradient = _DISAGREEMENT[metric](np.bincount(kind, minlength=len(parts)) @ parts)
    low, high = _extremes(code, rated, total)
    if (differ := int((low < high).sum())) < MIN_MINORITY:
        return Estimate(1 - ratio, total, note=f"raters differ on {differ} of {total} units: too few for an interval")
    influence = total * (parts @ gradient)[kind]
    log_ratio = mean_estimate(influence, clusters=[_of_units(c[rows], code, total) for c in clusters], level=level)
    variance = None if log_ratio.variance is None else ratio**2 * log_ratio.variance
    return Estimate(1 - ratio, total, variance, _interval(ratio, log_ratio), note=log_ratio.note)


def _interval(ratio: float, log_ratio: Estimate) -> Interval | None:
    """Of alpha = 1 − ratio, from the interval of the logarithm's error."""
    if (found := log_ratio.interval) is None:
        return None
    factor = np.exp((found.high - found.low) / 2)
    return Interval(float(1 - ratio * factor), float(1 - ratio / factor), found.promise, found.level)


def _pairable(units: NDArray[np.integer[Any]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of units with several rows, and the units of these rows as codes 0 .. ."""
    _, code, count = np.unique(units, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(count[code] > 1)
    return rows, np.unique(code[rows], return_inverse=True)[1]


def _extremes(code: NDArray[np.intp], values: Any, total: int) -> tuple[Any, Any]:
    """The least and the greatest value of each unit."""
    order = np.lexsort((values, code))
    start = np.searchsorted(code[order], np.arange(total))
    return values[order][start], values[order][np.r_[start[1:], len(order)] - 1]


def _of_units(codes: Codes, code: NDArray[np.intp], total: int) -> Codes:
    """The cluster of each unit."""
    low, high = _extremes(code, codes, total)
    if (low != high).any():
        raise InputError(f"{int((low != high).sum())} units lie in two clusters", where="clusters")
    return np.asarray(low)


def _number_parts(code: NDArray[np.intp], values: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Number, sum, sum of squares and squared differences / (number − 1) of each unit [units, 4], and 0 .. units-1."""
    values = values - values.mean()  # alpha does not change, and squares lose fewer digits
    n, first, second = (np.bincount(code, weights) for weights in (np.ones_like(values), values, values**2))
    within = 2 * (n * second - first**2) / (n - 1)
    return np.stack([n, first, second, within], axis=1), np.arange(len(n))


def _category_parts(code: NDArray[np.intp], values: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Coincidences [kinds, c²] of each kind of unit, and the kind of each unit [units]."""
    category = np.unique(values, return_inverse=True)[1]
    c = int(category.max()) + 1
    table = np.bincount(code * c + category, minlength=(int(code.max()) + 1) * c).reshape(-1, c)
    patterns, kind = np.unique(table, axis=0, return_inverse=True)
    pairs = patterns[:, :, None] * patterns[:, None, :] - np.eye(c) * patterns[:, None, :]
    coincidences = pairs / (patterns.sum(axis=1) - 1)[:, None, None]
    return coincidences.reshape(len(patterns), c * c), kind.ravel()


# Each gives 1 − alpha = (n − 1) · observed / expected from the sum of the units' parts, and its logarithm's gradient.


def _interval_disagreement(sums: Floats) -> tuple[float, Floats]:
    n, first, second, within = sums
    spread = n * second - first**2
    gradient = np.array([1 / (n - 1) - second / spread, 2 * first / spread, -n / spread, 1 / within if within else 0])
    return float((n - 1) * within / (2 * spread)), gradient


def _nominal_disagreement(sums: Floats) -> tuple[float, Floats]:
    coincidences, margin, n = _margins(sums)
    distance = 1 - np.eye(len(margin))
    observed, expected = float((coincidences * distance).sum()), float(margin @ distance @ margin)
    by_margin = 1 / (n - 1) - 2 * (distance @ margin) / expected
    return (n - 1) * observed / expected, (distance / (observed or 1.0) + by_margin).ravel()


def _ordinal_disagreement(sums: Floats) -> tuple[float, Floats]:
    """The distances (m_k − m_l)² are of ranks m = cumulated margins less half, so they move with the margins too."""
    coincidences, margin, n = _margins(sums)
    rank = np.cumsum(margin) - margin / 2
    apart = rank[:, None] - rank[None, :]
    observed, expected = float((coincidences * apart**2).sum()), float(margin @ apart**2 @ margin)
    by_rank = 4 * (coincidences * apart).sum(axis=1) / (observed or 1.0) - 4 * margin * (apart @ margin) / expected
    by_margin = 1 / (n - 1) - 2 * (apart**2 @ margin) / expected + np.cumsum(by_rank[::-1])[::-1] - by_rank / 2
    return (n - 1) * observed / expected, (apart**2 / (observed or 1.0) + by_margin).ravel()


def _margins(sums: Floats) -> tuple[Floats, Floats, float]:
    """Coincidences [c, c], their column sums [c] and their sum."""
    c = round(len(sums) ** 0.5)
    coincidences = sums.reshape(c, c)
    return coincidences, coincidences.sum(axis=0), float(coincidences.sum())


_DISAGREEMENT = {
    "nominal": _nominal_disagreement,
    "ordinal": _ordinal_disagreement,
    "interval": _interval_disagreement,
}
