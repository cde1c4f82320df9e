"""A Gaussian process of utilities: Laplace's approximation, hyperparameters by its evidence.

Chu and Ghahramani 2005, "Preference learning with Gaussian processes", with the likelihoods of this package (ties,
ratings) in place of the probit. In whitened coordinates z at the places Z, f(Z) = L z with L Lᵀ = K(Z, Z), the process
is a utility linear in the design K(X, Z) L⁻ᵀ under a standard Gaussian prior: the same Newton iteration fits both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.optimize import minimize

from heedful.core import FitError, Floats
from heedful.models.encoders import Arrays
from heedful.preference.heads.base import ByGap
from heedful.preference.heads.checks import check_positive
from heedful.preference.heads.votes import Votes
from heedful.preference.inference import Optimum, Problem, log_evidence, maximise
from heedful.preference.likelihoods import Likelihood
from heedful.preference.observations import Indices
from heedful.preference.sandwich import penalised_covariance

# Added to the kernel's diagonal, relative to its variance: rounding must not make it indefinite.
_JITTER = 1e-6
# Log evidence (nats) and logs of hyperparameters within which the search for them stops.
_EVIDENCE_TOLERANCE, _LOG_TOLERANCE = 0.2, 0.1


@dataclass(frozen=True)
class GaussianProcess:
    """Utilities with covariance sd² exp(−|x − y|² / (2 ℓ²)).

    `lengthscale` in units of the root mean square distance between rows of the design, and `sd` in nats; what is None
    is set by the evidence, in up to `evaluations` fits with no more than `search` places of the process. With up to
    `exact` distinct rows every row is a place of the final fit; beyond, there are `inducing` places. Fewer places than
    rows are drawn by the variance the others leave (pivoted Cholesky), and the share left is reported.
    `pairs` mirrored pairs of draws; away from the places they vary as the prior does, by `waves` random Fourier
    features (Wilson et al. 2020, "Efficiently sampling functions from Gaussian process posteriors", equation 13).

    On sentence embeddings of HH-RLHF not shown to differ from `Linear`, and on PandaLM too sure, as `Linear` is whose
    prior is chosen by evidence: both take votes of one context for independent; see docs/benchmarks.md.
    """

    lengthscale: float | None = None
    sd: float | None = None
    exact: int = 2000
    inducing: int = 800
    search: int = 300
    pairs: int = 64
    waves: int = 1024
    evaluations: int = 30
    name: str = "process"

    def __post_init__(self) -> None:
        check_positive(self.lengthscale, "lengthscale")
        check_positive(self.sd, "sd")

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedProcess:
        """Raises FitError where no vote says anything, InputError where votes have margins or features are NaN."""
        votes.check(design)
        likelihoods = votes.likelihoods(len(design))
        if not likelihoods:
            raise FitError("all judgements say the same, so no utility can be fitted", fix="collect others")
        unit = math.sqrt(2 * float(design.var(axis=0).sum())) or 1.0
        scaled = design / unit
        few, chosen = self._places(scaled, rng)
        coarse = _Process(likelihoods, scaled, few)
        scale, sd = coarse.best(self.lengthscale, self.sd, self.evaluations)
        fine = coarse if len(few) == len(chosen) else _Process(likelihoods, scaled, chosen)
        optimum, basis, places = fine.fit(scale, sd), fine.factor(scale), scaled[chosen]
        noise = penalised_covariance(optimum, votes.clusters).noise.sample(self.pairs, rng)[:, : len(chosen)]
        mean = linalg.solve_triangular(basis, optimum.point.x[: len(chosen)], trans=1, lower=True)
        waves = Waves.drawn(design.shape[1], self.waves, self.pairs, scale, sd, rng)
        prior = linalg.cho_solve((basis, True), waves(places).T)
        spread = linalg.solve_triangular(basis, noise.T, trans=1, lower=True) - prior
        facts = {
            "lengthscale": scale,
            "sd": sd,
            "places": len(chosen),
            "places_for_search": len(few),
            "variance_left": fine.left(scale),
            "evidence": log_evidence(optimum),
            "converged": optimum.converged,
            "evaluations": coarse.evaluations,
        }
        return FittedProcess(places, unit, scale, mean, np.ascontiguousarray(spread.T), waves, facts)

    def _places(self, scaled: Floats, rng: np.random.Generator) -> tuple[Indices, Indices]:
        """The places with which hyperparameters are sought, and those of the fit."""
        distinct = np.sort(np.unique(scaled, axis=0, return_index=True)[1])
        exact = len(distinct) <= self.exact
        if exact and len(distinct) <= self.search:
            return distinct, distinct
        ordered = chosen_places(scaled, self.lengthscale or 1.0, self.search if exact else self.inducing, rng)
        return ordered[: self.search], distinct if exact else ordered


class _Process:
    """Fits at lengthscales and widths, with the rows `chosen` of all `scaled` rows [n, d] as places [r]."""

    def __init__(self, likelihoods: tuple[Likelihood, ...], scaled: Floats, chosen: Indices) -> None:
        self.likelihoods, self.chosen = likelihoods, chosen
        self.distances = squared_distances(scaled, scaled[chosen])
        self.evaluations = 0
        self._last: tuple[float, Floats] | None = None

    def factor(self, scale: float) -> Floats:
        """The lower Cholesky factor of the kernel at the places [r, r]."""
        kernel = np.exp(-self.distances[self.chosen] / (2 * scale**2))
        kernel[np.diag_indices_from(kernel)] += _JITTER
        return np.asarray(linalg.cholesky(kernel, lower=True, check_finite=False))

    def whitened(self, scale: float) -> Floats:
        """The design [n, r] in which the process is linear."""
        if self._last is None or self._last[0] != scale:
            kernel, factor = np.exp(-self.distances / (2 * scale**2)), self.factor(scale)
            made = linalg.solve_triangular(factor, kernel.T, lower=True, check_finite=False).T
            self._last = scale, np.ascontiguousarray(made)
        return self._last[1]

    def left(self, scale: float) -> float:
        """The mean share of prior variance that the places leave."""
        return float(np.clip(1 - (self.whitened(scale) ** 2).sum(axis=1), 0, None).mean())

    def fit(self, scale: float, sd: float) -> Optimum:
        design = self.whitened(scale)
        problem = Problem(self.likelihoods, len(design), design)
        precision = np.zeros(problem.size)
        precision[: design.shape[1]] = sd**-2
        return maximise(Problem(self.likelihoods, len(design), design, precision))

    def best(self, scale: float | None, sd: float | None, evaluations: int) -> tuple[float, float]:
        """The lengthscale and width with the most evidence, of those not given, by the Nelder-Mead simplex."""
        given = (scale, sd)
        free = [place for place, value in enumerate(given) if value is None]
        if not free:
            return float(scale or 1.0), float(sd or 1.0)

        def values(x: Floats) -> tuple[float, float]:
            both = [1.0 if value is None else value for value in given]
            for place, log in zip(free, x, strict=True):
                both[place] = math.exp(min(max(log, -6.0), 6.0))
            return both[0], both[1]

        def loss(x: Floats) -> float:
            self.evaluations += 1
            scale, sd = values(x)
            return -log_evidence(self.fit(scale, sd))

        simplex = np.vstack([np.zeros(len(free)), 0.8 * np.eye(len(free))])
        limits = {"maxfev": evaluations, "xatol": _LOG_TOLERANCE, "fatol": _EVIDENCE_TOLERANCE}
        found = minimize(loss, simplex[0], method="Nelder-Mead", options={"initial_simplex": simplex, **limits})
        return values(found.x)


@dataclass(frozen=True, eq=False)
class Waves:
    """Draws of the prior as sums of cosines (Rahimi and Recht 2007): k functions with the kernel's covariance.

    `frequency` [w, d], `phase` [w], `amplitude` [k, w].
    """

    frequency: Floats
    phase: Floats
    amplitude: Floats

    @classmethod
    def drawn(cls, d: int, count: int, k: int, scale: float, sd: float, rng: np.random.Generator) -> Waves:
        frequency, phase = rng.standard_normal((count, d)) / scale, rng.uniform(0, 2 * np.pi, count)
        return cls(frequency, phase, rng.standard_normal((k, count)) * (sd * math.sqrt(2 / count)))

    def __call__(self, scaled: Floats) -> Floats:
        """Values [k, m] at rows [m, d]."""
        return np.asarray(self.amplitude @ np.cos(scaled @ self.frequency.T + self.phase).T)


@dataclass(frozen=True, eq=False)
class FittedProcess(ByGap):
    """`places` [r, d] in units of `unit`, weights of the kernel `mean` [r], and of the deviations `spread` [k, r]."""

    places: Floats
    unit: float
    scale: float
    weights: Floats
    spread: Floats
    waves: Waves
    facts: dict[str, Any]
    name: str = "process"

    def _kernel(self, scaled: Floats) -> Floats:
        return np.asarray(np.exp(-squared_distances(scaled, self.places) / (2 * self.scale**2)))

    def mean(self, features: Floats) -> Floats:
        return np.asarray(self._kernel(features / self.unit) @ self.weights)

    def draws(self, features: Floats) -> Floats:
        scaled = features / self.unit
        kernel = self._kernel(scaled)
        noise = self.waves(scaled) + self.spread @ kernel.T
        return np.concatenate([kernel @ self.weights + noise, kernel @ self.weights - noise])

    def aleatoric(self, features: Floats) -> None:
        return None

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays = {"places": self.places, "weights": self.weights, "spread": self.spread}
        waves = {name: getattr(self.waves, name) for name in ("frequency", "phase", "amplitude")}
        return {**arrays, **waves}, {"head": "process", "unit": self.unit, "scale": self.scale, "facts": self.facts}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        waves = Waves(arrays["frequency"], arrays["phase"], arrays["amplitude"])
        places, weights, spread = (arrays[name] for name in ("places", "weights", "spread"))
        return cls(places, state["unit"], state["scale"], weights, spread, waves, dict(state["facts"]))


def squared_distances(first: Floats, second: Floats) -> Floats:
    """|x − y|² for all rows x [n, d] and y [r, d]: [n, r]."""
    norms = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    return np.asarray(np.maximum(norms - 2 * first @ second.T, 0.0))


def chosen_places(scaled: Floats, scale: float, count: int, rng: np.random.Generator) -> Indices:
    """The rows [count] that a randomly pivoted Cholesky factorisation of the kernel takes first, in that order.

    Each is drawn in proportion to the variance that those before it leave (Chen, Epperly, Tropp and Webber 2023,
    "Randomly pivoted Cholesky", algorithm 2.1): always taking the greatest would gather outliers.
    """
    n = len(scaled)
    left, rows, chosen = np.ones(n), np.zeros((n, count)), []
    for step in range(count):
        if left.max() < _JITTER:
            break
        pivot = int(rng.choice(n, p=left / left.sum()))
        chosen.append(pivot)
        column = np.exp(-squared_distances(scaled, scaled[pivot : pivot + 1])[:, 0] / (2 * scale**2))
        own = (column - rows[:, :step] @ rows[pivot, :step]) / math.sqrt(left[pivot])
        rows[:, step] = own
        left = np.maximum(left - own**2, 0.0)
        left[pivot] = 0.0
    return np.array(chosen, dtype=np.intp)
