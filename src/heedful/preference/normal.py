"""Strengths that are nearly normal, under a prior or by maximum likelihood, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit, ndtri

from heedful.core import Floats, InputError, Interval, Promise
from heedful.preference.counting import PairCounts
from heedful.preference.inference import maximise
from heedful.preference.information import Dense
from heedful.preference.pair_placing import LINKS, split
from heedful.preference.pairs import Pairs
from heedful.preference.rated import check_level
from heedful.preference.ratings import Ratings
from heedful.preference.widths import penalised


@dataclass(frozen=True, eq=False)
class Strengths:
    """Utilities of n items: `mean` [n] and `covariance` [n, n] in nats, NaN where an item is not placed; what intervals
    of them promise."""

    mean: Floats
    covariance: Floats
    promise: Promise

    @classmethod
    def of(cls, ratings: Ratings) -> Strengths:
        """Of ratings with a covariance, as if questions had been fixed beforehand. Raises InputError without one."""
        if ratings.fit is None:
            return cls(ratings.strengths, np.full((len(ratings.strengths),) * 2, np.nan), ratings.promise)
        if ratings.covariance is None:
            raise InputError("these ratings have no covariance", where="ratings", fix="rate(..., interval='sandwich')")
        return cls(ratings.strengths, ratings.covariance, ratings.promise)

    def difference(self, first: int, second: int, *, level: float = 0.95) -> Interval | None:
        """Of u_first − u_second; None where one of them is not placed."""
        along = np.zeros(len(self.mean))
        along[first], along[second] = 1.0, -1.0
        return self._interval(float(self.mean[first] - self.mean[second]), along, level)

    def win_rate(self, item: int, *, level: float = 0.95) -> Interval | None:
        """Of the mean over the other items of P(`item` beats it), σ of the difference.

        By the delta method on its log-odds, which are more nearly normal near 0 and 1.
        """
        others = np.arange(len(self.mean)) != item
        p = expit(self.mean[item] - self.mean)
        rate = p[others].mean()
        along = np.where(others, -p * (1 - p), 0.0) / (others.sum() * rate * (1 - rate))
        along[item] = -along.sum()
        found = self._interval(float(logit(rate)), along, level)
        return found and Interval(float(expit(found.low)), float(expit(found.high)), self.promise, level)

    def _interval(self, value: float, along: Floats, level: float) -> Interval | None:
        """Of a number whose gradient in the utilities is `along`. Raises UsageError for a level that is none."""
        check_level(level)
        used = np.flatnonzero(along)
        half = -ndtri((1 - level) / 2) * np.sqrt(along[used] @ self.covariance[np.ix_(used, used)] @ along[used])
        return Interval(value - half, value + half, self.promise, level) if np.isfinite(half + value) else None


def under_prior(counts: PairCounts, sd: float) -> Strengths:
    """The posterior of strengths under independent priors N(0, sd²), by Laplace's approximation.

    Of truths drawn from the prior, its intervals cover their level whichever questions were asked because of the
    answers so far, and whenever one stopped because of them: neither changes the likelihood but by a factor free of the
    utilities (Berger and Wolpert 1988, "The likelihood principle", section 4.2). Ties are Davidson's, with a flat prior
    on their parameter. Raises InputError for a width that is not above zero and finite, or where comparisons have
    weights.
    """
    if not 0 < sd < np.inf:
        raise InputError(f"the width of a prior is above 0 and finite, not {sd}", where="sd")
    if counts.squares is not None and (counts.squares != counts.counts).any():
        raise InputError("weights are no part of a likelihood", where="counts", fix="count without weights")
    name: Any = "davidson" if counts.counts[1].any() else "bradley_terry"
    link = LINKS[name]
    pairs = Pairs("comparison", link, counts.first, counts.second, split(name, link).T @ counts.counts)
    point = maximise(penalised((pairs,), np.eye(counts.items), sd)).point
    assert isinstance(point.information, Dense)
    n = counts.items
    return Strengths(point.x[:n], point.information.inverse[:n, :n], "credible")
