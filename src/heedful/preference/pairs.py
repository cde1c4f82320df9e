"""Comparisons counted per pair of items and outcome: a likelihood that costs the same however many votes there are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from heedful.core import Floats
from heedful.preference.likelihoods import Edges, Terms, all_reached, summed
from heedful.preference.observations import Comparisons, Indices
from heedful.preference.pair_closed import Derivatives
from heedful.preference.pair_models import PairLink, PairModel, outcome_scores

__all__ = ["PairModel", "Pairs", "Recession", "Votes", "outcome_scores"]

# With fewer pairs than this, summing by index costs less than building a sparse matrix.
_FEW = 20_000
# Pairs handled at once: their intermediate results stay in the cache.
_BLOCK = 1 << 14


@dataclass(frozen=True)
class Votes:
    """Single votes [v]: their table `row`, `cell` (pair), `outcome` and `weight`."""

    row: Indices
    cell: Indices
    outcome: Indices
    weight: Floats


@dataclass(frozen=True)
class Pairs:
    """Votes counted per unordered pair and outcome.

    Outcomes are those of the `model`, from the side of `first` < `second` [m]; pairs ascend. `counts` [o, m] are sums
    of weights. `votes` are needed for scores by record alone; without them each pair and outcome is one record.
    """

    kind: str
    model: PairLink
    first: Indices
    second: Indices
    counts: Floats
    votes: Votes | None = None

    @classmethod
    def of(cls, kind: str, votes: Comparisons, n: int) -> Pairs | None:
        """The votes as counts; None where all are ties, which says nothing about anyone."""
        degrees = np.unique(np.abs(votes.outcome[votes.outcome != 0]))
        if not len(degrees):
            return None
        model = PairModel(degrees, bool((votes.outcome == 0).any()))
        swapped = votes.first > votes.second
        outcome = np.searchsorted(model.scores, np.where(swapped, -votes.outcome, votes.outcome))
        low, high = np.minimum(votes.first, votes.second), np.maximum(votes.first, votes.second)
        first, second, cell, counts = _count_cells(low, high, outcome, votes.weight, n, len(model.scores))
        return cls(kind, model, first, second, counts, Votes(votes.row, cell, outcome, votes.weight))

    @cached_property
    def _records(self) -> Votes:
        if self.votes is not None:
            return self.votes
        outcome, cell = np.nonzero(self.counts)
        return Votes(np.arange(len(cell)), cell, outcome, self.counts[outcome, cell])

    @property
    def row(self) -> Indices:
        return self._records.row

    @property
    def nuisances(self) -> tuple[str, ...]:
        return self.model.nuisances

    @property
    def shift(self) -> Floats:
        return np.zeros(len(self.nuisances))

    def start(self) -> Floats:
        return self.model.start(self.counts.sum(axis=1))

    def terms(self, utility: Floats, nuisance: Floats) -> Terms:
        n = len(utility)
        if not self.model.valid(nuisance):
            return Terms.outside(n, len(nuisance))
        return self.assembled(self.derivatives(utility, nuisance), n)

    def assembled(self, sums: Derivatives, n: int) -> Terms:
        """Derivatives pair by pair as those by the utilities of n items and the nuisance parameters."""
        curvature, mixed = sums.information[0, 0], sums.information[0, 1:]
        as_first, as_second = self._sums(curvature, n)
        return Terms(
            value=sums.value,
            gradient=self._difference(sums.gradient[0], n),
            nuisance_gradient=sums.gradient[1:].sum(axis=1),
            diagonal=as_first + as_second,
            rows=self.first,
            columns=self.second,
            values=-curvature,
            cross=np.reshape([self._difference(row, n) for row in mixed], (len(mixed), n)).T,
            nuisance_information=sums.information[1:, 1:].sum(axis=2),
        )

    def derivatives(self, utility: Floats, nuisance: Floats) -> Derivatives:
        """The log-likelihood with its derivatives pair by pair."""
        m, size = len(self.first), 1 + len(nuisance)
        value, gradient, information = 0.0, np.empty((size, m)), np.empty((size, size, m))
        for begin in range(0, m, _BLOCK):
            block = slice(begin, begin + _BLOCK)
            difference = utility[self.first[block]] - utility[self.second[block]]
            part = self.model.derivatives(self.counts[:, block], difference, nuisance)
            value += part.value
            gradient[:, block], information[..., block] = part.gradient, part.information
        return Derivatives(value, gradient, information)

    def _difference(self, values: Floats, n: int) -> Floats:
        """Σ values over the pairs an item is first in, less those it is second in [n]."""
        as_first, as_second = self._sums(values, n)
        return as_first - as_second

    def _sums(self, values: Floats, n: int) -> tuple[Floats, Floats]:
        """Σ values over the pairs an item is first in, and over those it is second in [n]."""
        if len(values) < _FEW:
            return summed(self.first, values, n), summed(self.second, values, n)
        above, ones = self.above(values, n), np.ones(n)
        return above @ ones, above.T @ ones

    def above(self, values: Floats, n: int) -> sparse.csr_array:
        """Values pair by pair as a sparse matrix [n, n] above its diagonal; pairs ascend, so nothing is sorted."""
        pointers = np.searchsorted(self.first, np.arange(n + 1)).astype(np.int32)
        return sparse.csr_array((values, self._columns, pointers), shape=(n, n))

    @cached_property
    def _columns(self) -> NDArray[np.int32]:
        return self.second.astype(np.int32)

    def outcome_gradients(self, utility: Floats, nuisance: Floats) -> Floats:
        """The gradient of log P of each outcome by Δ, then the nuisance parameters [o, 1 + p, m]."""
        difference = utility[self.first] - utility[self.second]
        ones = np.eye(len(self.counts))[:, :, None]
        return np.stack([self.model.gradient(one, difference, nuisance) for one in ones])

    def scores(self, utility: Floats, nuisance: Floats) -> tuple[Indices, Indices, Floats]:
        n, votes = len(utility), self._records
        each = self.outcome_gradients(utility, nuisance)[votes.outcome, :, votes.cell] * votes.weight[:, None]
        slope, levels = each[:, 0], each[:, 1:]
        count, free = levels.shape
        rows = np.concatenate([votes.row, votes.row, np.repeat(votes.row, free)])
        columns = np.concatenate([self.first[votes.cell], self.second[votes.cell], np.tile(n + np.arange(free), count)])
        return rows, columns, np.concatenate([slope, -slope, levels.ravel()])

    def select(self, votes: Indices) -> Self:
        """Some votes alone, under the same model."""
        every = self._records
        old, cell = np.unique(every.cell[votes], return_inverse=True)
        outcome, weight = every.outcome[votes], every.weight[votes]
        counts = summed(outcome * len(old) + cell, weight, len(self.counts) * len(old))
        return replace(
            self,
            first=self.first[old],
            second=self.second[old],
            counts=counts.reshape(len(self.counts), len(old)),
            votes=Votes(every.row[votes], cell, outcome, weight),
        )

    def restrict(self, new: Indices) -> Pairs | None:
        """`new` numbers the items that remain in the same order."""
        inside = np.logical_and(new[self.first] >= 0, new[self.second] >= 0)
        kept = self.model.keeping(np.asarray(self.counts[:, inside].any(axis=1)))
        if kept is None:
            return None
        model, outcomes = kept
        if inside.all() and outcomes.all():
            return replace(self, first=new[self.first], second=new[self.second])
        votes = None if self.votes is None else _within(self.votes, inside, outcomes)
        first, second = new[self.first[inside]], new[self.second[inside]]
        return Pairs(self.kind, model, first, second, self.counts[np.ix_(outcomes, inside)], votes)

    def edges(self, n: int) -> Edges:
        z = self.model.scores
        won, lost = (np.flatnonzero(self._seen(side)) for side in (z > 0, z < 0))
        # Short of the highest degree, Δ can move neither way: the highest would overtake on one side or the other.
        tied = np.flatnonzero(self._seen(np.abs(z) < z[-1]))
        above = np.concatenate([self.first[won], self.second[lost]])
        below = np.concatenate([self.second[won], self.first[lost]])
        return Edges(np.column_stack([above, below]), np.column_stack([self.first[tied], self.second[tied]]))

    def _seen(self, outcomes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether any of some outcomes was seen, pair by pair."""
        return np.asarray(self.counts[outcomes].any(axis=0))

    def settled(self, groups: Indices) -> bool:
        """An outcome of level l on a pair that moves alike keeps c_l from falling behind any other; so does any tie.

        A win on such a pair bounds a threshold from above, a tie from below: the same condition for both families.
        """
        level = np.abs(self.model.scores)
        levels = np.unique(level)
        alike = groups[self.first] == groups[self.second]
        leading = [x for x in levels if x == 0 or (self._seen(level == x) & alike).any()]
        where = {x: i for i, x in enumerate(levels)}
        return all_reached([(where[x], where[y]) for x in leading for y in levels], len(levels))

    def recession(self) -> Recession:
        """The directions along which no vote loses likelihood, by what each outcome seen requires."""
        slope, levels = self.model.recession()
        seen, cell = np.nonzero(self.counts)
        cell = np.repeat(cell, slope.shape[1])
        return Recession(
            self.first[cell], self.second[cell], slope[seen].ravel(), levels[seen].reshape(-1, levels.shape[2])
        )


