"""Strengths of items from comparisons given as integer arrays: one counting pass, then Newton's method on the counts.

ratings = rate(first, second, outcome, model="davidson")
ratings.strengths, ratings.interval()
ratings = ratings.update(*new_comparisons)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from heedful.core import Floats, Promise, UsageError
from heedful.preference.counting import PairCounts, count
from heedful.preference.information import Dense
from heedful.preference.observations import Indices
from heedful.preference.pair_fit import DENSE_LIMIT, PairFit, most_likely
from heedful.preference.pair_placing import LINKS, Model, firm, placed, split
from heedful.preference.pair_spread import LARGEST_ERROR, Outcomes, covariance, leverage, variances, variances_of
from heedful.preference.pairs import Pairs
from heedful.preference.persistence import Saved
from heedful.preference.rated import Basis, Intervals, Rated, check, intervals, numbered

if TYPE_CHECKING:
    from heedful.preference.pair_bootstrap import Bootstrap

# Of very many items, those whose variances are solved for where random signs do not tell them.
_EXACT = 64


@dataclass(frozen=True, eq=False)
class Ratings(Rated, Saved):
    """Strengths of n items by maximum likelihood.

    `strengths` [n] are log-strengths (nats; for "thurstone" standard deviations of the noise of a difference). They sum
    to zero over the items that the comparisons can place, and are NaN for the others; `notes` [n] say why ("": placed).
    `counts` are all that was learnt from the comparisons. `fit` is None where no two items can be placed.
    """

    fit: PairFit | None

    @cached_property
    def strengths(self) -> Floats:
        return self.spread(self.fit.utility if self.fit else np.zeros(0))

    def prefer(self, first: Any, second: Any) -> Floats:
        """P(first wins | decided) [m] of items given by number, at these strengths; NaN where one is not placed."""
        if self.fit is None:
            return np.full(np.shape(first), np.nan)
        difference = self.strengths[np.asarray(first)] - self.strengths[np.asarray(second)]
        log_p = self.fit.pairs.model.log_prob(difference, self.fit.nuisance)
        return np.asarray(expit(log_p[-1] - log_p[0]))

    @property
    def nuisance(self) -> dict[str, float]:
        """The tie term: log ν of Davidson, log θ of Rao and Kupper, the threshold of Glenn and David."""
        return dict(zip(self.fit.pairs.nuisances, self.fit.nuisance.tolist(), strict=True)) if self.fit else {}

    @property
    def log_likelihood(self) -> float:
        """In nats; for "bradley_terry" a tie counts as half a win each."""
        return self.fit.log_likelihood if self.fit else 0.0

    @property
    def converged(self) -> bool:
        return self.fit is None or self.fit.converged

    @cached_property
    def covariance(self) -> Floats | None:
        """Of the strengths [n, n], NaN for items not placed; None where none was asked for or items are too many."""
        if self._full is None or self.fit is None:
            return None
        n, m = self.counts.items, self.fit.items
        if m == n:
            return self._full[:n, :n]
        matrix = np.full((n, n), np.nan)
        matrix[np.ix_(self.kept, self.kept)] = self._full[:m, :m]
        return matrix

    @cached_property
    def _full(self) -> Floats | None:
        """Of the items placed and the nuisance parameters."""
        if self.basis is None or self.fit is None or self.fit.items > DENSE_LIMIT:
            return None
        return covariance(self.fit, self._made)

    @cached_property
    def nuisance_sd(self) -> dict[str, float]:
        """Standard errors of the nuisance parameters, where there is a covariance."""
        if self._full is None or self.fit is None:
            return {}
        sd = np.sqrt(np.diag(self._full)[self.fit.items :])
        return dict(zip(self.fit.pairs.nuisances, sd.tolist(), strict=True))

    @cached_property
    def variance(self) -> Floats:
        """Of the strengths [n]; NaN where an item is not placed or no interval was asked for.

        NaN for all, too, where a single comparison with far more weight than all others holds items in place. Beyond
        3,000 items they are found without a matrix, by random signs of a fixed seed, to a standard error within 2 % or
        so; NaN where that fails.
        """
        if self.basis is None or self.fit is None:
            return np.full(self.counts.items, np.nan)
        if self._full is not None:
            return self.spread(np.diag(self._full)[: self.fit.items])
        found = variances(self.fit, self._made, np.random.default_rng(0))
        value, loose = found.variance, np.flatnonzero(~(found.error <= LARGEST_ERROR))
        value[loose] = np.nan
        value[loose[:_EXACT]] = variances_of(self.fit, self._made, loose[:_EXACT])
        return self.spread(value)

    @property
    def standard_error(self) -> Floats:
        """Of the strengths [n]."""
        return np.sqrt(self.variance)

    @property
    def split(self) -> Floats:
        """What a comparison of each outcome counts for in the fitted model [3, o]."""
        return split(self.model, self.fit.pairs.model if self.fit else LINKS[self.model])

    @cached_property
    def _made(self) -> Outcomes | None:
        """What the sandwich needs of the comparisons; None for intervals by the model."""
        return self.told if self.basis == "sandwich" else None

    @cached_property
    def told(self) -> Outcomes | None:
        """What the comparisons of items placed tell of the variance; None where there are none."""
        if self.fit is None:
            return None
        inside = self.inside
        counts = self.counts.counts[:, inside]
        squares = counts if self.counts.squares is None else self.counts.squares[:, inside]
        held = firm(self.counts, self.model)
        return Outcomes(counts, squares, self.split, (held[self.counts.first] & held[self.counts.second])[inside])

    @property
    def promise(self) -> Promise:
        """What intervals promise, see `Rated.promised`."""
        return self.promised(self._leverage)

    @cached_property
    def _leverage(self) -> float:
        """The most that one comparison adds to the information that there is, among all pairs."""
        if self.fit is None or self.told is None:
            return 0.0
        inverse = self.fit.information.inverse if isinstance(self.fit.information, Dense) else None
        return float(np.trace(leverage(self.fit, self.told, inverse)).max())

    def interval(self, level: float = 0.95) -> Intervals:
        """Of each strength, on its own. Raises UsageError for a level that is not between 0 and 1."""
        return intervals(self.strengths, self.variance, self.promise, level)

    def update(self, first: Any, second: Any, outcome: Any, *, weight: Any = None) -> Ratings:
        """The ratings after further comparisons: exactly those of all comparisons at once, in a step or two.

        They are of the same items: raises UsageError where one is new.
        """
        largest = max((int(side.max()) for side in map(np.asarray, (first, second)) if side.size), default=0)
        if largest >= self.counts.items:
            raise UsageError(
                f"item {largest} is new, and an update adds none to the {self.counts.items} items rated",
                where="update",
                fix="rate with `items` as many as there will be (those not compared yet get no number), then update",
            )
        return self.updated(count(first, second, outcome, self.counts.items, weight=weight))

    def updated(self, counts: PairCounts) -> Ratings:
        """The same from counts."""
        return self.anew(self.counts + counts)

    def anew(self, counts: PairCounts) -> Ratings:
        """The ratings that other counts of the same items give, starting from these."""
        return rate_counts(counts, names=self.names, model=self.model, interval=self.basis, start=self)

    def bootstrap(self, k: int, rng: np.random.Generator | int) -> Bootstrap:
        """Refits to k sets of comparisons drawn with replacement; see `pair_bootstrap.bootstrap`."""
        from heedful.preference.pair_bootstrap import bootstrap

        return bootstrap(self, k, rng)


def rate(
    first: Any,
    second: Any,
    outcome: Any,
    items: int | Sequence[str] | None = None,
    *,
    weight: Any = None,
    model: Model = "bradley_terry",
    interval: Basis | None = "sandwich",
) -> Ratings:
    """Rate items by comparisons, given as arrays [v] of any integer type.

    first, second: item numbers from 0. outcome: 1 where the first won, −1 where the second did, 0 for a tie. items:
    how many there are, or their names; None takes the largest number seen. weight [v]: of each comparison, None: 1
    each.
    model: "bradley_terry" counts a tie as half a win for each, and places items by wins and losses; "davidson",
    "rao_kupper" and "thurstone" (Glenn and David's ties) fit a tie term. interval: "sandwich" holds where the
    model does not, "model" is H⁻¹ (with weights of 1 alone); both take comparisons as independent (for prompts or
    raters that recur, see `heedful.fit`). For comparisons with covariates see `rate_with_covariates`.

    Raises UsageError for arguments that are no comparisons (see `count`), FitError where there is none.
    """
    number, names = numbered(items)
    counts = count(first, second, outcome, number, weight=weight)
    return rate_counts(counts, names=names, model=model, interval=interval)


def rate_counts(
    counts: PairCounts,
    *,
    names: Sequence[str] | None = None,
    model: Model = "bradley_terry",
    interval: Basis | None = "sandwich",
    start: Ratings | None = None,
) -> Ratings:
    """Rate items by comparisons already counted. start: ratings by most of them, to start Newton's method from."""
    check(counts, names, model, interval)
    found = placed(counts, model)
    fit = None
    if len(found.kept):
        pairs = found.likelihoods[0]
        assert isinstance(pairs, Pairs)
        fit = most_likely(pairs, len(found.kept), _warm(start, found.kept, pairs))
    return Ratings(counts, model, interval, None if names is None else tuple(names), found.kept, found.notes, fit)


def _warm(start: Ratings | None, kept: Indices, pairs: Pairs) -> Floats | None:
    if start is None or start.fit is None or start.fit.pairs.nuisances != pairs.nuisances:
        return None
    utility = np.nan_to_num(start.strengths[kept])
    return np.append(utility - utility.mean(), start.fit.nuisance)
