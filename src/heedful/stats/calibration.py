"""Whether probabilities mean what they say, and how to mend them when they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, sparse, special

from heedful.core import Estimate, Floats, InputError, Interval
from heedful.stats.clusters import Codes, clustered_meat, groupings
from heedful.stats.intervals import proportion, too_few_clusters
from heedful.stats.scoring import checked_forecasts

_NULL_DRAWS = 1000
_DRAWN_AT_MOST = 2_000_000  # outcomes per batch of redrawn data sets
_NEWTON_STEPS = 100


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Records whose probabilities lie in [low, high]: how many, what was predicted and what happened on average.

    `note` says what must be known about the interval, or why there is none.
    """

    low: float
    high: float
    n: int
    predicted: float
    observed: float
    interval: Interval | None
    note: str = ""


class CalibrationError(TypedDict):
    """Expected calibration error, and what it would be were the probabilities right.

    `plain` is the weighted mean over bins of |observed − predicted|. Noise alone makes it positive; `expected` is its
    mean when the probabilities are right, and `ece` is plain − expected, at least 0. `null_low` to `null_high` is the
    band that then holds `plain` at the level; None where clusters are too few to tell, which `note` says.
    """

    ece: float
    plain: float
    expected: float
    null_low: float | None
    null_high: float | None
    bins: int
    note: str


