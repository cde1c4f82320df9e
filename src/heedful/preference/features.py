"""Utilities linear in features: maximum a posteriori under a Gaussian prior whose width the evidence chooses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from heedful.core import Finding, FitError, Floats
from heedful.preference import findings as say
from heedful.preference.identification import separates
from heedful.preference.inference import Optimum, Problem, maximise
from heedful.preference.information import Dense, Singular
from heedful.preference.likelihoods import Likelihood
from heedful.preference.prediction import Reading, readings
from heedful.preference.sandwich import Clusters, mirrored, penalised_covariance

# Prior standard deviations tried: three to a decade, in nats per standard deviation of a feature.
GRID = tuple(10.0 ** (step / 3) for step in range(-12, 5))


@dataclass(frozen=True)
class FeaturesFit:
    """Weights of d features: `mean` [d], `covariance` [d, d], `draws` [k, d]."""

    mean: Floats
    covariance: Floats
    draws: Floats
    df: float
    readings: tuple[Reading, ...]
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def fit_features(
    likelihoods: tuple[Likelihood, ...],
    design: Floats,
    prior_sd: float | None,
    clusters: Clusters,
    pairs: int,
    rng: np.random.Generator,
) -> FeaturesFit:
    """Fit θ to utilities design [n, d] @ θ; `prior_sd` None is chosen by the evidence. 2 · `pairs` draws.

    Raises FitError where no vote says anything, or where there is no prior and the votes do not identify θ.
    """
    if not likelihoods:
        raise FitError("all judgements say the same, so no utility can be fitted", fix="collect judgements that differ")
    if prior_sd is None:
        optimum, prior_sd = most_evident(likelihoods, design)
        how = "chosen by the evidence"
    else:
        optimum, how = _fitted(likelihoods, design, prior_sd), "given"
    spread = penalised_covariance(optimum, clusters)
    drawn = mirrored(optimum.point.x, spread.noise.sample(pairs, rng))
    d, matrix = design.shape[1], spread.noise.matrix
    assert matrix is not None
    facts = {
        "prior": None if math.isinf(prior_sd) else {"family": "gaussian", "mean": 0.0, "sd": prior_sd, "sd_was": how},
        "parameters": optimum.point.problem.size,
        "log_likelihood": optimum.point.log_likelihood,
        "converged": optimum.converged,
        "iterations": optimum.iterations,
        "clusters": spread.clusters,
        "covariance": spread.basis,
        "promise": "confidence" if math.isinf(prior_sd) else spread.promise,
        "discrimination": {likelihood.kind: 1.0 for likelihood in likelihoods},
    }
    found = say.few_clusters(spread.notes) + ([] if optimum.converged else [say.not_converged(optimum.iterations)])
    return FeaturesFit(
        optimum.point.x[:d], matrix[:d, :d], drawn[:, :d], spread.df, readings(optimum, drawn), found, facts
    )


def most_evident(likelihoods: tuple[Likelihood, ...], design: Floats) -> tuple[Optimum, float]:
    """The fit under the prior width of `GRID` with most evidence, found by climbing from the middle of the grid."""
    tried: dict[int, tuple[float, Optimum]] = {}

    def evidence_at(step: int, near: Optimum | None) -> float:
        if step not in tried:
            start = None if near is None else near.point.x
            optimum = maximise(_problem(likelihoods, design, GRID[step]), start)
            tried[step] = evidence(optimum, GRID[step]), optimum
        return tried[step][0]

    best = _climb(evidence_at, lambda step: tried[step][1])
    return tried[best][1], GRID[best]


def _climb(value: Callable[[int, Any], float], found: Callable[[int], Any]) -> int:
    """The place of the maximum of a unimodal sequence over `GRID`."""
    place = len(GRID) // 2
    value(place, None)
    while True:
        beside = [step for step in (place - 1, place + 1) if 0 <= step < len(GRID)]
        best = max([place, *beside], key=lambda step: value(step, found(place)))
        if best == place:
            return place
        place = best


def evidence(optimum: Optimum, prior_sd: float) -> float:
    """Laplace's approximation of the log marginal likelihood, up to a constant that no prior width changes.

    log p(votes | θ̂, ĉ) + log N(θ̂; 0, sd²) − ½ log |H|, with a flat prior on the nuisance parameters (MacKay 1992,
    "Bayesian interpolation", equation 2.13 onwards).
    """
    information = optimum.point.information
    assert isinstance(information, Dense)
    d = optimum.point.problem.coefficients
    return optimum.point.value - d * math.log(prior_sd) - information.log_determinant / 2


def _problem(likelihoods: tuple[Likelihood, ...], design: Floats, prior_sd: float) -> Problem:
    problem = Problem(likelihoods, len(design), design)
    if math.isinf(prior_sd):
        return problem
    d = design.shape[1]
    precision = np.append(np.full(d, prior_sd**-2), np.zeros(problem.size - d))
    return Problem(likelihoods, len(design), design, precision)


def _fitted(likelihoods: tuple[Likelihood, ...], design: Floats, prior_sd: float) -> Optimum:
    if math.isinf(prior_sd) and separates(likelihoods, design):
        raise FitError(
            "a weighting of the features predicts every judgement, so without a prior there is no maximum",
            where="prior_sd",
            fix="give a prior: prior_sd=None chooses its width by the evidence",
        )
    try:
        return maximise(_problem(likelihoods, design, prior_sd))
    except Singular:
        raise FitError(
            "the judgements do not determine the weights of these features: some are constant or repeat others",
            where="prior_sd",
            fix="give a prior, or leave such features out",
        ) from None
