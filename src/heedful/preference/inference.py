"""Maximum likelihood (or maximum a posteriori) by Newton's method, jointly over utilities and nuisance parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg import block_diag

from heedful.core import Floats
from heedful.preference.backtracking import backtracked
from heedful.preference.effects import TRIED, WIDTHS, leading, places_of, prior_precision, resized, widths
from heedful.preference.information import Dense, Information, Singular, Sparse
from heedful.preference.likelihoods import Likelihood, Terms, dense_information, information_above, information_times

# Up to this many parameters the information is a dense matrix (a Cholesky factor of 3,000 takes about half a second).
DENSE_LIMIT = 3000
_STEP_TOLERANCE = 1e-10
_ITERATIONS = 200
# Times that families of random effects are gone through, and Newton steps taken for each width tried.
_ROUNDS, _SEARCH = 4, 25
_ROUND_TOLERANCE = 0.05
# A gradient this small (nats) without an inverse of the information is a ridge, not a way up.
_FLAT = 1e-6


@dataclass(frozen=True)
class Problem:
    """Likelihoods over n items whose utilities are θ itself (design None) or design [n, d] @ θ.

    Parameters x [P] are θ, then the nuisance parameters of each likelihood in turn. `precision` [P] is that of a
    Gaussian prior around `centre` [P] (None: zero), 0 where there is none; random effects bring their own.
    """

    likelihoods: tuple[Likelihood, ...]
    items: int
    design: Floats | None = None
    precision: Floats | None = None
    centre: Floats | None = None

    @cached_property
    def coefficients(self) -> int:
        """How many parameters are utilities or weights of features."""
        return self.items if self.design is None else self.design.shape[1]

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each likelihood's nuisance parameters stand in x."""
        ends = np.cumsum([self.coefficients] + [len(likelihood.nuisances) for likelihood in self.likelihoods])
        return tuple(slice(start, stop) for start, stop in pairwise(ends.tolist()))

    @property
    def size(self) -> int:
        return self.slices[-1].stop if self.slices else self.coefficients

    @property
    def effects(self) -> dict[str, float]:
        """The widths of all random effects, by family."""
        return widths(self.likelihoods)

    def place(self, name: str) -> slice:
        """Where a family of random effects stands in x."""
        for likelihood, where in zip(self.likelihoods, self.slices, strict=True):
            own = places_of(likelihood).get(name)
            if own is not None:
                return slice(where.start + own.start, where.start + own.stop)
        raise KeyError(name)

    @cached_property
    def prior(self) -> Floats:
        """The precision [P] of all Gaussian priors: the one given and those of random effects."""
        effects = [prior_precision(likelihood) for likelihood in self.likelihoods]
        own = np.concatenate([np.zeros(self.coefficients), *effects])
        return own if self.precision is None else own + self.precision

    @property
    def is_dense(self) -> bool:
        return self.design is not None or self.size <= DENSE_LIMIT

    @cached_property
    def gauge(self) -> Floats:
        """The direction [P] along which no probability changes; zeros where a prior or a design rules it out."""
        if self.design is not None or self.precision is not None:
            return np.zeros(self.size)
        return np.concatenate([np.ones(self.items)] + [likelihood.shift for likelihood in self.likelihoods])

    def centred(self, x: Floats) -> Floats:
        """x moved along the gauge so that the utilities sum to zero."""
        if not self.gauge.any():
            return x
        return np.asarray(x - x[: self.items].mean() * self.gauge)

    def across(self, gradient: Floats) -> Floats:
        """A gradient without its part along the gauge, which is rounding."""
        length = float(self.gauge @ self.gauge)
        return gradient - (self.gauge @ gradient) / length * self.gauge if length else gradient

    def start(self) -> Floats:
        return np.concatenate([np.zeros(self.coefficients)] + [likelihood.start() for likelihood in self.likelihoods])

    def utilities(self, x: Floats) -> Floats:
        """u [n] at parameters x."""
        theta = x[: self.coefficients]
        return theta if self.design is None else self.design @ theta

    def terms(self, x: Floats) -> list[Terms]:
        """What each likelihood gives at x."""
        utility = self.utilities(x)
        return [
            likelihood.terms(utility, x[where]) for likelihood, where in zip(self.likelihoods, self.slices, strict=True)
        ]

    def at(self, x: Floats) -> Point:
        """Log-posterior, gradient and information at x."""
        return Point(self, x, self.terms(x))


