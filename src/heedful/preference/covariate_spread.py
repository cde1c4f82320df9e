"""The sandwich for comparisons with covariates: Σ_v s_v s_vᵀ, or Σ_g S_g S_gᵀ over clusters, in one more pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats
from heedful.preference.covariate_sums import Block, Problem, Products
from heedful.preference.pair_closed import Derivatives
from heedful.preference.pair_spread import unbent


@dataclass(eq=False)
class Scores:
    """What the scores of all rows add up to, each divided by one less its leverage as in `pair_spread`.

    `inverse` [P, P]: H⁻¹, with utilities that sum to zero. `firm` [n]: items that decided comparisons alone place (of
    others the model tells the error, see `pair_spread.Outcomes`). `clusters`: how many there are, 0 where comparisons
    are independent. `leverage`: the most that one row has. `sums` [g, P] are those of clusters, `met` [g, n] how many
    of their comparisons each item is in.
    """

    problem: Problem
    inverse: Floats
    firm: NDArray[np.bool_]
    clusters: int
    leverage: float = 0.0

    def __post_init__(self) -> None:
        n = self.problem.items
        self.sums, self.met = np.zeros((self.clusters, self.problem.size)), np.zeros((self.clusters, n))
        self._products, own = Products(self.problem), np.diag(self.inverse)[:n]
        self._pairs = own[:, None] + own - 2 * self.inverse[:n, :n]
        self._crossed, self._corner = np.ascontiguousarray(self.inverse[n:, :n]), self.inverse[n:, n:]

    def add(self, block: Block, found: Derivatives) -> None:
        share = (found.information[:, :, None] * self._spread(block)).sum(axis=1)
        self.leverage = max(self.leverage, float(np.trace(share).max(initial=0.0)))
        scores = unbent(found.gradient[None], share)[0]
        firm = self.firm.all() or self.firm[block.first] & self.firm[block.second]
        if self.clusters:
            self._add_clusters(block, np.where(firm, scores, 0.0))
            scores = np.zeros_like(scores)
        inner = scores[:, None] * scores
        if not np.all(firm):
            weight = 1.0 if block.weight is None else block.weight
            inner = np.where(firm, inner, found.information * weight)
        self._products.add(block, inner)

    def _spread(self, block: Block) -> Floats:
        """Z_vᵀ H⁻¹ Z_v [1 + p, 1 + p, m]."""
        d, size = self.problem.covariates, 1 + len(self._corner) - self.problem.covariates
        by_item = np.reshape([block.differences(row) for row in self._crossed], (len(self._corner), len(block.first)))
        by_covariate = self._corner[:, :d] @ block.design
        spread = np.empty((size, size, len(block.first)))
        spread[0, 0] = np.take(self._pairs, block.pair)
        spread[0, 0] += np.einsum("km,km->m", block.design, 2 * by_item[:d] + by_covariate[:d])
        spread[0, 1:] = spread[1:, 0] = by_item[d:] + by_covariate[d:]
        spread[1:, 1:] = self._corner[d:, d:, None]
        return spread

    def _add_clusters(self, block: Block, scores: Floats) -> None:
        (groups, n), size = self.met.shape, self.sums.shape[1]
        cluster = np.asarray(block.cluster, np.intp)
        # Flat, which is several times as fast as by two indices.
        sums, met = self.sums.reshape(groups * size), self.met.reshape(groups * n)
        for item, sign in ((block.first, 1.0), (block.second, -1.0)):
            np.add.at(sums, cluster * size + item, sign * scores[0])
            np.add.at(met, cluster * n + item, 1.0)
        for column, values in enumerate((*(block.design * scores[0]), *scores[1:]), start=n):
            np.add.at(sums, cluster * size + column, values)

    @property
    def middle(self) -> Floats:
        """The sum of squares of scores, or of clusters' scores [P, P]."""
        middle = self._products.matrix
        if self.clusters:
            middle += self.sums.T @ self.sums * (self.clusters / max(self.clusters - 1, 1))
        return middle

    @property
    def effective(self) -> Floats:
        """How many clusters of equal size would tell as much of each item and of each coefficient [n + d]."""
        n, d = self.problem.items, self.problem.covariates
        if not self.clusters:
            return np.full(n + d, np.inf)
        met = np.column_stack([self.met, np.repeat(self.met.sum(axis=1)[:, None], d, axis=1)])
        return np.asarray(met.sum(axis=0) ** 2 / (met**2).sum(axis=0))
