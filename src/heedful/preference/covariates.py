"""Strengths of items from comparisons with covariates of their own, such as differences of style ("style control").

ratings = rate_with_covariates(first, second, outcome, np.column_stack([length_first - length_second, shown_first]))
ratings.strengths, ratings.coefficients

The first item is preferred by u_first − u_second + β · x: strengths are those at x = 0, where the two answers are alike
in style (Li, Angelopoulos and Chiang 2024, "Does style matter?").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from heedful.core import FitError, Floats, Promise, UsageError
from heedful.preference.counting import seen
from heedful.preference.covariate_fit import CovariateFit, most_likely
from heedful.preference.covariate_rows import Rows, Survey, survey
from heedful.preference.covariate_sums import Problem
from heedful.preference.identification import Identified
from heedful.preference.pair_fit import DENSE_LIMIT
from heedful.preference.pair_fit import most_likely as most_likely_by_counts
from heedful.preference.pair_placing import Model, firm, placed, split
from heedful.preference.pairs import Pairs
from heedful.preference.rated import Basis, Intervals, Rated, check, intervals, numbered

# The most memory (bytes) that sums of clusters may take.
_CLUSTERED = 1 << 30


@dataclass(frozen=True, eq=False)
class CovariateRatings(Rated):
    """Strengths of n items and coefficients of d covariates by maximum likelihood.

    `strengths` [n] (nats; for "thurstone" standard deviations of the noise of a difference) are those between answers
    whose covariates are zero. They sum to zero over the items that the comparisons can place, and are NaN for the
    others; `notes` [n] say why ("": placed). `coefficients` [d] are nats per unit of each covariate. Items are placed
    by outcomes alone, as in `rate`, and comparisons of others left out.
    """

    covariates: tuple[str, ...]
    fit: CovariateFit

    @cached_property
    def strengths(self) -> Floats:
        return self.spread(self._own(0))

    @property
    def coefficients(self) -> Floats:
        return self._own(1)

    @property
    def nuisance(self) -> dict[str, float]:
        """The tie term: log ν of Davidson, log θ of Rao and Kupper, the threshold of Glenn and David."""
        return dict(zip(self.fit.problem.model.nuisances, self._own(2).tolist(), strict=True))

    def _own(self, part: int) -> Floats:
        return self.fit.x[self.fit.problem.parts[part]]

    @property
    def log_likelihood(self) -> float:
        """In nats; for "bradley_terry" a tie counts as half a win each."""
        return self.fit.log_likelihood

    @cached_property
    def _full(self) -> Floats | None:
        """Covariance of all parameters."""
        return self.fit.sandwich if self.basis == "sandwich" else self.fit.inverse if self.basis else None

    @cached_property
    def covariance(self) -> Floats | None:
        """Of the strengths and then the coefficients [n + d, n + d], NaN for items not placed; None where none was
        asked for."""
        if self._full is None:
            return None
        n, d = self.counts.items, len(self.covariates)
        where = np.append(self.kept, n + np.arange(d))
        matrix = np.full((n + d, n + d), np.nan)
        matrix[np.ix_(where, where)] = self._full[: len(where), : len(where)]
        return matrix

    @cached_property
    def standard_error(self) -> Floats:
        """Of the strengths [n], NaN where an item is not placed or no interval was asked for."""
        return np.sqrt(self._variance[: self.counts.items])

    @cached_property
    def coefficient_error(self) -> Floats:
        """Standard errors of the coefficients [d]."""
        return np.sqrt(self._variance[self.counts.items :])

    @property
    def _variance(self) -> Floats:
        size = self.counts.items + len(self.covariates)
        return np.full(size, np.nan) if self.covariance is None else np.diag(self.covariance)

    @property
    def nuisance_sd(self) -> dict[str, float]:
        """Standard errors of the nuisance parameters."""
        if self._full is None:
            return {}
        sd = np.sqrt(np.diag(self._full)[self.fit.problem.parts[2]])
        return dict(zip(self.fit.problem.model.nuisances, sd.tolist(), strict=True))

    @cached_property
    def _clusters(self) -> tuple[Floats, Floats]:
        """How many clusters tell of each strength [n] and coefficient [d], ∞ where comparisons are independent."""
        n, d = self.fit.problem.items, len(self.covariates)
        found = np.full(n + d, np.inf) if self.fit.scores is None else self.fit.scores.effective
        return self.spread(found[:n]), found[n:]

    @property
    def promise(self) -> Promise:
        """What intervals promise, see `Rated.promised`."""
        if self.fit.scores is None:
            return "at least"
        return self.promised(self.fit.scores.leverage, self.fit.scores.effective.min())

    def interval(self, level: float = 0.95) -> Intervals:
        """Of each strength, on its own. Raises UsageError for a level that is not between 0 and 1."""
        return intervals(self.strengths, self.standard_error**2, self.promise, level, self._clusters[0])

    def coefficient_interval(self, level: float = 0.95) -> Intervals:
        """Of each coefficient, on its own [d]."""
        return intervals(self.coefficients, self.coefficient_error**2, self.promise, level, self._clusters[1])


def rate_with_covariates(
    first: Any,
    second: Any,
    outcome: Any,
    covariates: Any,
    items: int | Sequence[str] | None = None,
    *,
    covariate_names: Sequence[str] | None = None,
    weight: Any = None,
    cluster: Any = None,
    model: Model = "bradley_terry",
    interval: Basis | None = "sandwich",
) -> CovariateRatings:
    """Rate items by comparisons that have covariates [v, d] of their own (of any numeric type).

    A covariate speaks for the first item: the difference of a property of the two answers, first less second, or 1
    where something favours the first, −1 where it favours the second. It is taken as it is: neither centred (0 means
    that neither is favoured) nor scaled (coefficients are nats per unit). cluster [v]: numbers from 0 of the prompt or
    rater that comparisons share, for a sandwich that lets those be correlated. The others are as in `rate`. Each
    iteration is one pass over the rows, which are never copied as a whole.

    Raises UsageError for arguments that are no comparisons, naming the row. Raises FitError where no items can be
    placed, where a covariate follows from the items compared or from others, and where with it outcomes are told
    without fail, so that the likelihood has no maximum.
    """
    rows = Rows(first, second, outcome, covariates, weight, cluster).part(slice(None))
    return rate_rows(
        [rows],
        seen(first, second) if items is None else items,
        covariate_names=covariate_names,
        model=model,
        interval=interval,
    )


def rate_rows(
    rows: Iterable[Rows],
    items: int | Sequence[str],
    *,
    covariate_names: Sequence[str] | None = None,
    model: Model = "bradley_terry",
    interval: Basis | None = "sandwich",
) -> CovariateRatings:
    """The same from chunks of rows that can be iterated over several times, larger than memory or not.

    rows: a list of `Rows`, or `ScannedRows`. items: how many there are, or their names.
    """
    number, names = numbered(items)
    assert number is not None
    found = survey(rows, number, covariate_names)
    counts, d = found.counts, len(found.squares)
    check(counts, names, model, interval)
    _check_clusters(found.clusters, number, d, interval)
    where = placed(counts, model)
    _check_placed(len(where.kept))
    given = tuple(f"covariate {k}" for k in range(d)) if covariate_names is None else tuple(covariate_names)
    fit = _fitted(rows, found, where, model, given, robust=interval is not None)
    return CovariateRatings(counts, model, interval, names, where.kept, where.notes, given, fit)


def _check_clusters(clusters: int, items: int, covariates: int, interval: Basis | None) -> None:
    if clusters and interval == "model":
        raise UsageError("H⁻¹ takes comparisons as independent", where="cluster", fix="choose interval='sandwich'")
    if 8 * clusters * (2 * items + covariates + 1) > _CLUSTERED:
        raise UsageError(
            f"{clusters:,} clusters and {items:,} items take more than {_CLUSTERED >> 30} GB",
            where="cluster",
            fix="number clusters from 0 without gaps, leave them out, or rate fewer items",
        )


def _check_placed(items: int) -> None:
    if not items:
        raise FitError("the comparisons place no items", fix="see what rate(...).notes say of them")
    if items > DENSE_LIMIT:
        raise FitError(
            f"{items:,} items are placed, and with covariates there can be {DENSE_LIMIT:,}",
            where="items",
            fix="rate those with most comparisons, with one number for all others together",
        )


def _fitted(
    rows: Iterable[Rows], found: Survey, where: Identified, model: Model, names: tuple[str, ...], robust: bool
) -> CovariateFit:
    """The fit to comparisons of the items placed, from the one by counts alone."""
    (pairs,) = where.likelihoods
    assert isinstance(pairs, Pairs)
    counts, n, d = found.counts, len(where.kept), len(names)
    new = np.full(counts.items, -1, np.intp)
    new[where.kept] = np.arange(n)
    by_counts = most_likely_by_counts(pairs, n)
    start = np.concatenate([by_counts.utility, np.zeros(d), by_counts.nuisance])
    scale = np.sqrt(counts.rows / np.where(found.squares > 0, found.squares, counts.rows))
    problem = Problem(rows, new, n, d, pairs.model, split(model, pairs.model))
    held = (firm(counts, model)[where.kept], found.clusters) if robust else None
    return most_likely(problem, start, scale, names, counts.rows, held)