@dataclass(frozen=True)
class Point:
    """The log-likelihood plus log-prior (up to a constant), with derivatives, at x."""

    problem: Problem
    x: Floats
    terms: list[Terms]

    @cached_property
    def log_likelihood(self) -> float:
        return float(sum(terms.value for terms in self.terms))

    @cached_property
    def value(self) -> float:
        return self.log_likelihood - float(self.problem.prior @ self._off**2) / 2

    @property
    def _off(self) -> Floats:
        """How far x is from the prior's centre [P]."""
        return self.x if self.problem.centre is None else self.x - self.problem.centre

    @cached_property
    def gradient(self) -> Floats:
        utilities = np.sum([terms.gradient for terms in self.terms], axis=0)
        if self.problem.design is not None:
            utilities = self.problem.design.T @ utilities
        gradient = np.concatenate([utilities] + [terms.nuisance_gradient for terms in self.terms])
        return np.asarray(gradient - self.problem.prior * self._off)

    @cached_property
    def information(self) -> Information:
        return self._dense() if self.problem.is_dense else self._sparse()

    def _dense(self) -> Dense:
        matrix = self.likelihood_information()
        matrix[np.diag_indices_from(matrix)] += self.problem.prior
        return Dense(matrix, self.problem.gauge)

    def likelihood_information(self) -> Floats:
        """The information [P, P] of the votes alone, dense."""
        problem, d = self.problem, self.problem.coefficients
        matrix = np.zeros((problem.size, problem.size))
        for terms, where in zip(self.terms, problem.slices, strict=True):
            cross = terms.cross
            if problem.design is None:
                matrix[:d, :d] += dense_information(terms)
            else:
                matrix[:d, :d] += problem.design.T @ information_times(terms, problem.design)
                cross = problem.design.T @ cross
            matrix[:d, where] = cross
            matrix[where, :d] = cross.T
            matrix[where, where] = terms.nuisance_information
        return matrix

    def _sparse(self) -> Sparse:
        problem = self.problem
        prior, nuisance_prior = np.split(problem.prior, [problem.coefficients])
        above = sum((information_above(terms) for terms in self.terms[1:]), start=information_above(self.terms[0]))
        return Sparse(
            np.sum([terms.diagonal for terms in self.terms], axis=0) + prior,
            above,
            np.concatenate([terms.cross for terms in self.terms], axis=1),
            block_diag(*[terms.nuisance_information for terms in self.terms]) + np.diag(nuisance_prior),
            problem.gauge,
        )


@dataclass(frozen=True)
class Optimum:
    """Where Newton's method stopped."""

    point: Point
    iterations: int
    converged: bool


def maximise(
    problem: Problem, start: Floats | None = None, *, tolerance: float = _STEP_TOLERANCE, limit: int = _ITERATIONS
) -> Optimum:
    """The maximum of a log-posterior, concave or nearly so, by Newton's method with backtracking.

    Converged where a full step would move no parameter by more than `tolerance` (nats of utility). Raises Singular
    where the information has no inverse; identification rules that out beforehand.
    """
    point = problem.at(problem.start() if start is None else start)
    for iteration in range(1, limit + 1):
        step = problem.centred(_uphill(point))
        if np.abs(step).max(initial=0.0) < tolerance:
            last = problem.at(problem.centred(point.x + step))
            return Optimum(last, iteration, True)
        following = _farther(point, step)
        if following is None:
            return Optimum(point, iteration, bool(np.abs(step).max() < 1e-6))
        point = following
    return Optimum(point, limit, False)


def _uphill(point: Point) -> Floats:
    """Newton's step; where random effects or a sharpness bend the log-posterior up on the way, one of the damped
    information. Both have a prior."""
    gradient = point.problem.across(point.gradient)
    try:
        return point.information.solve(gradient)
    except Singular:
        if not isinstance(point.information, Dense) or np.abs(gradient).max() < _FLAT or not point.problem.prior.any():
            raise
        return point.information.damped().solve(gradient)


