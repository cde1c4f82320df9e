"""Maximum likelihood of one set of counted comparisons: Newton's method, dense or sparse by the number of items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heedful.core import Floats
from heedful.preference.backtracking import backtracked
from heedful.preference.information import Dense, Information, Sparse
from heedful.preference.likelihoods import Terms, dense_information, information_above
from heedful.preference.pairs import Pairs

# Up to this many items information and covariance are dense matrices (72 MB each).
DENSE_LIMIT = 3000
# What is left of the last step, in nats of utility, where iterations stop.
_TOLERANCE = 1e-9
_ITERATIONS = 100


@dataclass(frozen=True)
class PairFit:
    """The maximum over `items` utilities, which sum to zero, and nuisance parameters: x [n + p], with the information
    there."""

    pairs: Pairs
    items: int
    x: Floats
    log_likelihood: float
    information: Information
    iterations: int
    converged: bool

    @property
    def utility(self) -> Floats:
        return self.x[: self.items]

    @property
    def nuisance(self) -> Floats:
        return self.x[self.items :]


def information_of(terms: Terms, tolerance: float = 1e-12) -> Information:
    """The information of some terms over utilities and nuisance parameters; `tolerance` of sparse solves."""
    n, p = terms.cross.shape
    gauge = np.append(np.ones(n), np.zeros(p))
    if n > DENSE_LIMIT:
        return Sparse(
            terms.diagonal, information_above(terms), terms.cross, terms.nuisance_information, gauge, tolerance
        )
    matrix = np.empty((n + p, n + p))
    matrix[:n, :n] = dense_information(terms)
    matrix[:n, n:], matrix[n:, :n], matrix[n:, n:] = terms.cross, terms.cross.T, terms.nuisance_information
    return Dense(matrix, gauge)


def most_likely(pairs: Pairs, n: int, start: Floats | None = None) -> PairFit:
    """The maximum of a log-likelihood that has one (see `identification`), from `start` [n + p] or from equal items.

    Newton's method with backtracking; where items are many, its linear systems are solved only as exactly as the step
    is worth (Dembo, Eisenstat and Steihaug 1982). Converged where what is left of the step is below 1e-9 nats.
    """
    x = np.concatenate([np.zeros(n), pairs.start()]) if start is None else start
    terms, size = pairs.terms(x[:n], x[n:]), 1.0
    for iteration in range(1, _ITERATIONS + 1):
        information = information_of(terms, tolerance=min(max(size**2, 1e-12), 1e-2))
        step = _solved(information, terms)
        found = _farther(pairs, x, terms, step)
        if found is None:
            return _fit(pairs, n, x, terms, iteration, bool(np.abs(step).max() < 1e-6))
        x, terms = found
        size = float(np.abs(step).max())
        # Near the maximum, the same factors at the new gradient tell what is left, at a fraction of the cost.
        if size < 1e-3:
            rest = _solved(information, terms)
            x, size = x + rest, float(np.abs(rest).max())
            if size < _TOLERANCE:
                return _fit(pairs, n, x, terms, iteration, True)
            terms = pairs.terms(x[:n], x[n:])
    return _fit(pairs, n, x, terms, _ITERATIONS, False)


def _fit(pairs: Pairs, n: int, x: Floats, terms: Terms, iterations: int, converged: bool) -> PairFit:
    centred = np.append(x[:n] - x[:n].mean(), x[n:])
    return PairFit(pairs, n, centred, terms.value, information_of(terms), iterations, converged)


def _solved(information: Information, terms: Terms) -> Floats:
    # Along the gauge the gradient is rounding.
    right = np.append(terms.gradient - terms.gradient.mean(), terms.nuisance_gradient)
    return information.solve(right)


def _farther(pairs: Pairs, x: Floats, terms: Terms, step: Floats) -> tuple[Floats, Terms] | None:
    n = len(terms.gradient)

    def at(size: float) -> tuple[float, tuple[Floats, Terms]]:
        there = x + size * step
        found = pairs.terms(there[:n], there[n:])
        return found.value, (there, found)

    slope = float(terms.gradient @ step[:n] + terms.nuisance_gradient @ step[n:])
    found = backtracked(at, terms.value, slope)
    return found and found[1]
