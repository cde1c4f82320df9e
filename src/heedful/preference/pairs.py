"""Comparisons: Bradley-Terry, Davidson's ties and degrees, as one adjacent-categories model.

With Δ = u_first − u_second and signed degree k, P(k) ∝ exp(c_|k| + k·Δ/2) over the degrees observed and their
negatives, and 0 where there are ties. Two outcomes are Bradley and Terry's model (1952), P(first) = σ(Δ). A tie beside
them is Davidson's (1970), with ν = exp(c_0): P(first) ∝ e^{Δ/2}, P(tie) ∝ ν. Several degrees are the
adjacent-categories logit of Agresti (1992, "Analysis of ordinal paired comparison data", section 3), with the degrees
given as scores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from heedful.core import Floats
from heedful.preference.likelihoods import Edges, Terms, all_reached, summed
from heedful.preference.observations import Comparisons, Indices


@dataclass(frozen=True)
class Pairs:
    """Votes counted per unordered pair and outcome.

    `degrees` [d] are the degrees that decided votes carry, ascending; `ties` says whether any vote is a tie. Outcomes
    are ordered −d..−1, (0), 1..d, from the side of `first` < `second` [m]; `counts` [o, m]. Per vote: its table `row`,
    `cell` (pair), `outcome` and `weight` [v].
    """

    kind: str
    degrees: Floats
    ties: bool
    first: Indices
    second: Indices
    counts: Floats
    row: Indices
    cell: Indices
    outcome: Indices
    weight: Floats

    @classmethod
    def of(cls, kind: str, votes: Comparisons, n: int) -> Pairs | None:
        """The votes as counts; None where all are ties, which says nothing about anyone."""
        degrees = np.unique(np.abs(votes.outcome[votes.outcome != 0]))
        if not len(degrees):
            return None
        scores = outcome_scores(degrees, bool((votes.outcome == 0).any()))
        swapped = votes.first > votes.second
        outcome = np.searchsorted(scores, np.where(swapped, -votes.outcome, votes.outcome))
        low, high = np.minimum(votes.first, votes.second), np.maximum(votes.first, votes.second)
        first, second, cell, counts = _count_cells(low, high, outcome, votes.weight, n, len(scores))
        ties = len(scores) % 2 == 1
        return cls(kind, degrees, ties, first, second, counts, votes.row, cell, outcome, votes.weight)

    @cached_property
    def model(self) -> PairModel:
        return PairModel(self.degrees, self.ties)

    @property
    def nuisances(self) -> tuple[str, ...]:
        return self.model.nuisances

    @property
    def shift(self) -> Floats:
        return np.zeros(len(self.nuisances))

    def start(self) -> Floats:
        return np.zeros(len(self.nuisances))

    def terms(self, utility: Floats, nuisance: Floats) -> Terms:
        model, n, (a, b) = self.model, len(utility), (self.first, self.second)
        log_p = model.log_prob(utility[a] - utility[b], nuisance)
        p, z = np.exp(log_p), model.scores
        total, mean = self.counts.sum(axis=0), z @ p
        slope = (z @ self.counts - total * mean) / 2
        curvature = total * (z**2 @ p - mean**2) / 4
        free = model.levels.T @ p
        expected = free @ total
        mixed = total * ((z[:, None] * model.levels).T @ p - mean * free) / 2
        return Terms(
            value=float(np.vdot(self.counts, log_p)),
            gradient=self._difference(slope, n),
            nuisance_gradient=self.counts.sum(axis=1) @ model.levels - expected,
            diagonal=summed(a, curvature, n) + summed(b, curvature, n),
            rows=a,
            columns=b,
            values=-curvature,
            cross=np.reshape([self._difference(row, n) for row in mixed], (len(nuisance), n)).T,
            nuisance_information=np.diag(expected) - (free * total) @ free.T,
        )

    def _difference(self, values: Floats, n: int) -> Floats:
        """Σ values over the pairs an item is first in, less those it is second in [n]."""
        return summed(self.first, values, n) - summed(self.second, values, n)

    def scores(self, utility: Floats, nuisance: Floats) -> tuple[Indices, Indices, Floats]:
        model, n = self.model, len(utility)
        p = np.exp(model.log_prob(utility[self.first] - utility[self.second], nuisance))
        z = model.scores
        slope = self.weight * (z[self.outcome] - (z @ p)[self.cell]) / 2
        levels = self.weight[:, None] * (model.levels[self.outcome] - (p.T @ model.levels)[self.cell])
        votes, free = levels.shape
        rows = np.concatenate([self.row, self.row, np.repeat(self.row, free)])
        columns = np.concatenate([self.first[self.cell], self.second[self.cell], np.tile(n + np.arange(free), votes)])
        return rows, columns, np.concatenate([slope, -slope, levels.ravel()])

    def select(self, votes: Indices) -> Self:
        """Some votes alone, under the same model."""
        old, cell = np.unique(self.cell[votes], return_inverse=True)
        outcome, weight = self.outcome[votes], self.weight[votes]
        counts = summed(outcome * len(old) + cell, weight, self.counts.shape[0] * len(old))
        return replace(
            self,
            first=self.first[old],
            second=self.second[old],
            counts=counts.reshape(-1, len(old)),
            row=self.row[votes],
            cell=cell,
            outcome=outcome,
            weight=weight,
        )

    def restrict(self, new: Indices) -> Pairs | None:
        kept = (new[self.first] >= 0) & (new[self.second] >= 0)
        votes = np.flatnonzero(kept[self.cell])
        cell = self.cell[votes]
        signed = self.model.scores[self.outcome[votes]]
        first, second = new[self.first[cell]], new[self.second[cell]]
        return Pairs.of(
            self.kind, Comparisons(self.row[votes], first, second, signed, self.weight[votes]), int(new.max()) + 1
        )

    def edges(self, n: int) -> Edges:
        z = self.model.scores
        won, lost = self.counts[z > 0].any(axis=0), self.counts[z < 0].any(axis=0)
        pair = np.stack([self.first, self.second], axis=1)
        # Short of the highest degree, Δ can move neither way: the highest would overtake on one side or the other.
        tied = self.counts[np.abs(z) < z[-1]].any(axis=0)
        return Edges(np.concatenate([pair[won], pair[lost, ::-1]]), pair[tied])

    def settled(self, groups: Indices) -> bool:
        """An outcome of level l on a pair that moves alike keeps c_l from falling behind any other; so does any tie."""
        level = np.abs(self.model.scores)
        levels = np.unique(level)
        alike = groups[self.first] == groups[self.second]
        leading = [x for x in levels if x == 0 or self.counts[level == x][:, alike].any()]
        where = {x: i for i, x in enumerate(levels)}
        return all_reached([(where[x], where[y]) for x in leading for y in levels], len(levels))

    def recession(self) -> Recession:
        """Along a direction that no vote loses by, each outcome seen keeps up with every other outcome of its pair."""
        z, levels = self.model.scores, self.model.levels
        seen, cell = np.nonzero(self.counts)
        cell, seen, other = (a.ravel() for a in np.broadcast_arrays(cell[:, None], seen[:, None], np.arange(len(z))))
        slope = (z[other] - z[seen]) / 2
        return Recession(self.first[cell], self.second[cell], slope, levels[other] - levels[seen])


@dataclass(frozen=True)
class Recession:
    """Constraints on directions: slope · (δ_first − δ_second) + levels · δ_c ≤ 0, for each row [r]; `levels` [r, p]."""

    first: Indices
    second: Indices
    slope: Floats
    levels: Floats


@dataclass(frozen=True)
class PairModel:
    """P(outcome | Δ): shared by fitting and prediction."""

    degrees: Floats
    ties: bool

    @cached_property
    def scores(self) -> Floats:
        """The signed degree of each outcome [o]."""
        return outcome_scores(self.degrees, self.ties)

    @property
    def nuisances(self) -> tuple[str, ...]:
        """log ν of the tie, then c_d of every degree but the smallest, whose c is 0."""
        return ("log tie",) * self.ties + tuple(f"log degree {degree:g}" for degree in self.degrees[1:])

    @cached_property
    def levels(self) -> Floats:
        """Which nuisance parameter enters each outcome [o, p]."""
        values = ([0.0] if self.ties else []) + self.degrees[1:].tolist()
        return np.asarray(np.abs(self.scores)[:, None] == np.array(values), dtype=np.float64)

    def log_prob(self, difference: Floats, nuisance: Floats) -> Floats:
        """log P of every outcome [o, ...] at utility differences [...], for nuisance parameters [p, ...] or [p].

        Outcomes come first, so that sums over them run along memory.
        """
        levels = np.tensordot(self.levels, nuisance, axes=1)
        column = (len(self.scores), *(1,) * difference.ndim)
        logits = difference * (self.scores / 2).reshape(column)
        logits += levels.reshape(column) if levels.ndim == 1 else levels
        logits -= logits.max(axis=0)
        logits -= np.log(np.exp(logits).sum(axis=0))
        return np.asarray(logits)


def outcome_scores(degrees: Floats, ties: bool) -> Floats:
    """Signed degrees in ascending order: −d..−1, (0), 1..d."""
    return np.concatenate([-degrees[::-1], [0.0] if ties else [], degrees])


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
