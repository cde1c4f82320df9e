"""What every likelihood gives: log-likelihood, its derivatives, per-record scores and what they identify.

A likelihood is a frozen object built from one instrument's votes. It depends on the utilities u [n] and on a few
nuisance parameters c [p] of its own (a tie term, thresholds). All are concave in (u, c), so that Newton's method finds
the maximum where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from heedful.core import Floats
from heedful.preference.observations import Indices


@dataclass(frozen=True)
class Terms:
    """A log-likelihood (nats) and its derivatives at (u, c).

    `gradient` [n] and `nuisance_gradient` [p]. The information (negative Hessian) is symmetric: over u x u its
    `diagonal` [n] and the entries above it as `rows`, `columns`, `values` (those of one place add up), over u x c
    `cross` [n, p], over c x c `nuisance_information` [p, p].
    """

    value: float
    gradient: Floats
    nuisance_gradient: Floats
    diagonal: Floats
    rows: Indices
    columns: Indices
    values: Floats
    cross: Floats
    nuisance_information: Floats

    @classmethod
    def outside(cls, n: int, p: int) -> Terms:
        """Where the nuisance parameters are not valid: value -inf."""
        none = np.zeros(0, np.intp)
        empty = np.zeros((n, p)), np.zeros((p, p))
        return cls(-np.inf, np.zeros(n), np.zeros(p), np.zeros(n), none, none, np.zeros(0), *empty)


@dataclass(frozen=True)
class Edges:
    """What directions of recession must satisfy. `strict` and `tied` [e, 2] hold node pairs (a, b).

    An edge a → b says: along any direction in which no vote loses likelihood, node a moves at least as far as b. Nodes
    below n are items, the rest nuisance nodes (thresholds) counted from n. Both ends of a `tied` pair move alike,
    provided that the nuisance parameters do not move.
    """

    strict: Indices
    tied: Indices
    nodes: int = 0


class Likelihood(Protocol):
    """One instrument's votes as a function of utilities and nuisance parameters."""

    @property
    def kind(self) -> str: ...
    @property
    def model(self) -> Any:
        """How a vote's probabilities depend on utilities and nuisance parameters: what predicts new votes."""
        ...

    @property
    def row(self) -> Indices:
        """The table row of each vote [v]."""
        ...

    @property
    def nuisances(self) -> tuple[str, ...]:
        """Names of the nuisance parameters [p]."""
        ...

    @property
    def shift(self) -> Floats:
        """How the nuisance parameters [p] move when all utilities move by 1 and no probability changes."""
        ...

    def start(self) -> Floats:
        """A valid starting point [p]."""
        ...

    def terms(self, utility: Floats, nuisance: Floats) -> Terms: ...

    def scores(self, utility: Floats, nuisance: Floats) -> tuple[Indices, Indices, Floats]:
        """The gradient's parts: table row, parameter (item, or n + nuisance) and value; entries add up."""
        ...

    def select(self, votes: Indices) -> Self:
        """Some votes alone, under the same model and nuisance parameters."""
        ...

    def restrict(self, new: Indices) -> Likelihood | None:
        """The votes that remain when only the items with new[i] >= 0 do, renumbered; None where none say anything.

        Items outside are infinitely far away: a set loses them, a vote decided by them alone is certain and drops out.
        """
        ...

    def edges(self, n: int) -> Edges: ...

    def settled(self, groups: Indices) -> bool:
        """Whether no direction of recession moves the nuisance parameters other than thresholds.

        `groups` [n] labels items that are known to move alike.
        """
        ...


def summed(index: Indices, values: Floats, size: int) -> Floats:
    """Σ of the values at each index [size]."""
    return np.asarray(np.bincount(index, values, size), dtype=np.float64)


def dense_information(terms: Terms) -> Floats:
    """The information over utilities as a dense matrix [n, n]."""
    n = len(terms.gradient)
    above = np.bincount(terms.rows * n + terms.columns, terms.values, minlength=n * n).reshape(n, n)
    return np.asarray(above + above.T + np.diag(terms.diagonal), dtype=np.float64)


def information_above(terms: Terms) -> sparse.csr_array:
    """The information over utilities above its diagonal, as a sparse matrix [n, n]."""
    n = len(terms.gradient)
    return sparse.coo_array((terms.values, (terms.rows, terms.columns)), shape=(n, n)).tocsr()


def information_times(terms: Terms, matrix: Floats) -> Floats:
    """The information over utilities times a matrix [n, q]."""
    above = information_above(terms)
    return np.asarray(above @ matrix + above.T @ matrix + terms.diagonal[:, None] * matrix)


def all_reached(edges: list[tuple[int, int]], nodes: int) -> bool:
    """Whether each node reaches each other along directed edges."""
    if nodes <= 1:
        return True
    pairs = np.array(edges or [(0, 0)])
    graph = sparse.csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(nodes, nodes))
    return bool(csgraph.connected_components(graph, connection="strong")[0] == 1)
