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
class Scale:
    """Votes counted per item and level: `items` [m] are those rated, `counts` [m, k] over the levels seen.

    Per vote: its table `row`, its place among `items`, its `level` and its `weight` [v].
    """

    kind: str
    model: GradeModel
    items: Indices
    counts: Floats
    row: Indices
    place: Indices
    level: Indices
    weight: Floats

    @classmethod
    def of(cls, kind: str, votes: Grades, n: int) -> Scale | None:
        """The votes as counts; None where all are of one level, which says nothing about anyone."""
        model = GradeModel.of(votes.value)
        weight = np.ones(len(votes.row)) if votes.weight is None else votes.weight
        return cls._counted(kind, model, votes.row, votes.item, model.level(votes.value), weight)

    @classmethod
    def _counted(
        cls, kind: str, model: GradeModel, row: Indices, item: Indices, level: Indices, weight: Floats
    ) -> Scale | None:
        seen, level = np.unique(level, return_inverse=True)
        if len(seen) < 2:
            return None
        items, place = np.unique(item, return_inverse=True)
        counts = summed(place * len(seen) + level, weight, len(items) * len(seen))
        kept = GradeModel(model.lower[seen], model.upper[seen])
        return cls(kind, kept, items, counts.reshape(len(items), -1), row, place, level, weight)

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

    @cached_property
    def _crossings(self) -> Floats:
        """Votes next to each threshold [m, k - 1]: of the level below it or above."""
        return np.asarray(self.counts[:, :-1] + self.counts[:, 1:])

    def terms(self, utility: Floats, nuisance: Floats) -> Terms:
        """With s = softplus, log P(k) = s-terms of the thresholds beside k, −u but for the top level, and the log of
        e^{t_k} − e^{t_{k−1}}, which no utility enters."""
        n, t = len(utility), nuisance
        gap = -np.diff(t)
        if (gap >= 0).any():
            return Terms.outside(n, len(t))
        below = t - utility[self.items, None]
        sigma = expit(below)
        votes = self.counts.sum(axis=0)
        lead = 1 / -np.expm1(gap)  # derivative of log(e^{t_k} − e^{t_{k−1}}) by t_k; by t_{k−1} it is 1 − lead
        weight = self._crossings * sigma * (1 - sigma)
        under = self.counts[:, :-1].sum(axis=1)
        slope = votes[:-1] * np.concatenate([[1.0], lead])
        slope[:-1] += votes[1:-1] * (1 - lead)
        spacing = votes[1:-1] * np.exp(gap) * lead**2
        bend = np.diag(weight.sum(axis=0) + np.append(spacing, 0.0) + np.append(0.0, spacing))
        bend -= np.diag(spacing, 1) + np.diag(spacing, -1)
        cross = np.zeros((n, len(t)))
        cross[self.items] = -weight
        none = np.zeros(0, np.intp)
        value = votes[:-1] @ t + votes[1:-1] @ np.log(-np.expm1(gap)) - under @ utility[self.items]
        return Terms(
            value=float(value - (self._crossings * np.logaddexp(0.0, below)).sum()),
            gradient=summed(self.items, (self._crossings * sigma).sum(axis=1) - under, n),
            nuisance_gradient=slope - (self._crossings * sigma).sum(axis=0),
            diagonal=summed(self.items, weight.sum(axis=1), n),
            rows=none,
            columns=none,
            values=np.zeros(0),
            cross=cross,
            nuisance_information=bend,
        )

    def scores(self, utility: Floats, nuisance: Floats) -> tuple[Indices, Indices, Floats]:
        u, n = utility[self.items[self.place]], len(utility)
        padded = np.concatenate([[-np.inf], nuisance, [np.inf]])
        low, high = padded[self.level] - u, padded[self.level + 1] - u
        lead = np.concatenate([[1.0], 1 / -np.expm1(-np.diff(nuisance)), [1.0]])[self.level]
        first, last = self.level == 0, self.level == len(nuisance)
        by_high = self.weight * np.where(last, 0.0, lead - expit(high))
        by_low = self.weight * np.where(first, 0.0, np.where(last, 0.0, 1 - lead) - expit(low))
        rows, columns, values = [self.row], [self.items[self.place]], [-by_high - by_low]
        for inside, threshold, part in ((~last, self.level, by_high), (~first, self.level - 1, by_low)):
            rows.append(self.row[inside])
            columns.append(n + threshold[inside])
            values.append(part[inside])
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)

    def select(self, votes: Indices) -> Self:
        """Some votes alone, under the same levels."""
        old, place = np.unique(self.place[votes], return_inverse=True)
        level, weight, levels = self.level[votes], self.weight[votes], self.counts.shape[1]
        counts = summed(place * levels + level, weight, len(old) * levels).reshape(-1, levels)
        items, row = self.items[old], self.row[votes]
        return replace(self, items=items, counts=counts, row=row, place=place, level=level, weight=weight)

    def restrict(self, new: Indices) -> Scale | None:
        item = new[self.items[self.place]]
        kept = item >= 0
        level, weight = self.level[kept], self.weight[kept]
        return Scale._counted(self.kind, self.model, self.row[kept], item[kept], level, weight)

    def edges(self, n: int) -> Edges:
        """A rating moves at least as far as the threshold below it, and no further than the one above."""
        place, level = np.nonzero(self.counts)
        item, top = self.items[place], self.counts.shape[1] - 1
        above = np.stack([n + level, item], axis=1)[level < top]
        below = np.stack([item, n + level - 1], axis=1)[level > 0]
        return Edges(np.concatenate([above, below]), np.zeros((0, 2), np.intp), top)

    def settled(self, groups: Indices) -> bool:
        return True
