"""Sums over comparisons with covariates, block by block: all that a fit keeps of its rows.

The first item of comparison v is preferred by Δ_v = u_first − u_second + β · x_v. Parameters x [n + d + p] are
utilities u, coefficients β and the model's nuisance parameters c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from heedful.core import Floats
from heedful.preference.covariate_rows import Rows
from heedful.preference.observations import Indices
from heedful.preference.pair_closed import Derivatives
from heedful.preference.pair_models import PairLink

# Rows handled at once: their intermediate results stay in the cache.
_BLOCK = 1 << 14
# Up to this many items sums go by pair of items, which a block has more rows than.
_FEW = 128


@dataclass(frozen=True)
class Block:
    """Some rows, ready for a pass: numbers of the items, which `pair` of n² they are, `counts` [o, m] of outcomes,
    covariates as `design` [d, m], weights and clusters where there are any."""

    items: int
    first: Indices
    second: Indices
    counts: Floats
    design: Floats
    weight: Floats | None
    cluster: Indices | None

    @cached_property
    def pair(self) -> Indices:
        return self.first * self.items + self.second

    def differences(self, values: Floats) -> Floats:
        """values [n] of the first item less those of the second [m]."""
        if self.items <= _FEW:
            return np.take(np.subtract.outer(values, values), self.pair)
        return values[self.first] - values[self.second]

    def by_item(self, values: Floats) -> Floats:
        """Σ values [m] over the rows an item is first in, less those it is second in [n]."""
        n = self.items
        if n <= _FEW:
            met = np.bincount(self.pair, values, n * n).reshape(n, n)
            return np.asarray(met.sum(axis=1) - met.sum(axis=0))
        return np.asarray(np.bincount(self.first, values, n) - np.bincount(self.second, values, n), np.float64)


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows over the items placed: `new` numbers them, −1 for others, whose comparisons are left out.

    `split` [3, o] says what a comparison of each outcome (the second won, a tie, the first won) counts for.
    """

    rows: Iterable[Rows]
    new: Indices
    items: int
    covariates: int
    model: PairLink
    split: Floats

    @property
    def parts(self) -> tuple[slice, slice, slice]:
        """Where utilities, coefficients and nuisance parameters stand in x."""
        middle = self.items + self.covariates
        return slice(self.items), slice(self.items, middle), slice(middle, middle + len(self.model.nuisances))

    @property
    def size(self) -> int:
        return self.items + self.covariates + len(self.model.nuisances)

    def blocks(self) -> Iterator[Block]:
        whole = bool((self.new == np.arange(len(self.new))).all())
        for rows in self.rows:
            arrays = rows.part(slice(None))
            for begin in range(0, len(arrays.first), _BLOCK):
                part = arrays.part(slice(begin, begin + _BLOCK))
                yield self._block(part if whole else self._inside(part))

    def _inside(self, rows: Rows) -> Rows:
        first, second = self.new[rows.first], self.new[rows.second]
        kept = np.flatnonzero((first >= 0) & (second >= 0))
        return replace(rows.part(kept), first=first[kept], second=second[kept])

    def _block(self, rows: Rows) -> Block:
        counts = np.take(self._counts, rows.outcome, axis=1)
        weight = None if rows.weight is None else rows.weight.astype(np.float64)
        if weight is not None:
            counts *= weight
        first, second = rows.first.astype(np.intp), rows.second.astype(np.intp)
        design = rows.covariates.T.astype(np.float64, order="C")
        return Block(self.items, first, second, counts, design, weight, rows.cluster)

    @cached_property
    def _counts(self) -> Floats:
        """What a comparison counts for [o, 3] by its outcome: 0 a tie, 1 the first won, −1 (the last) the second."""
        return np.ascontiguousarray(self.split[[1, 2, 0]].T)

    def differences(self, block: Block, x: Floats) -> Floats:
        """Δ of each row [m]."""
        utility, coefficients, _ = self.parts
        return block.differences(x[utility]) + x[coefficients] @ block.design

    def derivatives(self, x: Floats) -> Iterator[tuple[Block, Derivatives]]:
        """The log-likelihood with its derivatives row by row, one pass."""
        nuisance = x[self.parts[2]]
        for block in self.blocks():
            yield block, self.model.derivatives(block.counts, self.differences(block, x), nuisance)


@dataclass(eq=False)
class Totals:
    """The log-likelihood, its gradient [P], and the information by `products`, added up."""

    problem: Problem
    value: float = 0.0

    def __post_init__(self) -> None:
        self.gradient, self.products = np.zeros(self.problem.size), Products(self.problem)

    def add(self, block: Block, found: Derivatives) -> None:
        self.value += found.value
        self.gradient += score(self.problem, block, found.gradient)
        self.products.add(block, found.information)


def score(problem: Problem, block: Block, slopes: Floats) -> Floats:
    """The gradient [P] of some rows, from derivatives by Δ and the nuisance parameters [1 + p, m]."""
    return np.concatenate([block.by_item(slopes[0]), block.design @ slopes[0], slopes[1:].sum(axis=1)])


class Adds(Protocol):
    """What adds up blocks of rows."""

    def add(self, block: Block, found: Derivatives) -> None: ...


def totals(problem: Problem, x: Floats, other: Adds | None = None) -> Totals:
    """The sums at x, in one pass, with those of `other`; a log-likelihood of −∞ where x is outside its space."""
    if not problem.model.valid(x[problem.parts[2]]):
        return Totals(problem, -np.inf)
    found = Totals(problem)
    for block, each in problem.derivatives(x):
        found.add(block, each)
        if other is not None:
            other.add(block, each)
    return found


class Products:
    """Σ_v Z_v J_v Z_vᵀ over rows, with Z_v [P, 1 + p] how Δ_v and the nuisance parameters depend on all parameters."""

    def __init__(self, problem: Problem) -> None:
        self._items, self._covariates = problem.items, problem.covariates
        rest = problem.size - problem.items
        self._pairs = np.zeros(problem.items**2)
        self._cross, self._corner = np.zeros((rest, problem.items)), np.zeros((rest, rest))

    def add(self, block: Block, inner: Floats) -> None:
        """J row by row [1 + p, 1 + p, m]."""
        d = self._covariates
        np.add.at(self._pairs, block.pair, inner[0, 0])
        moved, mixed = block.design * inner[0, 0], inner[0, 1:]
        for row, values in enumerate((*moved, *mixed)):
            self._cross[row] += block.by_item(values)
        self._corner[:d, :d] += block.design @ moved.T
        self._corner[:d, d:] += block.design @ mixed.T
        self._corner[d:, d:] += inner[1:, 1:].sum(axis=2)

    @property
    def matrix(self) -> Floats:
        """The sum [P, P]."""
        n, d = self._items, self._covariates
        met = self._pairs.reshape(n, n)
        items = np.diag(met.sum(axis=0) + met.sum(axis=1)) - met - met.T
        corner = self._corner.copy()
        corner[d:, :d] = corner[:d, d:].T
        return np.block([[items, self._cross.T], [self._cross, corner]])
