"""Ratings and yes/no labels: the cumulative logit with free thresholds.

P(level ≤ k) = σ(t_k − u) with thresholds t_0 < t_1 < ... per scale (McCullagh 1980, "Regression models for ordinal
data"). Two levels are a label: P(yes) = σ(u − t_0). Only the order of the levels is used, so any increasing change of
the scale leaves the fit as it is; values that never occur need no threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from scipy.special import expit

from heedful.core import Floats
from heedful.preference.likelihoods import Edges, Terms, summed
from heedful.preference.observations import BINS, MAX_LEVELS, Grades, Indices


@dataclass(frozen=True)
class GradeModel:
    """The levels of a scale: level k holds the values above `lower[k]`, up to and including `upper[k]` (values, as
    rated).

    Where `lower` equals `upper`, the level is that one value.
    """

    lower: Floats
    upper: Floats

    @classmethod
    def of(cls, values: Floats) -> GradeModel:
        """Every distinct value its own level or, where there are many, bins of about equal counts."""
        distinct = np.unique(values)
        if len(distinct) <= MAX_LEVELS:
            return cls(distinct, distinct)
        cuts = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
        edges = np.concatenate([[-np.inf], cuts[cuts < distinct[-1]], [np.inf]])
        return cls(edges[:-1], edges[1:])

    @property
    def binned(self) -> bool:
        return bool((self.lower < self.upper).any())

    def level(self, values: Floats) -> Indices:
        """The level [v] of each value, -1 where a value belongs to none."""
        level = np.searchsorted(self.upper, values, side="left").clip(max=len(self.upper) - 1)
        known = np.where(self.binned, values > self.lower[level], values == self.upper[level])
        return np.where(known & (values <= self.upper[level]), level, -1)

    @property
    def nuisances(self) -> tuple[str, ...]:
        return tuple(f"threshold above {upper:g}" for upper in self.upper[:-1])

    def log_prob(self, utility: Floats, thresholds: Floats) -> Floats:
        """log P of every level [..., k] at utilities [...], for thresholds [..., k - 1]."""
        below = thresholds - utility[..., None]
        ends = np.full((*below.shape[:-1], 1), np.inf)
        a, b = np.concatenate([-ends, below], axis=-1), np.concatenate([below, ends], axis=-1)
        # σ(b) − σ(a) = σ(b) σ(−a) (1 − e^{a−b}), without cancellation.
        with np.errstate(divide="ignore"):
            gap = np.log(-np.expm1(np.minimum(a - b, 0.0)))
        return np.asarray(-np.logaddexp(0.0, -b) - np.logaddexp(0.0, a) + gap)


@dataclass(frozen=True)
class Crossings:
    """The log-likelihood of counts [m, k] by how far each threshold lies above each row's utility, and its derivatives.

    `value`; `gradient` [m, k - 1]; the information has the `diagonal` [m, k - 1] and `beside` it [m, k - 2], the same
    above and below: a vote touches only the two thresholds next to its level.
    """

    value: float
    gradient: Floats
    diagonal: Floats
    beside: Floats

    @classmethod
    def of(cls, counts: Floats, below: Floats) -> Crossings:
        """`below` [m, k - 1], rising in each row, is t − u. With s = softplus, log P(k) = (t − u)_k − s((t − u)_k) −
        s((t − u)_{k−1}) + log(1 − e^{t_{k−1} − t_k}), less what the ends have no threshold for."""
        gap = np.diff(below, axis=1)
        inside, touched = counts[:, 1:-1], counts[:, :-1] + counts[:, 1:]
        sigma, ratio = expit(below), np.exp(-gap) / -np.expm1(-gap)
        value = counts[:, :-1] * below - touched * np.logaddexp(0.0, below)
        pull, spacing = inside * ratio, inside * ratio * (1 + ratio)
        gradient = counts[:, :-1] - touched * sigma
        gradient[:, 1:] += pull
        gradient[:, :-1] -= pull
        diagonal = touched * sigma * (1 - sigma)
        diagonal[:, 1:] += spacing
        diagonal[:, :-1] += spacing
        return cls(float(value.sum() + (inside * np.log(-np.expm1(-gap))).sum()), gradient, diagonal, -spacing)

    @cached_property
    def rows(self) -> Floats:
        """The information of each threshold with all of its row together [m, k - 1]: minus that with the utility."""
        total = self.diagonal.copy()
        total[:, 1:] += self.beside
        total[:, :-1] += self.beside
        return total

    def gathered(self, index: Indices, size: int) -> Floats:
        """The information over thresholds summed over the rows of each index [size, k - 1, k - 1]."""
        k = self.diagonal.shape[1]
        matrix = np.zeros((size, k, k))
        for place in range(k):
            matrix[:, place, place] = summed(index, self.diagonal[:, place], size)
        for place in range(k - 1):
            matrix[:, place, place + 1] = matrix[:, place + 1, place] = summed(index, self.beside[:, place], size)
        return matrix


def slopes(level: Indices, below: Floats) -> tuple[Floats, Floats]:
    """The derivatives of log P(level) [v] by the threshold above it and by the one below it, 0 where there is none.

    `below` [v, k - 1] is t − u.
    """
    ends = np.full((len(level), 1), np.inf)
    padded, vote = np.concatenate([-ends, below, ends], axis=1), np.arange(len(level))
    low, high = padded[vote, level], padded[vote, level + 1]
    ratio = np.exp(low - high) / -np.expm1(low - high)
    return expit(-high) + ratio, -expit(low) - ratio


@dataclass(frozen=True)
class Scale:
    """Votes counted per cell and level: `items` [m] are those rated, `counts` [m, k] over the levels seen.

    A cell is an item, or an item and the `rater` [m] who rated it where raters are told apart (else all are 0). Per
    vote: its table `row`, its cell as `place`, its `level` and its `weight` [v].
    """

    kind: str
    model: GradeModel
    items: Indices
    rater: Indices
    counts: Floats
    row: Indices
    place: Indices
    level: Indices
    weight: Floats

    @classmethod
    def of(cls, kind: str, votes: Grades, n: int, *, by_rater: bool = False) -> Scale | None:
        """The votes as counts; None where all are of one level, which says nothing about anyone."""
        model = GradeModel.of(votes.value)
        weight = np.ones(len(votes.row)) if votes.weight is None else votes.weight
        rater = votes.rater if by_rater and votes.rater is not None else np.zeros(len(votes.row), np.intp)
        return cls._counted(kind, model, votes.row, votes.item, rater, model.level(votes.value), weight)

    @classmethod
    def _counted(
        cls, kind: str, model: GradeModel, row: Indices, item: Indices, rater: Indices, level: Indices, weight: Floats
    ) -> Scale | None:
        seen, level = np.unique(level, return_inverse=True)
        if len(seen) < 2:
            return None
        raters = int(rater.max(initial=0)) + 1
        cells, place = np.unique(item * raters + rater, return_inverse=True)
        counts = summed(place * len(seen) + level, weight, len(cells) * len(seen)).reshape(len(cells), -1)
        kept = GradeModel(model.lower[seen], model.upper[seen])
        return cls(kind, kept, cells // raters, cells % raters, counts, row, place, level, weight)

    @property
    def nuisances(self) -> tuple[str, ...]:
        return self.model.nuisances

    @property
    def shift(self) -> Floats:
        return np.ones(len(self.nuisances))

    def start(self) -> Floats:
        """Thresholds that give each level its share, were all items alike."""
        below = np.cumsum(self.counts.sum(axis=0))
        return np.asarray(np.log(below[:-1] / (below[-1] - below[:-1])))

    def terms(self, utility: Floats, nuisance: Floats) -> Terms:
        n, none = len(utility), np.zeros(0, np.intp)
        if (np.diff(nuisance) <= 0).any():
            return Terms.outside(n, len(nuisance))
        found = Crossings.of(self.counts, nuisance - utility[self.items, None])
        return Terms(
            value=found.value,
            gradient=-summed(self.items, found.gradient.sum(axis=1), n),
            nuisance_gradient=found.gradient.sum(axis=0),
            diagonal=summed(self.items, found.rows.sum(axis=1), n),
            rows=none,
            columns=none,
            values=np.zeros(0),
            cross=-np.stack([summed(self.items, column, n) for column in found.rows.T], axis=1),
            nuisance_information=found.gathered(np.zeros(len(self.items), np.intp), 1)[0],
        )

    def scores(self, utility: Floats, nuisance: Floats) -> tuple[Indices, Indices, Floats]:
        item, n = self.items[self.place], len(utility)
        above, under = slopes(self.level, nuisance - utility[item, None])
        above, under = self.weight * above, self.weight * under
        first, last = self.level == 0, self.level == len(nuisance)
        return (
            np.concatenate([self.row, self.row[~last], self.row[~first]]),
            np.concatenate([item, n + self.level[~last], n + self.level[~first] - 1]),
            np.concatenate([-above - under, above[~last], under[~first]]),
        )

    def select(self, votes: Indices) -> Self:
        """Some votes alone, under the same levels."""
        old, place = np.unique(self.place[votes], return_inverse=True)
        level, weight, levels = self.level[votes], self.weight[votes], self.counts.shape[1]
        counts = summed(place * levels + level, weight, len(old) * levels).reshape(-1, levels)
        items, rater, row = self.items[old], self.rater[old], self.row[votes]
        return replace(self, items=items, rater=rater, counts=counts, row=row, place=place, level=level, weight=weight)

    def restrict(self, new: Indices) -> Scale | None:
        item = new[self.items[self.place]]
        kept = item >= 0
        rater, level, weight = self.rater[self.place[kept]], self.level[kept], self.weight[kept]
        return Scale._counted(self.kind, self.model, self.row[kept], item[kept], rater, level, weight)

    def edges(self, n: int) -> Edges:
        """A rating moves at least as far as the threshold below it, and no further than the one above."""
        place, level = np.nonzero(self.counts)
        item, top = self.items[place], self.counts.shape[1] - 1
        above = np.stack([n + level, item], axis=1)[level < top]
        below = np.stack([item, n + level - 1], axis=1)[level > 0]
        return Edges(np.concatenate([above, below]), np.zeros((0, 2), np.intp), top)

    def settled(self, groups: Indices) -> bool:
        return True
