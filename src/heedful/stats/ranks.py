"""Confidence sets of ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError

_MOST_DRAWS, _FEWEST_DRAWS = 10_000, 1_000
_DRAWN_DIFFERENCES = 1e9  # draws are cut above this many numbers in all: at 1,000 items there are 1,000 draws
_QUANTILE_DOUBT = 2.326  # 99 % upper limit of the simulated quantile, so that simulation never makes a set too small


def rank_intervals(
    mean: Floats,
    covariance: Floats,
    *,
    level: float = 0.95,
    df: float = np.inf,
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each item the ranks it may have (1 = highest mean), covering its true rank at the level or more.

    `mean` [n] are estimates, `covariance` [n, n] their covariance; only differences matter, so any gauge will do.
    Each item is compared with all its rivals by intervals that hold at once: rivals that are surely better bound
    its rank from below, rivals that are surely worse from above (Mogstad, Romano, Shaikh, Wilhelm 2024). The critical
    value is the simulated quantile of max over rivals of |z|, or of |t| where `df` is finite; its upper 99 % limit is
    taken. Coverage is of each item's set, not of all sets at once. A truth tied with others holds every rank that some
    order of the ties gives it; the set covers all of them.

    Returns (lowest rank [n], highest rank [n]). Raises InputError where shapes do not fit or numbers are not finite.
    """
    n = len(mean)
    if mean.ndim != 1 or covariance.shape != (n, n):
        raise InputError(f"mean [n] and covariance [n, n] are needed, not {list(mean.shape)}, {list(covariance.shape)}")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise InputError("means and covariances must be finite; leave out items that are not identified")
    low, high = np.ones(n, np.intp), np.full(n, n, np.intp)
    if n < 2:
        return low, high
    drawn = _draws(covariance, df, rng)
    work = np.empty_like(drawn)
    variance = np.diag(covariance)
    for item in range(n):
        spread = np.sqrt(np.maximum(variance[item] + variance - 2 * covariance[item], 0.0))
        apart = spread > 1e-8 * np.sqrt(
            variance[item] + variance
        )  # else the difference is known to be zero, or nothing
        inverse = np.divide(1.0, spread, out=np.zeros(n), where=apart).astype(np.float32)
        np.subtract(drawn, drawn[:, [item]], out=work)
        np.multiply(work, inverse, out=work)
        surely = _critical(np.maximum(work.max(axis=1), -work.min(axis=1)), level) * spread
        gap = mean - mean[item]
        low[item] = 1 + (apart & (gap > surely)).sum()
        high[item] = n - (apart & (gap < -surely)).sum()
    return low, high


def _draws(covariance: Floats, df: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draws [k, n] of normal errors of this covariance, over a common chi where df is finite."""
    n = len(covariance)
    draws = int(np.clip(_DRAWN_DIFFERENCES / n**2, _FEWEST_DRAWS, _MOST_DRAWS))
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    drawn = rng.standard_normal((draws, n)) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    if np.isfinite(df):
        drawn /= np.sqrt(rng.chisquare(df, draws) / df)[:, None]
    return drawn.astype(np.float32)  # type: ignore[no-any-return]


def _critical(largest: NDArray[np.float32], level: float) -> float:
    """The upper limit of the `level` quantile of what `largest` [k] is a sample of."""
    draws = len(largest)
    place = int(np.ceil(draws * level + _QUANTILE_DOUBT * np.sqrt(draws * level * (1 - level))))
    place = min(place, draws) - 1
    return float(np.partition(largest, place)[place])