def equal_mass_bins(probability: ArrayLike, bins: int = 10) -> NDArray[np.intp]:
    """Bin of each of the probabilities [n]: about equally many in each, equal probabilities always together."""
    if bins < 1:
        raise InputError(f"at least one bin is needed, not {bins}", where="bins")
    probability = np.asarray(probability, np.float64)
    if not len(probability):
        return np.zeros(0, np.intp)
    _, code, count = np.unique(probability, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2  # a run of equal values goes where its middle falls
    place = np.minimum((middle * bins / len(probability)).astype(np.intp), bins - 1)
    return np.unique(place, return_inverse=True)[1][code].astype(np.intp)


def reliability_curve(
    probability: ArrayLike,
    outcome: ArrayLike,
    bins: int = 10,
    *,
    clusters: Sequence[Codes] = (),
    level: float = 0.95,
) -> tuple[ReliabilityBin, ...]:
    """Predicted against observed frequency in bins of about equal mass, in rising order, with intervals.

    `probability` [n] in [0, 1], `outcome` [n] of 0, 1 or shares of voters between; observed is the mean outcome.
    Intervals are those of `proportion`, which respects clusters.
    """
    p, y = checked_forecasts(probability, outcome, shares=True)
    place = equal_mass_bins(p, bins)
    curve = []
    for index in range(place.max(initial=-1) + 1):
        rows = place == index
        observed = proportion(y[rows], clusters=[codes[rows] for codes in clusters], level=level)
        inside = p[rows]
        curve.append(
            ReliabilityBin(
                float(inside.min()),
                float(inside.max()),
                int(rows.sum()),
                float(inside.mean()),
                observed.value,
                observed.interval,
                observed.note,
            )
        )
    return tuple(curve)


def expected_calibration_error(
    probability: ArrayLike,
    outcome: ArrayLike,
    *,
    rng: np.random.Generator,
    bins: int = 10,
    clusters: Sequence[Codes] = (),
    level: float = 0.95,
) -> CalibrationError:
    """Expected calibration error over bins of equal mass, less what noise alone adds, with its null band.

    Σ_b n_b/n · |observed_b − predicted_b| (Naeini et al. 2015), observed the mean outcome: 0, 1 or a share of voters
    between. It is biased upward (Roelofs et al. 2022). The bias under perfect calibration and the null band come from
    1,000 draws of the bins' sums of outcome − probability (consistency resampling, Bröcker and Smith 2007, with the
    covariance of clustered votes; see `_null_covariance`). With fewer clusters than any interval needs there is no
    band. Raises InputError where there are no records.
    """
    p, y = checked_forecasts(probability, outcome, shares=True)
    if not len(p):
        raise InputError("no records to measure calibration on", where="probability")
    place = equal_mass_bins(p, bins)
    count = int(place.max()) + 1
    plain = float(np.abs(np.bincount(place, y - p, count)).sum() / len(p))
    null = np.abs(_null_deviations(p, y, place, count, clusters, rng)).sum(axis=1) / len(p)
    expected, tail = float(null.mean()), (1 - level) / 2
    low, high = (float(end) for end in np.quantile(null, [tail, 1 - tail]))
    note = too_few_clusters(clusters, len(p))
    return CalibrationError(
        ece=max(plain - expected, 0.0),
        plain=plain,
        expected=expected,
        null_low=None if note else low,
        null_high=None if note else high,
        bins=count,
        note=note,
    )


def _null_deviations(
    p: Floats, y: Floats, place: NDArray[np.intp], count: int, clusters: Sequence[Codes], rng: np.random.Generator
) -> Floats:
    """Draws [draws, count] of the bins' sums of outcome − probability for right probabilities."""
    own = _own_variances(p, y, place, count)
    exact = len(p) * _NULL_DRAWS <= 10 * _DRAWN_AT_MOST and bool(np.isin(y, (0.0, 1.0)).all())
    drawn = _redrawn(p, place, count, rng) if exact else rng.standard_normal((_NULL_DRAWS, count)) * np.sqrt(own)
    groups = groupings(clusters, len(p))
    if groups[0].groups == len(p) or min(group.groups for group in groups) < 2:
        return drawn
    values, vectors = np.linalg.eigh(_null_covariance(y - p, place, own, clusters))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    # The symmetric root moves standardised draws as little as it can, so that few rare outcomes stay skewed.
    return np.asarray(np.divide(drawn, np.sqrt(own), out=np.zeros_like(drawn), where=own > 0) @ root)


def _own_variances(p: Floats, y: Floats, place: NDArray[np.intp], count: int) -> Floats:
    """Variance of each bin's sum of outcomes [count] were they independent.

    Single votes vary by p(1 − p). Shares vary less, by how much depends on their voters: where there are any, the
    variance is the sum of squared residuals. These are not centred, as in a score test, for they have mean 0 if the
    probabilities are right: with ten shares to a bin 2.5 to 4 % of calibrated sets then lie above a 95 % band, and
    5 to 7 % were they centred. An error d in a bin of n adds no more than 0.8 d/√n to what noise is taken to add.
    """
    if np.isin(y, (0.0, 1.0)).all():
        return np.bincount(place, p * (1 - p), count).astype(np.float64)
    return np.bincount(place, (y - p) ** 2, count).astype(np.float64)


def _null_covariance(residual: Floats, place: NDArray[np.intp], own: Floats, clusters: Sequence[Codes]) -> Floats:
    """Covariance [count, count] of the bins' sums of residuals that have mean 0 and depend within clusters.

    The clustered meat of the residuals is the sum of their squares and of the products of different rows of a cluster;
    of these, only the products are estimated from it, the squares have the expectation `own`. Residuals are not centred
    here either.
    """
    n, count = len(residual), len(own)
    scores = sparse.csr_array((residual, place, np.arange(n + 1)), shape=(n, count))
    meat, _ = clustered_meat(scores, clusters)
    return meat + np.diag(own - np.bincount(place, residual**2, count))


def _redrawn(p: Floats, place: NDArray[np.intp], count: int, rng: np.random.Generator) -> Floats:
    """Sums of (outcome − probability) per bin [draws, count] when votes are redrawn one by one, independently."""
    order = np.argsort(place, kind="stable")
    start = np.searchsorted(place[order], np.arange(count))
    sorted_p = p[order]
    batch = max(1, _DRAWN_AT_MOST // len(p))
    parts = []
    for done in range(0, _NULL_DRAWS, batch):
        redrawn = rng.random((min(batch, _NULL_DRAWS - done), len(p))) < sorted_p
        parts.append(np.add.reduceat(redrawn - sorted_p, start, axis=1))
    return np.concatenate(parts)


def temperature(probability: ArrayLike, outcome: ArrayLike) -> Estimate:
    """The temperature T > 0 for which σ(logit / T) has the least log loss (Guo et al. 2017, section 4.2).

    Above 1 the probabilities were too sure, below 1 too timid. Newton's method on 1/T, in which the loss is convex;
    the variance is from the observed information. Not identified where all probabilities are 1/2, or where the data are
    separated: no wrong prediction (T → 0), or none better than chance (T → infinity, or negative 1/T).
    Raises InputError where a probability is exactly 0 or 1, for its logit is infinite.
    """
    p, y = checked_forecasts(probability, outcome)
    if ((p == 0) | (p == 1)).any():
        raise InputError("a probability of exactly 0 or 1 has no logit", where="probability")
    logit = special.logit(p)
    margin = np.where(y == 1, logit, -logit)
    if not (margin > 0).any() or margin.sum() <= 0:
        return Estimate(np.inf, len(p), identified=False, note="the predictions are no better than chance")
    if not (margin < 0).any():
        return Estimate(0.0, len(p), identified=False, note="no prediction was wrong, so any sharpening helps")
    slope = _sharpness(margin)
    information = float((margin**2 * special.expit(slope * margin) * special.expit(-slope * margin)).sum())
    return Estimate(1 / slope, len(p), 1 / (information * slope**4))


def _sharpness(margin: Floats) -> float:
    """argmin over s of Σ log(1 + exp(−s·margin)), by Newton steps kept inside a bracket of the root of its slope."""
    low, high, slope = 0.0, np.inf, 1.0
    for _ in range(_NEWTON_STEPS):
        wrong = special.expit(-slope * margin)
        gradient = -float(margin @ wrong)
        low, high = (slope, high) if gradient < 0 else (low, slope)
        step = slope - gradient / float(margin**2 @ (wrong * (1 - wrong)))
        if not low < step < high:
            step = 2 * slope if np.isinf(high) else (low + high) / 2
        if abs(step - slope) <= 1e-12 * slope:
            return step
        slope = step
    return slope


def softmax_temperature(logits: ArrayLike, outcome: ArrayLike) -> Estimate:
    """The temperature T > 0 for which softmax(logits / T) gives what happened the least log loss (Guo et al. 2017).

    `logits` [n, s], up to a constant a row: log-probabilities serve; `outcome` [n], which of the s happened. Convex in
    1/T; the variance is from the observed information. Not identified where the likeliest outcome always happened
    (T → 0), or where what happened had on average no greater logit than the s together (T → infinity).
    Raises InputError where logits are not finite or outcomes not among them.
    """
    given, happened = np.asarray(logits, np.float64), np.asarray(outcome)
    if given.ndim != 2 or happened.shape != given.shape[:1] or not np.isfinite(given).all():
        raise InputError(f"finite logits [n, s] and outcomes [n] are needed, not {given.shape}, {happened.shape}")
    if happened.dtype.kind not in "iu" or ((happened < 0) | (happened >= given.shape[1])).any():
        raise InputError(f"outcomes are whole numbers from 0 to {given.shape[1] - 1}", where="outcome")
    n = len(given)
    ahead = given - given[np.arange(n), happened][:, None]  # of what happened, 0

    def slope(sharpness: float) -> float:
        return -float((special.softmax(sharpness * ahead, axis=1) * ahead).sum())

    if slope(0.0) <= 0:
        return Estimate(np.inf, n, identified=False, note="the logits tell no better than chance what happens")
    if ahead.max() <= 0:
        return Estimate(0.0, n, identified=False, note="the likeliest always happened, so any sharpening helps")
    high = 1.0
    while slope(high) > 0:
        high *= 2
    found = float(optimize.brentq(slope, 0.0, high, xtol=1e-12, rtol=1e-12))
    weight = special.softmax(found * ahead, axis=1)
    information = float((weight * ahead**2).sum() - ((weight * ahead).sum(axis=1) ** 2).sum())
    return Estimate(1 / found, n, 1 / (information * found**4))


def apply_temperature(probability: ArrayLike, value: float) -> Floats:
    """σ(logit(p) / T) of the probabilities [n]."""
    if not value > 0:
        raise InputError(f"a temperature is positive, not {value}", where="value")
    return np.asarray(special.expit(special.logit(np.asarray(probability, np.float64)) / value))
