"""Utilities linear in features: Laplace's approximation under a Gaussian prior, averaged over its width by evidence."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from heedful.core import Finding, FitError, Floats
from heedful.preference import findings as say
from heedful.preference.deviations import deviating
from heedful.preference.effects import widths
from heedful.preference.identification import separates
from heedful.preference.inference import Optimum, log_evidence, maximise, with_widths
from heedful.preference.information import Singular
from heedful.preference.instruments import Indices
from heedful.preference.likelihoods import Likelihood
from heedful.preference.noise import Dense as Noise
from heedful.preference.noise import mirrored
from heedful.preference.reading import Reading, readings
from heedful.preference.sandwich import Clusters, Covariance, penalised_covariance
from heedful.preference.widths import climb, held_out_width, penalised

# Prior standard deviations tried: six to a decade, in nats per standard deviation of a feature.
GRID = tuple(10.0 ** (step / 6) for step in range(-15, 7))
HELD_OUT = "chosen on contexts held out"
# Widths with less evidence than the best by this much (nats) are left out of the average.
_NEGLIGIBLE = 6.0
# Times that the width of the prior and those of judges' deviations are chosen in turn.
_ROUNDS = 2


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
    judged: Collection[str] = (),
    context: Indices | None = None,
) -> FeaturesFit:
    """Fit θ to utilities design [n, d] @ θ; 2 · `pairs` draws.

    `prior_sd` None is averaged over by evidence or, where `context` [table rows] codes are given, chosen on contexts
    held out. The likelihoods of the kinds `judged` may deviate by weights of their own.
    Raises FitError where no vote says anything, or where there is no prior and the votes do not identify θ.
    """
    if not likelihoods:
        raise FitError("all judgements say the same, so no utility can be fitted", fix="collect judgements that differ")
    try:
        likelihoods = _linked(likelihoods, design, prior_sd, judged)
    except Singular:
        raise _undetermined() from None
    how = "given"
    if prior_sd is None and context is not None:
        prior_sd, how = held_out_width(likelihoods, design, context, GRID, rng), HELD_OUT
    if prior_sd is None:
        tried = explore(likelihoods, design)
        best = max(tried, key=lambda width: width.evidence)
        how = f"averaged by evidence over {len(tried)} widths"
    else:
        best = Width(prior_sd, 0.0, _fitted(likelihoods, design, prior_sd))
        tried = [best]
    weights = np.exp([width.evidence - best.evidence for width in tried])
    x, spread = _averaged([width.optimum for width in tried], weights / weights.sum(), clusters)
    drawn = mirrored(x, spread.noise.sample(pairs, rng))
    d, matrix, optimum = design.shape[1], spread.noise.matrix, best.optimum
    assert matrix is not None
    prior = {"family": "gaussian", "mean": 0.0, "sd": best.sd, "sd_was": how}
    facts = {
        "prior": None if math.isinf(best.sd) else prior,
        "parameters": optimum.point.problem.size,
        "log_likelihood": optimum.point.log_likelihood,
        "converged": optimum.converged,
        "iterations": optimum.iterations,
        "clusters": spread.clusters,
        "covariance": spread.basis,
        "promise": "confidence" if math.isinf(best.sd) else spread.promise,
        "discrimination": {likelihood.kind: 1.0 for likelihood in likelihoods},
        "widths": widths(likelihoods),
    }
    found = say.few_clusters(spread.notes) + ([] if optimum.converged else [say.not_converged(optimum.iterations)])
    return FeaturesFit(x[:d], matrix[:d, :d], drawn[:, :d], spread.df, readings(optimum, x, drawn), found, facts)


def _linked(
    likelihoods: tuple[Likelihood, ...], design: Floats, prior_sd: float | None, judged: Collection[str]
) -> tuple[Likelihood, ...]:
    """The likelihoods with deviations whose widths are chosen under the prior given, or the best found by evidence."""
    linked = deviating(likelihoods, judged, len(design), design)
    if not widths(linked):
        return likelihoods
    sd = GRID[len(GRID) // 2] if prior_sd is None else prior_sd
    for _ in range(_ROUNDS):
        linked = with_widths(penalised(linked, design, sd)).point.problem.likelihoods
        if prior_sd is not None:
            break
        following = max(explore(linked, design), key=lambda width: width.evidence).sd
        if following == sd:
            break
        sd = following
    return linked


@dataclass(frozen=True)
class Width:
    """A prior standard deviation, its log evidence and the fit under it."""

    sd: float
    evidence: float
    optimum: Optimum


def _log_hyperprior(sd: float) -> float:
    """log of a half-Cauchy density of scale 1 nat on the width, in its logarithm (Gelman 2006): a width of nearly
    nothing is not what a few votes that differ little should be taken for."""
    return math.log(sd / (1 + sd**2))


def explore(likelihoods: tuple[Likelihood, ...], design: Floats) -> list[Width]:
    """The fits under all prior widths of `GRID` that have evidence worth counting, narrow to wide.

    Climbs from the middle of the grid, by wide steps and then single ones, and walks on to both sides: the evidence is
    taken to fall away from its best on either side.
    """
    tried: dict[int, Width] = {}

    def at(step: int) -> float:
        if step not in tried:
            start = tried[min(tried, key=lambda known: abs(known - step))].optimum.point.x if tried else None
            optimum = maximise(penalised(likelihoods, design, GRID[step]), start)
            tried[step] = Width(GRID[step], log_evidence(optimum) + _log_hyperprior(GRID[step]), optimum)
        return tried[step].evidence

    best = climb(at, len(GRID))
    for direction in (-1, 1):
        step = best
        while 0 <= step < len(GRID) and at(step) > at(best) - _NEGLIGIBLE:
            step += direction
    return [tried[step] for step in sorted(tried) if tried[step].evidence > tried[best].evidence - _NEGLIGIBLE]


def _averaged(fits: list[Optimum], weights: Floats, clusters: Clusters) -> tuple[Floats, Covariance]:
    """Mean and covariance of a mixture of Gaussian posteriors: what is not known of the prior's width widens it."""
    places = np.array([optimum.point.x for optimum in fits])
    spreads = [penalised_covariance(optimum, clusters) for optimum in fits]
    mean = weights @ places
    matrix = (places - mean).T @ (weights[:, None] * (places - mean))
    for weight, spread in zip(weights, spreads, strict=True):
        assert spread.noise.matrix is not None
        matrix += weight * spread.noise.matrix
    return mean, replace(spreads[int(np.argmax(weights))], noise=Noise(matrix))


def _fitted(likelihoods: tuple[Likelihood, ...], design: Floats, prior_sd: float) -> Optimum:
    if math.isinf(prior_sd) and separates(likelihoods, design):
        raise FitError(
            "a weighting of the features predicts every judgement, so without a prior there is no maximum",
            where="prior_sd",
            fix="give a prior: prior_sd=None chooses its width by the evidence",
        )
    try:
        return maximise(penalised(likelihoods, design, prior_sd))
    except Singular:
        raise _undetermined() from None


def _undetermined() -> FitError:
    return FitError(
        "the judgements do not determine the weights of these features: some are constant or repeat others",
        where="prior_sd",
        fix="give a prior, or leave such features out",
    )