@dataclass(frozen=True)
class Recession:
    """Constraints on directions: slope · (δ_first − δ_second) + levels · δ_c ≤ 0, for each row [r]; `levels` [r, p]."""

    first: Indices
    second: Indices
    slope: Floats
    levels: Floats


def _within(votes: Votes, inside: NDArray[np.bool_], outcomes: NDArray[np.bool_]) -> Votes:
    """The votes on some pairs, with pairs and outcomes renumbered among those kept."""
    kept = np.flatnonzero(inside[votes.cell])
    cell, outcome = np.cumsum(inside) - 1, np.cumsum(outcomes) - 1
    return Votes(votes.row[kept], cell[votes.cell[kept]], outcome[votes.outcome[kept]], votes.weight[kept])


def _count_cells(
    low: Indices, high: Indices, outcome: Indices, weight: Floats, n: int, outcomes: int
) -> tuple[Indices, Indices, Indices, Floats]:
    """Distinct pairs, the cell of every vote, and weights summed per pair and outcome, in one counting pass."""
    pair = low * n + high
    if n * n <= max(4 * len(pair), 1 << 16):
        present = np.bincount(pair, minlength=n * n) > 0
        distinct = np.flatnonzero(present)
        cell = (np.cumsum(present) - 1)[pair]
    else:
        distinct, cell = np.unique(pair, return_inverse=True)
    counts = summed(outcome * len(distinct) + cell, weight, len(distinct) * outcomes)
    return distinct // n, distinct % n, cell.astype(np.intp), counts.reshape(outcomes, len(distinct))