def _farther(point: Point, step: Floats) -> Point | None:
    def at(size: float) -> tuple[float, Point]:
        there = point.problem.at(point.x + size * step)
        return there.value, there

    found = backtracked(at, point.value, float(point.gradient @ step))
    return found and found[1]


def with_widths(problem: Problem, start: Floats | None = None) -> Optimum:
    """The maximum, with the widths of random effects chosen by their evidence.

    A width is uniform a priori in its logarithm over `WIDTHS`; the sd² used is its mean under the posterior, so that
    what is not known of it widens the effects. Families are gone through in turn until no width moves by a twentieth.
    """
    optimum = maximise(problem, start)
    for _ in range(_ROUNDS):
        before = problem.effects
        for name in before:
            sd = _mean_width(optimum, name)
            problem = replace(problem, likelihoods=resized(problem.likelihoods, {name: sd}))
            optimum = maximise(problem, optimum.point.x)
        if all(abs(np.log(problem.effects[name] / sd)) < _ROUND_TOLERANCE for name, sd in before.items()):
            break
    return optimum


def _mean_width(optimum: Optimum, name: str) -> float:
    """The root of the posterior mean of one family's sd², the other widths held.

    What judges want beside people moves utilities, so each width of it is weighed at the maximum under it. Elsewhere
    what the votes say of the effects near the present maximum will do.
    """
    place = optimum.point.problem.place(name)
    if name not in leading(optimum.point.problem.likelihoods):
        covariance = optimum.point.information.inverse[place, place]  # type: ignore[union-attr]
        evidence = _evidence_of_widths(covariance, optimum.point.x[place], optimum.point.problem.effects[name])
    else:
        evidence = _evidences(optimum, name)
    weights = np.exp(evidence - evidence.max())
    return float(np.sqrt(weights @ np.square(WIDTHS[: len(weights)]) / weights.sum()))


def _evidences(optimum: Optimum, name: str) -> Floats:
    """The log evidence of each of `WIDTHS` up to the last `TRIED`, at the maximum under it; a spline between those."""
    found = []
    for sd in TRIED:
        problem = optimum.point.problem
        problem = replace(problem, likelihoods=resized(problem.likelihoods, {name: sd}))
        # The evidence is flat at its maximum: an error of ε in the parameters is one of ε² in it.
        optimum = maximise(problem, optimum.point.x, tolerance=1e-3, limit=_SEARCH)
        found.append(log_evidence(optimum))
    between = [sd for sd in WIDTHS if sd <= TRIED[-1]]
    return np.asarray(CubicSpline(np.log(TRIED), found)(np.log(between)))


def _evidence_of_widths(covariance: Floats, effects: Floats, sd: float) -> Floats:
    """The log evidence of each of `WIDTHS`, up to a constant, from the posterior of effects [q] under N(0, sd²).

    What the votes say of the effects, all else integrated out, is exp(hᵀη − ηᵀJη/2) with J = covariance⁻¹ − I/sd² and
    h = covariance⁻¹ effects; against N(0, s²) it integrates to Π_k (1 + s²λ_k)^{−1/2} exp(s²h_k² / 2(1 + s²λ_k)), over
    the eigenvalues λ of J. Exact where the likelihood is Gaussian; elsewhere it holds near the sd of the posterior.
    """
    precision = np.linalg.inv(covariance)
    values, vectors = np.linalg.eigh((precision + precision.T) / 2)
    told = np.maximum(values - sd**-2, 0.0)
    pull = vectors.T @ (precision @ effects)
    variance = np.square(WIDTHS)[:, None]
    spread = 1 + variance * told
    return np.asarray((variance * pull**2 / spread - np.log(spread)).sum(axis=1) / 2)


def log_evidence(optimum: Optimum) -> float:
    """Laplace's approximation of the log marginal likelihood, up to a constant that no width of a prior changes.

    log p(votes | θ̂, ĉ) + log N(θ̂; 0, Λ⁻¹) − ½ log |H|, with a flat prior on what has none (MacKay 1992, "Bayesian
    interpolation", equation 2.13 onwards).
    """
    information, prior = optimum.point.information, optimum.point.problem.prior
    assert isinstance(information, Dense)
    return optimum.point.value + float(np.log(prior[prior > 0]).sum()) / 2 - information.log_determinant / 2
