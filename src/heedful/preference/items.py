"""Free utilities: the maximum likelihood of what is identified; given that, a wide prior for the rest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from heedful.core import Finding, Floats
from heedful.preference import findings as say
from heedful.preference.deviations import deviating
from heedful.preference.discrimination import (
    BLUNT_LOG,
    LARGEST_LOG,
    discriminating,
    expected,
    log_discriminations,
    start_from,
)
from heedful.preference.effects import widths
from heedful.preference.identification import Identified, identify
from heedful.preference.inference import DENSE_LIMIT, Optimum, Problem, maximise, with_widths
from heedful.preference.information import Singular
from heedful.preference.likelihoods import Likelihood
from heedful.preference.noise import Dense, Independent, Noise, heavy_tailed, mirrored
from heedful.preference.observations import Indices
from heedful.preference.reading import Reading, readings
from heedful.preference.sandwich import Clusters, covariance, laplace

# The prior under which items that the votes cannot place are scored, so that they can be asked about: utilities N(0,
# sd²).
WIDE_SD = 2.5
# Items that are placed are held where they are by a prior this many times as precise as what the votes say of any.
_HELD = 1e6
# Newton steps in which sharpness settles, where anything tells it.
_STEPS = 60


@dataclass(frozen=True)
class ItemsFit:
    """Utilities of n items: `mean` [n], `covariance` [n, n] or None, `draws` [k, n], a note per item not identified."""

    mean: Floats
    covariance: Floats | None
    draws: Floats
    notes: tuple[str, ...]
    df: float
    readings: tuple[Reading, ...]
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def fit_items(
    likelihoods: tuple[Likelihood, ...],
    judgements: Floats,
    clusters: Clusters,
    pairs: int,
    rng: np.random.Generator,
    judged: Collection[str] = (),
) -> ItemsFit:
    """Fit the identified items by maximum likelihood, then the others under the wide prior; 2 · `pairs` draws.

    `judgements` [n] counts those that each item is in; the likelihoods of the kinds `judged` may deviate.
    """
    n = len(judgements)
    found = identify(likelihoods, n)
    fewest = float(judgements[found.kept].min(initial=np.inf))
    placed = _maximum_likelihood(found, clusters, fewest, pairs, rng, judged)
    if len(found.kept) == n:
        return placed
    return _with_others(placed, found, _others(likelihoods, n, placed, found.kept, rng))


def _maximum_likelihood(
    found: Identified,
    clusters: Clusters,
    fewest: float,
    pairs: int,
    rng: np.random.Generator,
    judged: Collection[str],
) -> ItemsFit:
    """The fit of the identified items alone."""
    m = len(found.kept)
    if not m:
        facts: dict[str, Any] = dict.fromkeys(("prior", "log_likelihood", "converged", "promise", "discrimination"))
        facts |= {"parameters": 0, "iterations": 0, "clusters": {}, "covariance": "model"}
        return ItemsFit(np.zeros(0), np.zeros((0, 0)), np.zeros((2 * pairs, 0)), found.notes, np.inf, (), [], facts)
    optimum, sharpness, findings = _most_likely(found.likelihoods, m, judged)
    spread = covariance(optimum, clusters, fewest)
    if judged:
        # The width of a judge's deviations is told by as many of them as there are items, less one.
        spread = replace(spread, df=min(spread.df, max(m - 1.0, 1.0)), promise="at least")
    drawn = mirrored(optimum.point.x, heavy_tailed(spread.noise.sample(pairs, rng), spread.df, rng))
    facts = {
        "prior": None,
        "parameters": optimum.point.problem.size - 1,
        "log_likelihood": optimum.point.log_likelihood,
        "converged": optimum.converged,
        "iterations": optimum.iterations,
        "clusters": spread.clusters,
        "covariance": spread.basis,
        "promise": spread.promise,
        "discrimination": sharpness,
        "widths": widths(optimum.point.problem.likelihoods),
    }
    blunt = [kind for kind, a in sharpness.items() if np.log(a) < BLUNT_LOG]
    findings = say.few_clusters(spread.notes) + findings + say.blunt(blunt)
    findings += [] if optimum.converged else [say.not_converged(optimum.iterations)]
    matrix = spread.noise.matrix
    x = optimum.point.x
    block = None if matrix is None else without(matrix[:m, :m], spread.unknown)
    return ItemsFit(x[:m], block, drawn[:, :m], found.notes, spread.df, readings(optimum, x, drawn), findings, facts)


def _most_likely(
    likelihoods: tuple[Likelihood, ...], m: int, judged: Collection[str]
) -> tuple[Optimum, dict[str, float], list[Finding]]:
    """The maximum, with the discrimination of each instrument where one can be told, and what else is to be said of it.

    Where an instrument's discrimination runs off to zero or infinity, all are taken as equally sharp. Judges deviate
    where the problem then still fits into a dense matrix.
    """

    optimum = with_widths(Problem(deviating(likelihoods, judged, m), m))
    likelihoods = optimum.point.problem.likelihoods
    unit = {likelihood.kind: 1.0 for likelihood in likelihoods}
    room = optimum.point.problem.size + len(likelihoods) <= DENSE_LIMIT
    freed = discriminating(likelihoods, m) if room else None
    if freed is None:
        return optimum, unit, []
    try:
        free = maximise(Problem(freed, m), start_from(optimum, freed), limit=_STEPS)
        free = with_widths(free.point.problem, free.point.x) if free.converged else free
    except Singular:
        return optimum, unit, [say.unsettled()]
    logs = log_discriminations(free)
    astray = [kind for kind, log in logs.items() if abs(log) > LARGEST_LOG]
    if astray or not free.converged:
        return optimum, unit, say.contradicting(astray) or [say.unsettled()]
    return expected(free), unit | {kind: float(np.exp(log)) for kind, log in logs.items()}, []


def _others(
    likelihoods: tuple[Likelihood, ...], n: int, placed: ItemsFit, kept: Indices, rng: np.random.Generator
) -> ItemsFit:
    """All n items, with those not placed under the wide prior, given each draw of the placed ones.

    Nuisance parameters have a prior four times as wide. Draws are Laplace's: with H the information at the mode, given
    placed items off their mean by δ, the others have the mean of the mode − H_UU⁻¹ H_UP δ and the covariance H_UU⁻¹.
    Holding the placed ones by a prior of great precision κ makes both of solutions in H + κ I_P.
    """
    pairs = len(placed.draws) // 2
    if not likelihoods:
        draws = mirrored(np.zeros(n), _prior(n).sample(pairs, rng))
        return ItemsFit(np.zeros(n), None, draws, (), np.inf, ())
    free = Problem(likelihoods, n)
    start, precision = free.start(), np.full(free.size, (4 * WIDE_SD) ** -2)
    start[kept], precision[:n] = placed.mean, WIDE_SD**-2
    told = max(float(terms.diagonal.max(initial=0.0)) for terms in free.terms(start))
    precision[kept] = _HELD * max(told, 1.0)
    centre = np.append(start[:n], np.zeros(free.size - n))
    optimum = maximise(replace(free, precision=precision, centre=centre), start)
    pull = np.zeros((free.size, pairs))
    pull[kept] = precision[kept, None] * (placed.draws[:pairs] - placed.mean).T
    moved = optimum.point.information.solve(pull).T + laplace(optimum).sample(pairs, rng)
    mean, draws = optimum.point.x, mirrored(optimum.point.x, moved)
    return ItemsFit(mean[:n], None, draws[:, :n], (), np.inf, readings(optimum, mean, draws))


def _prior(n: int) -> Noise:
    return Dense(np.eye(n) * WIDE_SD**2) if n <= DENSE_LIMIT else Independent(np.full(n, WIDE_SD))


def _with_others(placed: ItemsFit, found: Identified, others: ItemsFit) -> ItemsFit:
    """The identified items as placed, the others as drawn given them; these have no covariance."""
    kept, n = found.kept, len(others.mean)
    mean, draws = others.mean.copy(), others.draws.copy()
    mean[kept], draws[:, kept] = placed.mean, placed.draws
    known = tuple(
        replace(own, deviation=_spread(own.deviation, kept, n)) if own.deviation.shape[1] else own
        for own in placed.readings
    )
    matrix = None
    if placed.covariance is not None and n <= DENSE_LIMIT:
        matrix = np.full((n, n), np.nan)
        matrix[np.ix_(kept, kept)] = placed.covariance
    facts = {**placed.facts, "prior_of_items_not_identified": f"N(0, {WIDE_SD:g}²), for asking only"}
    return replace(placed, mean=mean, draws=draws, covariance=matrix, readings=known or others.readings, facts=facts)


def _spread(values: Floats, kept: Indices, n: int) -> Floats:
    """Values [k, m] of the items kept among all n, zero for the others [k, n]."""
    whole = np.zeros((len(values), n))
    whole[:, kept] = values
    return whole


def without(matrix: Floats, unknown: np.ndarray) -> Floats:
    """A covariance with NaN in the rows and columns of what is not known."""
    masked = matrix.copy()
    masked[unknown], masked[:, unknown] = np.nan, np.nan
    return masked
